/** From the word of a person to the settings that say where data are and of which kind. Pure. */
import { posix } from "node:path";
import type { Settings } from "./data-file.ts";

/** The digits that come with the trainer. */
export const DIGITS = "digits";

/**
 * `path` is relative to the worktree. A .csv or .npz file, a .npy file with its labels in y.npy beside it, else a
 * folder of images; `digits` are those that come with smc.
 */
export function settingsOfPath(path: string): Settings {
  if (path === DIGITS) return { "data.kind": DIGITS };
  const [, end] = /\.(csv|npz|npy)$/i.exec(path) ?? [];
  const kind = end?.toLowerCase();
  if (kind !== "npy") return { "data.kind": kind ?? "images", "data.path": path };
  const { dir, name } = posix.parse(path);
  return { "data.kind": "npz", "data.path": dir === "" ? "." : dir, "data.x": name };
}

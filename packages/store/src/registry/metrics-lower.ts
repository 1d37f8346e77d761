/** The setting `metrics.lower`. */
import { readConfig } from "../config.ts";
import type { Repository } from "../repository.ts";
import { parseLower } from "./metric-direction.ts";

/** Patterns of metrics that are better when they are lower. Throws CONFIG_INVALID. */
export async function readLower({
  store,
  worktree,
}: Pick<Repository, "store" | "worktree">): Promise<readonly string[]> {
  const { entries } = await readConfig({ storePath: store.path, worktreeRoot: worktree?.root });
  const value = entries.get("metrics.lower")?.value;
  return parseLower(typeof value === "string" ? value : "");
}

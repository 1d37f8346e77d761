/** For tests: packs and commits that no smc would make. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { hashBytes } from "../objects/digest.ts";
import { encodeCommit } from "../objects/objects.ts";
import { PackWriter } from "../pack/writer.ts";
import type { PackFile } from "../transfer/remote.ts";
import { ACTOR } from "./worktree.ts";

/** A pack of records that nobody has checked. */
export function craft(
  folder: string,
  records: readonly { kind: "chunk" | "chunklist" | "tree" | "commit"; raw: Uint8Array }[],
): PackFile {
  const path = join(folder, `crafted-${randomBytes(4).toString("hex")}.pack`);
  const writer = new PackWriter(path, "00".repeat(16));
  for (const { kind, raw } of records)
    writer.add({ kind, digest: hashBytes(raw), rawBytes: raw.length }, { codec: 0, stored: raw });
  const { name, sizeBytes } = writer.finish();
  return { path, name, sizeBytes, rows: [] };
}

/** Of this tree. */
export function commitOf(tree: Uint8Array): Uint8Array {
  const moment = { ms: 1_700_000_000_000, offsetMinutes: 0 };
  const who = { author: ACTOR, authored: moment, committer: ACTOR, committed: moment };
  return encodeCommit({ tree: hashBytes(tree), parents: [], ...who, message: "crafted", meta: {} });
}

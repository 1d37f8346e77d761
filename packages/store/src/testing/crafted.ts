/** For tests: packs and commits that no smc would make. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { encodeChunklist, encodeCommit, encodeTree } from "../objects/objects.ts";
import { PackWriter } from "../pack/writer.ts";
import type { PackFile } from "../transfer/remote.ts";
import { ACTOR } from "./worktree.ts";

interface CraftedRecord {
  readonly kind: "chunk" | "chunklist" | "tree" | "commit";
  readonly raw: Uint8Array;
  /** Default: the true one. */
  readonly digest?: Digest;
}

/** A pack of records that nobody has checked. */
export async function craft(folder: string, records: readonly CraftedRecord[]): Promise<PackFile> {
  const path = join(folder, `crafted-${randomBytes(4).toString("hex")}.pack`);
  const writer = await PackWriter.create(path, "00".repeat(16));
  for (const { kind, raw, digest = hashBytes(raw) } of records)
    await writer.add({ kind, digest, rawBytes: raw.length }, { codec: 0, stored: raw });
  const { name, sizeBytes } = await writer.finish();
  return { path, name, sizeBytes, rows: [] };
}

/** Of this tree. */
export function commitOf(tree: Uint8Array): Uint8Array {
  const moment = { ms: 1_700_000_000_000, offsetMinutes: 0 };
  const who = { author: ACTOR, authored: moment, committer: ACTOR, committed: moment };
  return encodeCommit({ tree: hashBytes(tree), parents: [], ...who, message: "crafted", meta: {} });
}

/** A commit of one file, in a pack whose list says that other bytes are that file. */
export async function lyingPack(
  folder: string,
  blob: Digest,
): Promise<{ pack: PackFile; list: Digest; commit: Digest }> {
  const chunk = randomBytes(1000);
  const part = { digest: hashBytes(chunk), sizeBytes: chunk.length };
  const sizeBytes = 2 * chunk.length;
  const list = encodeChunklist({ blob, sizeBytes, plan: 1, chunks: [part, part] });
  const tree = encodeTree([{ name: "m.bin", mode: "100644", digest: blob, sizeBytes }]);
  const commit = commitOf(tree);
  const pack = await craft(folder, [
    { kind: "chunk", raw: chunk },
    { kind: "chunklist", raw: list },
    { kind: "tree", raw: tree },
    { kind: "commit", raw: commit },
  ]);
  return { pack, list: hashBytes(list), commit: hashBytes(commit) };
}

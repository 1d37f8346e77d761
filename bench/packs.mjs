/**
 * Makes stores of a million objects quickly: packs are written straight into their place, where the store finds them.
 */
import { createHash } from "node:crypto";
import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const STORE = join(import.meta.dirname, "..", "packages", "store", "dist");

/** A module of the built store. */
export const load = (path) => import(pathToFileURL(join(STORE, path)).href);

export const WHO = { name: "Bench", email: "bench@example.org" };

/**
 * Writes packs while `write` runs, which gets `put(kind, bytes)` → digest, one call at a time; returns what `write`
 * does.
 */
export async function writePacks(storePath, storeId, write) {
  const { PackWriter } = await load("pack/writer.js");
  const { packPath } = await load("pack/folder.js");
  let writer;
  const finish = async () => {
    const pack = await writer.finish();
    mkdirSync(dirname(packPath(storePath, pack.name)), { recursive: true });
    renameSync(pack.path, packPath(storePath, pack.name));
    writer = undefined;
  };
  const put = async (kind, raw) => {
    writer ??= await PackWriter.create(join(storePath, "new.pack"), storeId);
    const digest = createHash("sha256").update(raw).digest("hex");
    await writer.add({ kind, digest, rawBytes: raw.length }, { codec: 0, stored: raw });
    if (writer.isFull()) await finish();
    return digest;
  };
  const { encodeCommit, encodeTree } = await load("objects/objects.js");
  const result = await write({
    put,
    putTree: (entries) => put("tree", encodeTree(entries)),
    /** Commit `number` of a line: one each second. */
    putCommit: (number, { tree, parents }) => {
      const moment = { ms: Date.UTC(2026, 0, 1) + number * 1000, offsetMinutes: 0 };
      const people = { author: WHO, authored: moment, committer: WHO, committed: moment };
      return put("commit", encodeCommit({ tree, parents, ...people, message: `commit ${number}`, meta: {} }));
    },
  });
  if (writer !== undefined) await finish();
  return result;
}

/** For tests: a store with one ref to one file. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../objects/digest.ts";
import { refName } from "../objects/names.ts";
import { encodeTree } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { QUIET } from "./testing.ts";

const BY = { op: "commit", reason: "test", actor: "T <t@example.org>" };

/** A ref to a tree with one file of 3 MiB. */
export async function fill(store: OwnedStore, folder: string): Promise<{ blob: Digest; tree: Digest }> {
  const file = join(folder, "weights");
  writeFileSync(file, randomBytes(3 * 1024 * 1024));
  await using session = store.write("add");
  const [added] = await session.addFiles([{ path: file }], QUIET);
  if (added === undefined) throw new Error("nothing added");
  const entry = {
    name: "weights",
    mode: "100644" as const,
    digest: added.digest,
    sizeBytes: added.sizeBytes,
  };
  const tree = await session.putObject("tree", encodeTree([entry]));
  await session.finish();
  await store.refs.createRepository("demo", BY, { reuse: true });
  await store.refs.update("demo", [{ name: refName("refs/heads/", "main"), from: "any", to: tree }], BY);
  return { blob: added.digest, tree };
}

/** The folder that a job begins in: the files of its input, plain and its own. */
import { dirname, join } from "node:path";
import type { Call } from "../call.ts";
import { createFolder, removeTree } from "../fs.ts";
import { readCommit } from "../history/graph.ts";
import type { Store } from "../store.ts";
import { flattenTree } from "../trees/tree-read.ts";
import type { JobPlaces } from "./job-folder.ts";
import type { JobRecord } from "./job-record.ts";

/**
 * Makes working copy and output folder anew; nothing is fsynced: after a power cut it is made again. Gives the number
 * of symbolic links, which are not made. Throws OBJECT_CORRUPT, OBJECT_MISSING, DISK_FULL, LIMIT_EXCEEDED.
 */
export async function makeWorkingCopy(
  store: Store,
  { record, places }: { record: JobRecord; places: JobPlaces },
  call: Call,
): Promise<number> {
  await removeTree(places.work);
  await removeTree(places.output);
  const tree = (await readCommit(store, record.input)).tree;
  const files = [...(await flattenTree(store.objects, tree, call))];
  const plain = files.filter(([, { mode }]) => mode !== "120000");
  await createFolder(places.work);
  for (const folder of new Set(plain.map(([path]) => dirname(path))))
    await createFolder(join(places.work, folder));
  const exported = plain.map(([path, { mode, digest }]) => ({
    path: join(places.work, path),
    digest,
    executable: mode === "100755",
  }));
  await store.objects.exportFiles(exported, call);
  await createFolder(dirname(places.output));
  await createFolder(places.output);
  return files.length - plain.length;
}

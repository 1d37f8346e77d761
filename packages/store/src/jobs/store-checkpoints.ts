/** The checkpoints of a job that has ended, as objects of the store beside the files in its folder. */
import type { Call } from "../call.ts";
import { isSmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { Repository } from "../repository.ts";
import { writeTree } from "../trees/tree-write.ts";
import { storeFiles } from "../worktree/edit.ts";
import type { JobPlaces } from "./job-folder.ts";
import type { JobRecord } from "./job-record.ts";
import { readOutput } from "./output-files.ts";

/**
 * Tells `note` their tree, null where there are none or they could not be stored: then they are only in the folder.
 * What was stored is safe from gc until `note` returns, which writes it into the record of the job. Throws what `note`
 * throws, and the reason of the signal.
 */
export async function storeCheckpoints<T>(
  repository: Repository,
  { record, places }: { record: JobRecord; places: JobPlaces },
  { call, note }: { call: Call; note: (tree: Digest | null) => Promise<T> },
): Promise<T> {
  await using session = repository.store.write("train");
  let tree: Digest | null = null;
  try {
    const { checkpoints: files } = await readOutput({ record, places, leaveOut: "" }, call);
    if (files.length > 0) {
      const stored = await storeFiles({ root: places.output }, session, { files, parents: () => [] }, call);
      const written = await writeTree(session, stored, call);
      await session.finish();
      tree = written;
    }
  } catch (error) {
    if (!isSmcError(error) || call.signal.aborted) throw error;
  }
  return await note(tree);
}

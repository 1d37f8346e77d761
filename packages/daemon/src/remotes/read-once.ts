/** A large file that is read once, from front to back, and not soon again. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { alignedMemory, type Call } from "@smc/store";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { throwIfStopped } from "./stopped.ts";

/** A multiple of the alignment that O_DIRECT may want of memory, offset and length. */
const BLOCK_BYTES = 1024 * 1024;
const SECTOR_BYTES = 4096;
/** A pipe in the place of the file must not keep us waiting for its writer. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * The bytes of a regular file in pieces of 1 MiB, read past the page cache (O_DIRECT) where the system can: a pack is
 * written so (decision 0011) and is rarely in memory, and what is sent once should not push out what others read
 * again. The next block is read while the last one is on its way. Throws UNSAFE_PATH, CANCELED and errno codes.
 */
export async function* readOnce(path: string, call: Call): AsyncGenerator<Buffer> {
  // Both halves in turn: one is read into while the other is copied.
  const memory = alignedMemory(2 * BLOCK_BYTES);
  const half = (at: number): Uint8Array => memory.subarray(at % (2 * BLOCK_BYTES)).subarray(0, BLOCK_BYTES);
  try {
    const { file, first } = await openOnce(path, half(0));
    await using _ = file;
    let block = first;
    for (let at = BLOCK_BYTES; block.length === BLOCK_BYTES; at += BLOCK_BYTES) {
      throwIfStopped(call);
      const next = readBlock(file, half(at), at);
      // It is looked at below; until then nobody waits for it.
      next.catch(() => undefined);
      // A copy: who sends it holds it until it is gone, and the memory is used again.
      yield Buffer.from(block);
      block = await next;
    }
    throwIfStopped(call);
    if (block.length > 0) yield Buffer.from(block);
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
}

/** The file and its first block. Some file systems refuse O_DIRECT when a file is opened, some when it is read. */
async function openOnce(
  path: string,
  memory: Uint8Array,
  past = constants.O_DIRECT ?? 0,
): Promise<{ file: FileHandle; first: Uint8Array }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, FLAGS | past);
    if (!(await file.stat()).isFile()) throw new SmcError("UNSAFE_PATH", `'${show(path)}' is not a file`);
    return { file, first: await readBlock(file, memory, 0) };
  } catch (error) {
    await file?.close();
    if (past === 0 || (error as { code?: unknown } | null)?.code !== "EINVAL") throw error;
    return openOnce(path, memory, 0);
  }
}

/** As much as the file has from `at` on, a block at most. */
async function readBlock(file: FileHandle, memory: Uint8Array, at: number): Promise<Uint8Array> {
  let done = 0;
  while (done < memory.length) {
    const { bytesRead } = await file.read(memory, done, memory.length - done, at + done);
    done += bytesRead;
    // Only the end of a file is not aligned, and it cannot be read on from there.
    if (bytesRead === 0 || done % SECTOR_BYTES !== 0) break;
  }
  return memory.subarray(0, done);
}

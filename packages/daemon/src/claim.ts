/** What the daemon puts into the file system so that it is found, and takes away again: socket and record. */
import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, removeFile, replaceFile } from "@smc/store/fs";
import { show } from "@smc/store/show";
import { isSafeFolder, type Presence, type PresenceRecord, readRecord } from "./presence.ts";

/**
 * Makes the socket's folder and removes what a killed daemon left there. Call it only as owner of the store.
 * Throws UNSAFE_PATH for anything but a socket of ours in its place, UNSAFE_OWNER.
 */
export async function clearSocket(presence: Presence): Promise<void> {
  const { socket, socketFolder } = presence;
  if (socketFolder === undefined) return;
  await createFolder(socketFolder);
  isSafeFolder(socketFolder);
  if (isOurSocket(socket)) await removeFile(socket);
}

/** False when nothing is there. */
function isOurSocket(path: string): boolean {
  let found;
  try {
    // As bigint: Node keeps the numbers of the last other stat, and when they are those of a socket it takes the next
    // path that it looks up for a socket as well and follows no link in it: modules are not found then.
    found = lstatSync(path, { bigint: true });
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return false;
    throw known;
  }
  const uid = process.getuid?.();
  if (!found.isSocket() || (uid !== undefined && Number(found.uid) !== uid)) {
    throw new SmcError(
      "UNSAFE_PATH",
      `'${show(path)}' is in the place of the daemon's socket; it was not removed`,
      {
        hint: "move it away and run the command again",
      },
    );
  }
  return true;
}

/** Throws INTERNAL unless the socket is where clients look for it. */
export function assertListening(presence: Presence): void {
  if (presence.socketFolder !== undefined && !isOurSocket(presence.socket)) {
    throw new SmcError("INTERNAL", `the system listens elsewhere than at '${show(presence.socket)}'`);
  }
}

export async function writeRecord(presence: Presence, record: PresenceRecord): Promise<void> {
  await replaceFile(presence.recordFile, `${JSON.stringify(record)}\n`, { durable: false });
}

/** Removes the record unless another daemon has written its own, or the folder is gone. */
export async function removeRecord(presence: Presence): Promise<void> {
  const record = readRecord(presence);
  if (record?.pid !== process.pid) return;
  try {
    await removeFile(presence.recordFile);
  } catch (error) {
    if (!isSmcError(error, "PATH_NOT_FOUND")) throw error;
  }
}

/** Folder whose disappearance means that the store is gone. */
export function storeIdentity(presence: Presence): string | undefined {
  try {
    const found = lstatSync(dirname(presence.recordFile), { bigint: true });
    return `${found.dev}:${found.ino}`;
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(presence.storePath)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}

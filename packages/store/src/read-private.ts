/** Small files that hold secrets: what others could have read or written is not used. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { fromErrno, isSmcError, SmcError } from "./errors.ts";
import { show } from "./show.ts";

export interface PrivateFile {
  readonly bytesMax: number;
  /** What to do about a file that others could read. */
  readonly hint: string;
}

/** Undefined when it is absent. Throws UNSAFE_OWNER, UNSAFE_PATH, STORE_CORRUPT for one that is too large. */
export async function readPrivate(
  path: string,
  { bytesMax, hint }: PrivateFile,
): Promise<string | undefined> {
  try {
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
    await using file = await open(path, flags);
    const stat = await file.stat();
    if (!stat.isFile()) throw new SmcError("UNSAFE_PATH", `'${show(path)}' is not a file`);
    const uid = process.getuid?.();
    if (uid !== undefined && (stat.uid !== uid || (stat.mode & 0o077) !== 0)) {
      const why = stat.uid === uid ? "can be read by others" : `is owned by uid ${stat.uid}`;
      throw new SmcError("UNSAFE_OWNER", `'${show(path)}' ${why}; nothing of it is used`, { hint });
    }
    if (stat.size > bytesMax)
      throw new SmcError(
        "STORE_CORRUPT",
        `'${show(path)}' is larger than ${bytesMax} bytes; nothing was changed`,
      );
    return (await file.readFile()).toString("utf8");
  } catch (error) {
    const known = fromErrno(error, `cannot read '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}

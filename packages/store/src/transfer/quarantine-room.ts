/** How much may be put: what the packs of the store and all that is in quarantine take, and what the disk has left. */
import { readdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import type { OwnedStore } from "../open-store.ts";
import { statOrGone } from "./pack-pieces.ts";
import type { PushRules } from "./push-rules.ts";

/** Bytes that are written between two looks at the disk. */
const LOOK_BYTES = 16 * 1024 * 1024;

export type RoomRules = Pick<PushRules, "quotaBytes" | "freeBytesMin">;

/** Room for one pack; disposing gives back what was not used. */
export interface Reserved extends Disposable {
  /** Throws QUOTA_EXCEEDED when others took the room. */
  wrote(bytes: number): Promise<void>;
  /** The pack stays. */
  keep(): void;
}

export class QuarantineRoom {
  readonly #store: OwnedStore;
  #usedBytes = 0;
  /** Of that what is still to be written. */
  #comingBytes = 0;

  private constructor(store: OwnedStore, usedBytes: number) {
    this.#store = store;
    this.#usedBytes = usedBytes;
  }

  /** Counts what lies in the folder of all clients. */
  static async open(store: OwnedStore, folder: string): Promise<QuarantineRoom> {
    let usedBytes = 0;
    for (const path of await filesBelow(folder)) usedBytes += (await statOrGone(path))?.size ?? 0;
    return new QuarantineRoom(store, usedBytes);
  }

  /** What lies in quarantine, and what is on its way. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Throws QUOTA_EXCEEDED. */
  async reserve(sizeBytes: number, rules: RoomRules): Promise<Reserved> {
    let leftBytes = sizeBytes;
    let isKept = false;
    let unseenBytes = 0;
    this.#usedBytes += sizeBytes;
    this.#comingBytes += sizeBytes;
    const reserved: Reserved = {
      wrote: async (bytes) => {
        leftBytes -= bytes;
        this.#comingBytes -= bytes;
        unseenBytes += bytes;
        if (unseenBytes < LOOK_BYTES) return;
        unseenBytes = 0;
        await this.#assert(rules);
      },
      keep: () => {
        isKept = true;
      },
      [Symbol.dispose]: () => {
        this.#comingBytes -= leftBytes;
        if (!isKept) this.#usedBytes -= sizeBytes;
      },
    };
    try {
      await this.#assert(rules);
    } catch (error) {
      reserved[Symbol.dispose]();
      throw error;
    }
    return reserved;
  }

  /** What lay there is gone. */
  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  async #assert({ quotaBytes, freeBytesMin }: RoomRules): Promise<void> {
    const packs = this.#store.index.packs().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (quotaBytes > 0 && packs + this.#usedBytes > quotaBytes)
      throw full(`the store may take ${quotaBytes} bytes, and would take ${packs + this.#usedBytes}`);
    const freeBytes = (await freeBytesOf(this.#store.path)) - this.#comingBytes;
    if (freeBytes < freeBytesMin)
      throw full(`${freeBytesMin} bytes of the disk are to stay free, and ${Math.max(freeBytes, 0)} would`);
  }
}

async function freeBytesOf(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    throw fromErrno(error, "cannot ask how much of the disk is free");
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    const known = fromErrno(error, "cannot list what is in quarantine");
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
}

function full(why: string): SmcError {
  return new SmcError("QUOTA_EXCEEDED", `no room for the pack: ${why}; nothing of it was kept`);
}

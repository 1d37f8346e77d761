/**
 * A bucket in a folder, on this machine's disks or a mounted one. An object is written under another name,
 * fsynced and then linked to its own, which fails when the name is taken. A call on a mounted folder whose
 * server is gone waits as long as the system does.
 */
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import { lstat, opendir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { breathe, type Call } from "@smc/store";
import { assert, fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { AppendFile, createFolder, linkFile, removeFile, syncFolder } from "@smc/store/fs";
import { show } from "@smc/store/show";
import type { Bucket, BucketAbilities, BucketBody, BucketEntry } from "./bucket.ts";
import { filePieces, onSentOf, readBody } from "./bucket-body.ts";
import { assertBucketKey, assertBucketPrefix, isBucketKey } from "./bucket-key.ts";
import { probeBucket } from "./probe.ts";
import { throwIfStopped } from "./stopped.ts";

/** No key begins with a dot. */
const TEMPORARY = ".tmp";
const TEMPORARY_AGE_MS = 24 * 60 * 60 * 1000;
const ENTRIES_MAX = 1_000_000;
const ENTRIES_PER_BREATH = 1000;
/** What file systems answer that have no hard links. */
const UNLINKABLE = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** What is there, or undefined; a link is not followed. */
async function look(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known) && known.details.errno === "ENOENT") return undefined;
    throw known;
  }
}

function unsafe(path: string, what: string): SmcError {
  return new SmcError("UNSAFE_PATH", `'${show(path)}' is in the way: it is not a ${what}`);
}

export class FolderBucket implements Bucket {
  readonly url: string;
  readonly #root: string;
  /** Which folder it was when it was opened: an unmounted one must not look like an empty bucket. */
  readonly #identity: string;
  #swept = false;

  private constructor(options: { url: string; root: string; identity: string }) {
    this.url = options.url;
    this.#root = options.root;
    this.#identity = options.identity;
  }

  /** Throws REMOTE_NOT_FOUND when there is no such folder. */
  static async open({ path, url }: { path: string; url: string }): Promise<FolderBucket> {
    try {
      const root = await realpath(path);
      const stats = await lstat(root);
      if (!stats.isDirectory()) throw unsafe(path, "folder");
      return new FolderBucket({ url, root, identity: `${stats.dev}:${stats.ino}` });
    } catch (error) {
      const known = fromErrno(error, `cannot open '${show(path)}'`);
      if (!isSmcError(known, "PATH_NOT_FOUND")) throw known;
      throw new SmcError("REMOTE_NOT_FOUND", `there is no folder '${show(path)}'`, {
        hint: "make it, or mount it, and run the command again",
      });
    }
  }

  async create(key: string, body: BucketBody, call: Call): Promise<boolean> {
    const path = await this.#enter(key, call);
    if ((await this.#find(key)) === undefined) return this.#write({ key, path, body }, call);
    // Its writer may not have come so far yet.
    await this.#syncAbove(path);
    return false;
  }

  async stat(key: string, call: Call): Promise<BucketEntry | undefined> {
    await this.#enter(key, call);
    const found = await this.#find(key);
    return found === undefined ? undefined : entryOf(key, found);
  }

  async *read(key: string, call: Call, range?: { from: number; to: number }): AsyncGenerator<Uint8Array> {
    const { from, to } = range ?? { from: 0, to: undefined };
    assert(from >= 0 && (to === undefined || to >= from), "a range begins before it ends");
    const path = await this.#enter(key, call);
    if (from === to) return;
    if ((await this.#find(key)) === undefined) {
      throw new SmcError(
        "REMOTE_NOT_FOUND",
        `cannot read '${key}': there is no such object in ${show(this.url)}`,
      );
    }
    let got = 0;
    // A whole object ends where the opened file does: another one may have its name since it was looked for.
    for await (const piece of filePieces(path, call, { from, to })) {
      got += piece.length;
      yield piece;
    }
    if (to === undefined || got === to - from) return;
    const text = `cannot read '${key}' of ${show(this.url)}: ${got} bytes came instead of ${to - from}`;
    throw new SmcError("REMOTE_FAILED", text);
  }

  async *list(prefix: string, call: Call, options: { after?: string } = {}): AsyncGenerator<BucketEntry> {
    assertBucketPrefix(prefix);
    if (options.after !== undefined) assertBucketPrefix(options.after);
    await this.#enter(undefined, call);
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    for (let end = folder.indexOf("/"); end !== -1; end = folder.indexOf("/", end + 1)) {
      const path = join(this.#root, folder.slice(0, end));
      const stats = await look(path);
      if (stats === undefined) return;
      if (!stats.isDirectory()) throw unsafe(path, "folder");
    }
    const { after = "" } = options;
    yield* this.#walk(folder, { prefix, after }, call);
  }

  async remove(key: string, call: Call): Promise<void> {
    const path = await this.#enter(key, call);
    if ((await this.#find(key)) === undefined) return;
    await this.#forget(path);
    await syncFolder(dirname(path));
  }

  probe(call: Call): Promise<BucketAbilities> {
    return probeBucket(this, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held open between calls.
  }

  /** The path of a key, after the folder was seen to be the one that was opened. */
  async #enter(key: string | undefined, call: Call): Promise<string> {
    throwIfStopped(call);
    if (key !== undefined) assertBucketKey(key);
    const stats = await look(this.#root);
    if (stats === undefined || `${stats.dev}:${stats.ino}` !== this.#identity) {
      const text = `'${show(this.#root)}' is not the folder any more that it was; nothing was changed`;
      throw new SmcError("REMOTE_UNREACHABLE", text, { hint: "see whether it is mounted" });
    }
    return join(this.#root, key ?? "");
  }

  /** The file of a key. Throws UNSAFE_PATH where a link or anything else is in its place or above it. */
  async #find(key: string): Promise<Stats | undefined> {
    const parts = key.split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = join(this.#root, ...parts.slice(0, depth));
      const stats = await look(path);
      if (stats === undefined) return undefined;
      const isLast = depth === parts.length;
      if (isLast ? !stats.isFile() : !stats.isDirectory()) throw unsafe(path, isLast ? "file" : "folder");
      if (isLast) return stats;
    }
    return undefined;
  }

  async #write(object: { key: string; path: string; body: BucketBody }, call: Call): Promise<boolean> {
    const folder = join(this.#root, TEMPORARY);
    await createFolder(folder, { mode: 0o777 });
    if ((await look(folder))?.isDirectory() !== true) throw unsafe(folder, "folder");
    await this.#sweep(folder, call);
    const temporary = join(folder, randomBytes(16).toString("hex"));
    const onSent = onSentOf(object.body);
    let isDone = false;
    try {
      await using file = await AppendFile.create(temporary, { mode: 0o444 });
      let at = 0;
      for await (const piece of readBody(object.body, call)) {
        await file.write(piece, at);
        at += piece.length;
        onSent?.(at);
      }
      await file.sync();
      throwIfStopped(call);
      await createFolder(dirname(object.path), { mode: 0o777 });
      await this.#find(object.key);
      const isOurs = await this.#link(temporary, object.path);
      await this.#syncAbove(object.path);
      isDone = true;
      return isOurs;
    } finally {
      const forgotten = this.#forget(temporary);
      // What failed first is what is told; what stays behind is swept a day later.
      await (isDone ? forgotten : forgotten.catch(() => undefined));
    }
  }

  /** Gives the file its name; false when there is one by that name. */
  async #link(temporary: string, path: string): Promise<boolean> {
    try {
      await linkFile(temporary, path);
      return true;
    } catch (error) {
      const errno = isSmcError(error) ? String(error.details.errno) : "";
      if (UNLINKABLE.has(errno)) {
        const text = `the file system of '${show(this.#root)}' has no hard links (${errno}); nothing was changed`;
        throw new SmcError("REMOTE_UNSUITABLE", text, { cause: error });
      }
      if (errno !== "EEXIST") throw error;
      // A file server that did not hear its own answer makes the link and says that it is there already.
      const [ours, theirs] = await Promise.all([look(temporary), look(path)]);
      return ours !== undefined && theirs !== undefined && ours.ino === theirs.ino && ours.dev === theirs.dev;
    }
  }

  /** Makes a name durable, and those of the folders above it, whoever made them. */
  async #syncAbove(path: string): Promise<void> {
    for (let folder = dirname(path); folder.length >= this.#root.length; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === this.#root) return;
    }
  }

  /** Removes a file that may be gone already. */
  async #forget(path: string): Promise<void> {
    try {
      await removeFile(path);
    } catch (error) {
      if (!isSmcError(error) || error.details.errno !== "ENOENT") throw error;
    }
  }

  /** Removes what writers left behind that did not come to their end. */
  async #sweep(folder: string, call: Call): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    for (const { name } of await this.#names(folder, call)) {
      const stats = await look(join(folder, name));
      const ageMs = Date.now() - (stats?.mtimeMs ?? Date.now());
      if (stats?.isFile() === true && ageMs > TEMPORARY_AGE_MS) await this.#forget(join(folder, name));
    }
  }

  async *#walk(
    folder: string,
    bounds: { prefix: string; after: string },
    call: Call,
  ): AsyncGenerator<BucketEntry> {
    const names = await this.#names(join(this.#root, folder), call);
    // A folder sorts as its keys do, which go on with a slash.
    const keys = names
      .filter(({ name }) => isBucketKey(name))
      .map(({ name, isFolder }) => `${folder}${name}${isFolder ? "/" : ""}`)
      .filter((key) => key.startsWith(bounds.prefix) || (key.endsWith("/") && bounds.prefix.startsWith(key)))
      .filter((key) => key > bounds.after || (key.endsWith("/") && bounds.after.startsWith(key)))
      .sort((a, b) => (a < b ? -1 : 1));
    for (const key of keys) {
      throwIfStopped(call);
      if (key.endsWith("/")) {
        yield* this.#walk(key, bounds, call);
        continue;
      }
      const path = join(this.#root, key);
      const stats = await look(path);
      if (stats === undefined || !isBucketKey(key)) continue;
      if (!stats.isFile()) throw unsafe(path, "file");
      yield entryOf(key, stats);
    }
  }

  /** What is in a folder; nothing when it is absent. */
  async #names(path: string, call: Call): Promise<{ name: string; isFolder: boolean }[]> {
    const names: { name: string; isFolder: boolean }[] = [];
    try {
      for await (const entry of await opendir(path)) {
        names.push({ name: entry.name, isFolder: entry.isDirectory() });
        if (names.length % ENTRIES_PER_BREATH === 0) await breathe();
        throwIfStopped(call);
        if (names.length <= ENTRIES_MAX) continue;
        throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' has more than ${ENTRIES_MAX} entries`);
      }
    } catch (error) {
      const known = fromErrno(error, `cannot list '${show(path)}'`);
      if (!isSmcError(known) || known.details.errno !== "ENOENT") throw known;
    }
    return names;
  }
}

function entryOf(key: string, stats: Stats): BucketEntry {
  return { key, sizeBytes: stats.size, modifiedMs: stats.mtimeMs };
}

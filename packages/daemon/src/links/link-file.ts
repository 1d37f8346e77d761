/** The file behind a link, on the disk: its beginning for a look, or all of it for as long as it is used. */
import { randomBytes } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  BundleFile,
  BundlePacks,
  type BundleRoot,
  type Call,
  type Digest,
  exclusively,
  PART_PREFIX,
  PartFile,
} from "@smc/store";
import { isDamage, isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, removeFile } from "@smc/store/fs";
import { show } from "@smc/store/show";
import { download } from "../catalog/download.ts";
import { findTarget } from "./link-target.ts";
import { type LinkWay, refusedBy } from "./link-way.ts";

/** What most bundles say of themselves is in these first bytes. */
const HEAD_BYTES = 16 * 1024;
/** What a download left that nobody went on with. */
const KEPT_MS = 7 * 24 * 3600 * 1000;

/** A bundle that was downloaded. */
export interface BroughtBundle {
  readonly packs: BundlePacks;
  /** Removes the file, or leaves it for the next time. */
  end(options: { readonly keep: boolean }): Promise<void>;
}

/**
 * What the bundle says of itself; no more of the file is downloaded than that takes. `path` is where files of this link
 * are. Throws FILE_MALFORMED for what is no bundle, REMOTE_NOT_FOUND, REMOTE_UNREACHABLE, REMOTE_FAILED, AUTH_FAILED.
 */
export async function readBundleRoot(way: LinkWay, path: string, call: Call): Promise<BundleRoot> {
  const { url } = way.link;
  await using part = await PartFile.open(`${path}-${randomBytes(8).toString("hex")}.head`, url, call);
  const look = async <T>(read: (file: BundleFile) => Promise<T>): Promise<T> => {
    // As long as it may be: what follows is not here yet.
    const options = { shownAs: show(url, 300), sizeBytes: Number.MAX_SAFE_INTEGER };
    await using file = await BundleFile.open(part.path, options);
    return await read(file);
  };
  try {
    await fill(way, { part, untilBytes: HEAD_BYTES }, call);
    const end = (await look((file) => file.rootEnd())) ?? 0;
    if (part.sizeBytes >= HEAD_BYTES && end > part.sizeBytes)
      await fill(way, { part, untilBytes: end }, call);
    return await look((file) => file.readRoot());
  } finally {
    await part.discard();
  }
}

/**
 * All of the bundle with this root, every block compared with its digest. Goes on with what an earlier try left. One at
 * a time for a link: a second one waits until the first has ended.
 */
export async function bringBundle(
  way: LinkWay,
  { path, root }: { path: string; root: Digest },
  call: Call,
): Promise<BroughtBundle> {
  const release = await hold(path, call);
  try {
    const target = `${path}-${root.slice(0, 16)}.car`;
    await removeOld(path, target);
    const first = await bringOnce(way, { target, root }, call);
    // The first bytes may be those of an older file: from the start once more.
    const brought = first ?? (await bringOnce(way, { target, root }, call));
    if (brought === undefined)
      throw new SmcError("REMOTE_FAILED", `${way.link.url}: the file there changed while it was downloaded`);
    const end: BroughtBundle["end"] = (options) => brought.end(options).finally(release);
    return { packs: brought.packs, end };
  } catch (error) {
    release();
    throw error;
  }
}

/** Undefined when what came is damaged and was put together of several answers; it is gone then. */
async function bringOnce(
  way: LinkWay,
  { target, root }: { target: string; root: Digest },
  call: Call,
): Promise<BroughtBundle | undefined> {
  const part = await PartFile.open(target, way.link.url, call);
  let file: BundleFile | undefined;
  const close = async (): Promise<void> => {
    await file?.[Symbol.asyncDispose]();
    await part[Symbol.asyncDispose]();
  };
  try {
    await fill(way, { part }, call);
    // Also for who is killed from here on.
    await part.save();
    file = await BundleFile.open(part.path, { shownAs: show(way.link.url, 300) });
    const packs = await readPacks(file, root, call);
    const end: BroughtBundle["end"] = async ({ keep }) => {
      try {
        await (keep ? part.save() : part.discard());
      } finally {
        await close();
      }
    };
    return { packs, end };
  } catch (error) {
    const isWrong = file !== undefined && !isSmcError(error, "CANCELED");
    // What failed first is what is told.
    await (isWrong || part.sizeBytes === 0 ? part.discard() : part.save()).catch(() => undefined);
    await close();
    if (isWrong && part.isJoined && (isDamage(error) || isSmcError(error, "FILE_MALFORMED")))
      return undefined;
    throw error;
  }
}

async function readPacks(file: BundleFile, root: Digest, call: Call): Promise<BundlePacks> {
  if ((await file.readRoot()).digest !== root)
    throw file.damaged("another bundle is there than a moment ago", "no ref was moved");
  return BundlePacks.of(file, call);
}

async function fill(
  way: LinkWay,
  { part, untilBytes }: { part: PartFile; untilBytes?: number },
  call: Call,
): Promise<void> {
  const { url, sha256, ...options } = await findTarget(way, call);
  const { bytesMax } = way.settings;
  const until = untilBytes === undefined ? {} : { untilBytes };
  const file = { url, part, bytesMax, sha256, isChecked: true, ...until };
  try {
    await download(file, call, { ...options, refusesPages: true });
  } catch (error) {
    const status = isSmcError(error, "REMOTE_FAILED") ? error.details.status : undefined;
    if (typeof status !== "number" || status < 400 || status >= 500) throw error;
    throw refusedBy(way, status, "see that the link is right and that its file is shared with everyone");
  }
}

/** Waits until nobody else uses the file; returns what ends our turn. */
async function hold(path: string, call: Call): Promise<() => void> {
  let release = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    release = resolve;
  });
  await new Promise<void>((resolve, reject) => {
    exclusively({ root: `link ${path}` }, call, () => {
      resolve();
      return ended;
    }).catch(reject);
  });
  return release;
}

/** What other bundles of this link left, and what of any link nobody went on with. */
async function removeOld(path: string, target: string): Promise<void> {
  const folder = dirname(path);
  await createFolder(folder);
  const kept = basename(target);
  for (const name of await readdir(folder)) {
    const whose = name.slice(PART_PREFIX.length);
    if (!name.startsWith(PART_PREFIX) || whose.startsWith(kept)) continue;
    const isOurs = whose.startsWith(basename(path)) && !whose.includes(".head");
    const at = join(folder, name);
    const { mtimeMs } = await stat(at).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (isOurs || mtimeMs < Date.now() - KEPT_MS)
      await removeFile(at).catch((error: unknown) => {
        if (!isSmcError(error, "PATH_NOT_FOUND")) throw error;
      });
  }
}

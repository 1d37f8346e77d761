/** Downloads one model into a folder: whole, compared with its digests, and only then under its name. */
import { join } from "node:path";
import { digestsOf, type Digests } from "../backup/digests.ts";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { SmcError } from "../errors.ts";
import { assertRecordFree, NO_ORIGIN, readRecord, writeRecord } from "../layout/file-record.ts";
import { kindAt } from "../layout/folders.ts";
import { assertFree } from "../new-file.ts";
import { show } from "../show.ts";
import { exclusively } from "../worktree/worktree.ts";
import type { Model } from "./models-file.ts";
import { PartFile } from "./part-file.ts";
import { parseWebUrl, shownUrl } from "./web-url.ts";

/** Of one file. */
const DOWNLOAD_BYTES_MAX = 1024 ** 4;

/** What is wanted from the web. */
export interface WebFile {
  readonly url: string;
  /** Takes the bytes, and knows those that are there already. */
  readonly part: PartFile;
  readonly bytesMax: number;
  /** Only so many bytes from the start are wanted now; more may come. All when left out. */
  readonly untilBytes?: number;
  /** What must come; null when nobody knows. */
  readonly sha256: string | null;
  /** True when a digest tells afterwards whether the right bytes came. */
  readonly isChecked: boolean;
}

/** The way to the web, which is not the store's business. */
export interface WebAccess {
  /** Throws REMOTE_UNREACHABLE, REMOTE_FAILED, LIMIT_EXCEEDED, URL_INVALID for a redirect to where it must not go. */
  download(file: WebFile, call: Call): Promise<void>;
}

export interface PullPlan {
  readonly folder: string;
  /** Replaces another file of that name, and asks again for one that may be the same. */
  readonly force: boolean;
}

export interface PulledFile extends Digests {
  readonly path: string;
  readonly sizeBytes: number;
  /** False when the file was there already. */
  readonly downloaded: boolean;
  /** Bytes that an earlier download had left. */
  readonly resumedBytes: number;
}

/**
 * Nothing has the model's name before every digest fits. Throws OBJECT_CORRUPT for other bytes than the digests say,
 * WOULD_OVERWRITE, DISK_FULL, and as `WebAccess.download`; what came by then is there for the next time, unless it was
 * wrong.
 */
export async function pullModel(
  web: WebAccess,
  { model, folder, force }: PullPlan & { readonly model: Model },
  call: Call,
): Promise<PulledFile> {
  const path = join(folder, model.name);
  return exclusively({ root: `download of ${path}` }, call, async () => {
    const there = await readThere(path, call);
    if (there !== undefined && isSame(model, there) && !(force && isUnchecked(model)))
      return { path, ...there.digests, downloaded: false, resumedBytes: 0 };
    await assertFree(path, force);
    await assertRecordFree(path);
    const came = await download(web, { model, path, force }, call);
    const { url, description } = model;
    const { resumedBytes: _, ...digests } = came;
    await writeRecord(path, {
      ...NO_ORIGIN,
      url: shownUrl(parseWebUrl(url)),
      downloaded: new Date(nowMs()).toISOString(),
      description: description ?? there?.description ?? null,
      ...digests,
      notes: (await readRecord(path))?.notes ?? [],
    });
    return { path, ...came, downloaded: true };
  });
}

interface There {
  readonly digests: Digests & { readonly sizeBytes: number };
  /** Where bytes like these came from; undefined when nobody knows. */
  readonly url: string | undefined;
  readonly description: string | null;
}

async function readThere(path: string, call: Call): Promise<There | undefined> {
  if ((await kindAt(path)) !== "file") return undefined;
  const digests = await digestsOf(path, call);
  const record = await readRecord(path);
  const url = record?.sha256 === digests.sha256 ? (record.url ?? undefined) : undefined;
  return { digests, url, description: record?.description ?? null };
}

function isUnchecked({ sha256, md5 }: Model): boolean {
  return sha256 === null && md5 === null;
}

function isSame(model: Model, { digests, url }: There): boolean {
  if (!isUnchecked(model)) return fault(model, digests) === undefined;
  const asked = parseWebUrl(model.url);
  // Two files may differ by the query alone, and that is not kept.
  return asked.search === "" && url === shownUrl(asked);
}

async function download(
  web: WebAccess,
  { model, path, force }: { model: Model; path: string; force: boolean },
  call: Call,
): Promise<Digests & { sizeBytes: number; resumedBytes: number }> {
  const { url, sha256 } = model;
  for (;;) {
    await using part = await PartFile.open(path, url, call);
    const resumedBytes = part.sizeBytes;
    const isChecked = !isUnchecked(model);
    try {
      await web.download({ url, part, bytesMax: DOWNLOAD_BYTES_MAX, sha256, isChecked }, call);
    } catch (error) {
      // What failed first is what is told.
      await (part.sizeBytes === 0 ? part.discard() : part.save()).catch(() => undefined);
      throw error;
    }
    const { sizeBytes, isJoined } = part;
    const digests = part.end();
    const why = fault(model, digests);
    if (why === undefined) {
      await part.place(force);
      return { ...digests, sizeBytes, resumedBytes: isJoined ? resumedBytes : 0 };
    }
    await part.discard();
    // The first bytes may be those of an older file: from the start once more.
    if (!isJoined) throw wrongBytes(model, why);
  }
}

function fault({ sha256, md5 }: Model, found: Digests): string | undefined {
  if (sha256 !== null && sha256 !== found.sha256) return `SHA-256 ${found.sha256}, not ${sha256}`;
  if (md5 !== null && md5 !== found.md5) return `MD5 ${found.md5}, not ${md5}`;
  return undefined;
}

function wrongBytes({ name, url }: Model, why: string): SmcError {
  const from = show(shownUrl(parseWebUrl(url)), 500);
  return new SmcError(
    "OBJECT_CORRUPT",
    `what ${from} gives for '${show(name, 80)}' has ${why}; nothing was kept`,
    {
      hint: "the file there is another one by now, or it was changed on its way: ask who publishes it for its SHA-256",
      details: { model: name },
    },
  );
}

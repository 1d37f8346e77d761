/**
 * Archived versions: `refs/archive/<version>` names a tag object whose target is the commit and whose message is the
 * reason. So the reason is kept, pushed and fetched as any object is.
 */
import { type Call, createPacer } from "../call.ts";
import { nowMs } from "../clock.ts";
import { isSmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { formatIdentity } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { type RefName, refName } from "../objects/names.ts";
import { encodeTag, type Identity } from "../objects/objects.ts";
import { tryRefName } from "../refs/ref-find.ts";
import type { RefChange } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import type { Store } from "../store.ts";
import { peelRef } from "./facts.ts";
import { versionName } from "../refs/version-order.ts";

export const ARCHIVE_PREFIX = "refs/archive/";

export interface ArchivedVersion {
  readonly version: string;
  readonly ref: RefName;
  /** What the ref names: the tag object, or the commit itself. */
  readonly digest: Digest;
  readonly commit: Digest;
  /** Why it was archived; null for a ref that somebody made by hand. */
  readonly reason: string | null;
  readonly by: string | null;
  readonly at: string | null;
}

/** In the order of the names. Throws OBJECT_CORRUPT, OBJECT_MISSING. */
export async function listArchived(
  { store, name: repository }: Pick<Repository, "store" | "name">,
  call: Call,
): Promise<ArchivedVersion[]> {
  const pace = createPacer(call);
  const found: ArchivedVersion[] = [];
  for (const { name, digest } of await store.refs.list(repository, ARCHIVE_PREFIX)) {
    const archived = await readArchived(store, { name, digest });
    if (archived !== undefined) found.push(archived);
    await pace();
  }
  return found;
}

/** Undefined for a ref that does not end at a commit. */
async function readArchived(
  store: Store,
  { name, digest }: { name: RefName; digest: Digest },
): Promise<ArchivedVersion | undefined> {
  const { commit, tag } = await peelRef(store, digest);
  if (commit === undefined) return undefined;
  const common = { version: name.slice(ARCHIVE_PREFIX.length), ref: name, digest, commit };
  if (tag === undefined) return { ...common, reason: null, by: null, at: null };
  const { message, tagger, tagged } = tag;
  return { ...common, reason: message, by: formatIdentity(tagger), at: formatMoment(tagged) };
}

/** A version that is archived as `name`, with or without the "v", or undefined. */
export async function findArchived(
  { store, name: repository }: Pick<Repository, "store" | "name">,
  name: string,
): Promise<ArchivedVersion | undefined> {
  const short = name.replace(/^(?:refs\/)?archive\//, "");
  for (const text of [short, ...(/^\d/.test(short) ? [`v${short}`] : [])]) {
    const ref = tryRefName(ARCHIVE_PREFIX + text);
    const digest = ref === undefined ? undefined : await store.refs.read(repository, ref);
    if (ref !== undefined && digest !== undefined) return readArchived(store, { name: ref, digest });
  }
  return undefined;
}

export interface NewArchive {
  readonly version: string;
  readonly commit: Digest;
  readonly reason: string;
  readonly actor: Identity;
}

/** The ref that an archived version gets: under its name, or under its digest where that name is taken. */
export async function archiveRef(
  { store, name: repository }: Pick<Repository, "store" | "name">,
  { version, commit }: Pick<NewArchive, "version" | "commit">,
): Promise<RefName> {
  try {
    const ref = refName(ARCHIVE_PREFIX, version);
    const taken = await store.refs.read(repository, ref);
    const below = await store.refs.list(repository, `${ref}/`);
    if (taken === undefined && below.length === 0) return ref;
  } catch (error) {
    if (!isSmcError(error, "REF_NAME_INVALID")) throw error;
  }
  return refName(ARCHIVE_PREFIX, versionName([], commit));
}

/** Writes the tag object with the reason; the change that makes the ref is for the caller's update. */
export async function writeArchive(
  repository: Pick<Repository, "store" | "name">,
  { version, commit, reason, actor }: NewArchive,
): Promise<RefChange> {
  const name = await archiveRef(repository, { version, commit });
  const tagged = momentAt(nowMs());
  const bytes = encodeTag({
    target: commit,
    targetKind: "commit",
    name: name.slice(ARCHIVE_PREFIX.length),
    tagger: actor,
    tagged,
    message: reason,
  });
  await using session = repository.store.write("archive");
  const to = await session.putObject("tag", bytes);
  await session.finish();
  return { name, from: "absent", to };
}

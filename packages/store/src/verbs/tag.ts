/** Tags: list, create (with a message: a tag object), delete, next version. */
import { nowMs } from "../clock.ts";
import { type Call, createPacer } from "../call.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { readCommit, readTag } from "../history/graph.ts";
import { commitOfRef, formatIdentity, subjectOf } from "../history/log-entry.ts";
import { assertMessage, type RefName, refName } from "../objects/names.ts";
import { encodeTag } from "../objects/objects.ts";
import { notFound, suggestRefs } from "../refs/ref-find.ts";
import { createRef } from "../refs/create-ref.ts";
import { compareVersions, nextRelease } from "../refs/version-order.ts";
import type { RefChange } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import { resolveRevision } from "../history/revision.ts";
import { show } from "../show.ts";
import { matchesPattern } from "../pattern.ts";
import { reasonOf } from "../worktree/state.ts";

const PREFIX = "refs/tags/";
const NAMES_MAX = 10_000;
const PATTERN_LENGTH_MAX = 255;

export interface TagOptions {
  /** Creates this tag; lists when nothing else is asked. */
  readonly name?: string;
  /** What it names; HEAD when left out. */
  readonly revision?: string;
  /** Makes a tag object with this text, its author and the time. */
  readonly message?: string;
  /** Replaces a tag that is there. */
  readonly force?: boolean;
  readonly delete?: readonly string[];
  /** Lists only names that match: `*` stands for any text, `?` for one character. */
  readonly pattern?: string;
  /** Creates the version after the highest `vX.Y.Z`. */
  readonly bump?: "major" | "minor" | "patch";
}

export interface TagRow {
  readonly name: string;
  readonly ref: RefName;
  /** What the ref holds: the tag object, or the object itself. */
  readonly digest: Digest;
  readonly annotated: boolean;
  /** The commit at its end; null when it names something else. */
  readonly commit: Digest | null;
  /** First line of the tag's message, else of the commit's. */
  readonly subject: string | null;
  readonly tagger: string | null;
  /** When the tag was made, else the commit. */
  readonly date: string | null;
}

export interface TagResult {
  readonly action: "list" | "create" | "replace" | "delete";
  readonly tags: readonly TagRow[];
}

/**
 * Throws REF_NAME_INVALID, ALREADY_EXISTS, REF_CONFLICT, REF_CHANGED, REVISION_NOT_FOUND, MESSAGE_INVALID,
 * ARGUMENT_INVALID for options that exclude each other.
 */
export async function tag(repository: Repository, options: TagOptions, call: Call): Promise<TagResult> {
  const asked = [options.name, options.delete, options.pattern, options.bump].filter(
    (option) => option !== undefined,
  );
  if (asked.length > 1) throw new SmcError("ARGUMENT_INVALID", "create, bump, list or delete: one at a time");
  if (options.delete !== undefined) return deleteTags(repository, options.delete);
  const name = options.bump === undefined ? options.name : await nextVersion(repository, options.bump);
  if (name !== undefined) return createTag(repository, { ...options, name }, call);
  return listTags(repository, options.pattern, call);
}

async function rowOf(repository: Repository, ref: RefName, digest: Digest): Promise<TagRow> {
  const { store } = repository;
  const annotated = (await store.objects.stat(digest))?.kind === "tag";
  const commit = (await commitOfRef(store, digest)) ?? null;
  const row = { name: ref.slice(PREFIX.length), ref, digest, annotated, commit };
  if (annotated) {
    const { message, tagger, tagged } = await readTag(store, digest);
    return {
      ...row,
      subject: subjectOf(message),
      tagger: formatIdentity(tagger),
      date: formatMoment(tagged),
    };
  }
  if (commit === null) return { ...row, subject: null, tagger: null, date: null };
  const { message, committed } = await readCommit(store, commit);
  return { ...row, subject: subjectOf(message), tagger: null, date: formatMoment(committed) };
}

async function listTags(repository: Repository, pattern: string | undefined, call: Call): Promise<TagResult> {
  if (pattern !== undefined && pattern.length > PATTERN_LENGTH_MAX) {
    throw new SmcError("ARGUMENT_INVALID", `the pattern is longer than ${PATTERN_LENGTH_MAX} characters`);
  }
  const pace = createPacer(call);
  const tags: TagRow[] = [];
  for (const { name, digest } of await repository.store.refs.list(repository.name, PREFIX)) {
    if (pattern === undefined || matchesPattern(pattern, name.slice(PREFIX.length))) {
      tags.push(await rowOf(repository, name, digest));
    }
    await pace();
  }
  return { action: "list", tags: tags.sort((a, b) => compareVersions(a.name, b.name)) };
}

async function nextVersion(repository: Repository, part: "major" | "minor" | "patch"): Promise<string> {
  const refs = await repository.store.refs.list(repository.name, PREFIX);
  return nextRelease(
    refs.map((ref) => ref.name.slice(PREFIX.length)),
    part,
  );
}

interface Creation extends TagOptions {
  readonly name: string;
}

async function createTag(repository: Repository, options: Creation, call: Call): Promise<TagResult> {
  const { store } = repository;
  const { name, message } = options;
  const ref = refName(PREFIX, name);
  if (message !== undefined) assertMessage(message);
  const target = await resolveRevision(repository, options.revision ?? "HEAD", call);
  const there = await store.refs.read(repository.name, ref);
  if (there !== undefined && options.force !== true) throw alreadyExists(name);
  let digest = target.digest;
  if (message !== undefined) {
    const encoded = encodeTag({
      target: target.digest,
      targetKind: target.kind,
      name,
      tagger: repository.actor,
      tagged: momentAt(nowMs()),
      message,
    });
    await using session = store.write("tag");
    digest = await session.putObject("tag", encoded);
    await session.finish();
  }
  const reason = reasonOf(repository, "tag", `${there === undefined ? "created" : "replaced"} ${name}`);
  const change: RefChange = { name: ref, from: there ?? "absent", to: digest };
  await createRef(repository, change, reason, () => alreadyExists(name));
  return { action: there === undefined ? "create" : "replace", tags: [await rowOf(repository, ref, digest)] };
}

function alreadyExists(name: string): SmcError {
  return new SmcError("ALREADY_EXISTS", `a tag '${show(name)}' is there already; it was not changed`, {
    hint: "use another name, the next version with --bump, or replace it with --force",
  });
}

async function deleteTags(repository: Repository, names: readonly string[]): Promise<TagResult> {
  if (names.length > NAMES_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${NAMES_MAX} tags`);
  const tags: TagRow[] = [];
  for (const name of new Set(names)) {
    const ref = refName(PREFIX, name);
    const digest = await repository.store.refs.read(repository.name, ref);
    if (digest === undefined) {
      throw notFound(name, `there is no tag '${show(name, 80)}'; nothing was deleted`, {
        candidates: await suggestRefs(repository, name),
      });
    }
    tags.push(await rowOf(repository, ref, digest));
  }
  const changes = tags.map((row) => ({ name: row.ref, from: row.digest, to: "absent" as const }));
  const reason = reasonOf(repository, "tag", `deleted ${tags.map((row) => row.name).join(", ")}`);
  await repository.store.refs.update(repository.name, changes, reason);
  return { action: "delete", tags };
}

/** Versions of another program → commits on a branch. Nothing is seen of them before all are there. */
import { type Call, createPacer } from "../call.ts";
import { SmcError } from "../errors.ts";
import { formatMoment } from "../history/dates.ts";
import { readCommit, readNode } from "../history/graph.ts";
import { commitOfRef, subjectOf } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { assertPath, type RefName } from "../objects/names.ts";
import { encodeCommit, encodeTag, type MetaMap } from "../objects/objects.ts";
import { tryRefName } from "../refs/ref-find.ts";
import type { RefChange } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { writeTree } from "../trees/tree-write.ts";
import { type FlatEntry, flattenTree } from "../trees/tree-read.ts";
import {
  FILES_MAX,
  type ForeignFile,
  type ForeignHistory,
  type ForeignVersion,
  type LeftOut,
  lineageIn,
  originOf,
  VERSIONS_MAX,
} from "./foreign.ts";
import { FileStorer } from "./store-files.ts";

const MISSING_TOLD = 1000;
const MISSING_SHOWN = 5;

export interface ImportedVersion {
  readonly id: string;
  /** Null with a dry run. */
  readonly commit: Digest | null;
  readonly subject: string;
  /** When it was made, in ISO 8601. */
  readonly date: string;
  readonly tags: readonly string[];
  readonly files: number;
  readonly sizeBytes: number;
  /** Paths of files whose bytes are nowhere, and which it therefore has not. */
  readonly missing: readonly string[];
}

export interface ImportPlan {
  readonly history: ForeignHistory;
  readonly branch: RefName;
  /** All of the source, oldest first. */
  readonly versions: readonly ForeignVersion[];
  readonly tip: Digest | undefined;
  /** Version → commit, of those that the branch has. */
  readonly known: ReadonlyMap<string, Digest>;
  /** Of those that it has not. */
  readonly fresh: readonly {
    readonly version: ForeignVersion;
    readonly told: Omit<ImportedVersion, "commit">;
  }[];
}

/**
 * Throws NOT_FAST_FORWARD when the branch has commits that are not of this source, or the source is not what it was;
 * PATH_NOT_FOUND naming files whose bytes are nowhere, unless `allowMissing`; PATH_INVALID, LIMIT_EXCEEDED. Nothing is
 * written.
 */
export async function planImport(
  repository: Repository,
  { history, branch, allowMissing }: { history: ForeignHistory; branch: RefName; allowMissing: boolean },
  call: Call,
): Promise<ImportPlan> {
  const versions = await history.versions(call);
  if (versions.length > VERSIONS_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${VERSIONS_MAX} versions; nothing was imported`);
  const ref = await repository.store.refs.read(repository.name, branch);
  const tip = ref === undefined ? undefined : await commitOfRef(repository.store, ref);
  const known = await readKnownVersions(repository, { tip, kind: history.kind }, call);
  const fresh = versions.filter(({ id }) => !known.has(id));
  const count = versions.length - fresh.length;
  const isBeginning = !history.isLine || versions.slice(0, count).every(({ id }) => known.has(id));
  const last = versions[count - 1];
  const isNothingNew = fresh.length === 0;
  const isAtTip =
    !history.isLine ||
    tip === undefined ||
    isNothingNew ||
    (last !== undefined && known.get(last.id) === tip);
  if (!isBeginning || !isAtTip)
    throw new SmcError(
      "NOT_FAST_FORWARD",
      `'${show(branch)}' was imported from another history; nothing was changed`,
      {
        hint: "the source was rewritten, or is another one: import it with --branch NAME of a new branch",
      },
    );
  const looked = [];
  const missing: { version: string; path: string; wanted: string }[] = [];
  for (const [index, version] of fresh.entries()) {
    call.onProgress({ phase: "look", done: index, total: fresh.length, unit: "objects" });
    const files = await history.files(version, call);
    assertFiles(version, files);
    for (const { path, bytes } of files)
      if (bytes.kind === "missing") missing.push({ version: version.id, path, wanted: bytes.wanted });
    looked.push({ version, told: toldOf(version, files) });
  }
  if (missing.length > 0 && !allowMissing) throw isMissing(missing);
  return { history, branch, versions, tip, known, fresh: looked };
}

function toldOf(version: ForeignVersion, files: readonly ForeignFile[]): Omit<ImportedVersion, "commit"> {
  const there = files.filter(({ bytes }) => bytes.kind !== "missing");
  return {
    id: version.id,
    subject: subjectOf(version.message),
    date: formatMoment(version.authored),
    tags: version.tags.map(({ name }) => name),
    files: there.length,
    sizeBytes: there.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    missing: files.filter(({ bytes }) => bytes.kind === "missing").map(({ path }) => path),
  };
}

function assertFiles({ id }: ForeignVersion, files: readonly ForeignFile[]): void {
  if (files.length > FILES_MAX)
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `${show(id, 80)} has more than ${FILES_MAX} files; nothing was imported`,
    );
  for (const { path } of files) assertPath(path, { allowNonportable: true });
}

function isMissing(missing: readonly { version: string; path: string; wanted: string }[]): SmcError {
  const shown = missing
    .slice(0, MISSING_SHOWN)
    .map(
      ({ version, path, wanted }) => `'${show(path, 200)}' of ${show(version, 12)} (${show(wanted, 120)})`,
    );
  const more = missing.length > MISSING_SHOWN ? ` and ${missing.length - MISSING_SHOWN} more` : "";
  return new SmcError(
    "PATH_NOT_FOUND",
    `the bytes of some files are not there: ${shown.join(", ")}${more}; nothing was imported`,
    {
      hint: 'fetch them ("git lfs fetch --all", "dvc fetch --all-commits"), or leave them out with --allow-missing',
      details: { missing: missing.slice(0, MISSING_TOLD), count: missing.length },
    },
  );
}

/** Along first parents. Throws NOT_FAST_FORWARD when the tip is not imported of this kind. */
async function readKnownVersions(
  { store }: Pick<Repository, "store">,
  { tip, kind }: { tip: Digest | undefined; kind: string },
  call: Call,
): Promise<Map<string, Digest>> {
  const pace = createPacer(call);
  const known = new Map<string, Digest>();
  for (let at = tip; at !== undefined; at = (await readNode(store, at)).parents[0]) {
    const origin = originOf((await readCommit(store, at)).meta);
    if (origin?.kind === kind) known.set(origin.id, at);
    else if (at === tip)
      throw new SmcError(
        "NOT_FAST_FORWARD",
        `the branch has commits that were not imported; nothing was changed`,
        {
          hint: "import with --branch NAME of a new branch, then merge it",
        },
      );
    if (known.size > VERSIONS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `more than ${VERSIONS_MAX} versions on the branch`);
    await pace();
  }
  return known;
}

export interface Imported {
  readonly tip: Digest | undefined;
  readonly versions: readonly ImportedVersion[];
  /** Branch and tags; the caller makes them in one update. */
  readonly changes: readonly RefChange[];
  readonly leftOut: readonly LeftOut[];
}

/** Durable when it returns, and named by no ref. Throws OBJECT_CORRUPT, FILE_CHANGED, NAME_COLLISION, DISK_FULL. */
export async function carryOut(repository: Repository, plan: ImportPlan, call: Call): Promise<Imported> {
  const { history, fresh } = plan;
  const commits = new Map(plan.known);
  const versions: ImportedVersion[] = [];
  let at = plan.tip;
  let entries = await entriesOf(repository, at, call);
  await using storer = new FileStorer(repository);
  for (const [index, { version, told }] of fresh.entries()) {
    call.onProgress({ phase: "import", done: index, total: fresh.length, unit: "objects" });
    const files = await history.files(version, call);
    await storer.store(files, entries, quietly(call));
    entries = putFiles(version.isUpon ? entries : new Map(), files, storer);
    const tree = await writeTree(storer.session, entries, call);
    const { author, authored, committer, committed, message } = version;
    const meta = {
      ...version.meta,
      lineage: lineageOf(version, { kind: history.kind, missing: told.missing }),
    };
    const parents = at === undefined ? [] : [at];
    const bytes = encodeCommit({ tree, parents, author, authored, committer, committed, message, meta });
    at = await storer.session.putObject("commit", bytes);
    commits.set(version.id, at);
    versions.push({ ...told, commit: at });
  }
  const tags = await planTags(repository, { plan, commits, storer });
  await storer.finish();
  const changes: RefChange[] = [...tags.changes];
  if (at !== undefined && at !== plan.tip)
    changes.unshift({ name: plan.branch, from: plan.tip ?? "absent", to: at });
  return { tip: at, versions, changes, leftOut: [...history.leftOut(), ...tags.leftOut] };
}

/** How many versions are done is what is told. */
function quietly(call: Call): Call {
  return { ...call, onProgress: () => undefined };
}

async function entriesOf(
  { store }: Repository,
  commit: Digest | undefined,
  call: Call,
): Promise<ReadonlyMap<string, FlatEntry>> {
  if (commit === undefined) return new Map();
  return flattenTree(store.objects, (await readCommit(store, commit)).tree, call);
}

function putFiles(
  before: ReadonlyMap<string, FlatEntry>,
  files: readonly ForeignFile[],
  storer: FileStorer,
): Map<string, FlatEntry> {
  const entries = new Map(before);
  for (const { path, mode, key, bytes } of files) {
    const blob = storer.blobOf(key);
    if (bytes.kind === "missing") continue;
    if (blob === undefined) throw new SmcError("INTERNAL", "a file was not stored");
    entries.set(path, { mode, digest: blob.digest, sizeBytes: blob.sizeBytes });
  }
  return entries;
}

function lineageOf(
  { id, meta }: ForeignVersion,
  { kind, missing }: { kind: string; missing: readonly string[] },
): MetaMap {
  return {
    ...lineageIn(meta),
    import: kind,
    id,
    ...(missing.length === 0 ? {} : { missing: missing.slice(0, MISSING_TOLD) }),
  };
}

/** A tag that is there and names something else stays. */
async function planTags(
  { store, name: repository }: Repository,
  { plan, commits, storer }: { plan: ImportPlan; commits: ReadonlyMap<string, Digest>; storer: FileStorer },
): Promise<{ changes: RefChange[]; leftOut: LeftOut[] }> {
  const changes: RefChange[] = [];
  const leftOut: LeftOut[] = [];
  const made = new Set<string>();
  for (const { id, tags } of plan.versions) {
    for (const { name, note } of tags) {
      const ref = tryRefName(`refs/tags/${name}`);
      const commit = commits.get(id);
      if (ref === undefined || commit === undefined) {
        leftOut.push({ what: `tag ${name}`, why: "no tag can have this name" });
        continue;
      }
      const there = await store.refs.read(repository, ref);
      if (made.has(ref)) leftOut.push({ what: `tag ${name}`, why: "an older version has it" });
      if (made.has(ref)) continue;
      if (there !== undefined) {
        if ((await commitOfRef(store, there)) !== commit)
          leftOut.push({ what: `tag ${name}`, why: "there is another tag of this name" });
        continue;
      }
      const target = { target: commit, targetKind: "commit" as const, name };
      const to =
        note === undefined
          ? commit
          : await storer.session.putObject("tag", encodeTag({ ...target, ...note }));
      made.add(ref);
      changes.push({ name: ref, from: "absent", to });
    }
  }
  return { changes, leftOut };
}

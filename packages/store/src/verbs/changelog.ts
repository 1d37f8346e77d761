/** `smc changelog`: what each version brought, from commits, metrics, notes and the archive; of a file, its notes. */
import { basename } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { SmcError } from "../errors.ts";
import { walk } from "../history/graph.ts";
import { formatIdentity, subjectOf } from "../history/log-entry.ts";
import { resolveCommit } from "../history/revision.ts";
import { modifiedAt, noCommit, readFileNotes, revisionOrFile } from "../layout/file-card.ts";
import { readRecord } from "../layout/file-record.ts";
import type { FilesPlace } from "../layout/folders.ts";
import type { Digest } from "../objects/digest.ts";
import { compareMetrics } from "../registry/compare-values.ts";
import { readFacts } from "../registry/facts.ts";
import { readLower } from "../registry/metrics-lower.ts";
import { listVersions, type VersionRow } from "../registry/version-list.ts";
import type { Repository } from "../repository.ts";

const COMMITS_MAX = 100_000;

export interface ChangelogOptions {
  /** Up to here; HEAD when left out. What is no revision may be a file. */
  readonly revision?: string;
  /** Only what is not in this one: versions and commits since. */
  readonly since?: string;
}

export interface ChangelogCommit {
  readonly digest: Digest;
  readonly subject: string;
  readonly author: string;
}

export interface ChangelogMetric {
  readonly name: string;
  readonly value: number;
  /** Against the version before it; null where that has none. */
  readonly delta: number | null;
  readonly lowerIsBetter: boolean;
}

export interface ChangelogSection {
  /** Null for what came after the last version; of a file its name. */
  readonly version: string | null;
  readonly date: string | null;
  readonly status: VersionRow["status"] | null;
  /** Why it was archived. */
  readonly archived: string | null;
  readonly metrics: readonly ChangelogMetric[];
  /** Texts of notes, oldest first. */
  readonly notes: readonly string[];
  /** Newest first; those that an older version has are there. */
  readonly commits: readonly ChangelogCommit[];
}

/** Newest first. */
export interface ChangelogResult {
  readonly sections: readonly ChangelogSection[];
}

/**
 * A commit belongs to the oldest version that has it. Throws REVISION_NOT_FOUND, OBJECT_MISSING, OBJECT_CORRUPT,
 * LIMIT_EXCEEDED over 100,000 commits.
 */
export async function changelog(
  repository: Repository,
  { revision = "HEAD", since }: ChangelogOptions,
  call: Call,
): Promise<ChangelogResult> {
  const tip = await resolveCommit(repository, revision, call);
  const exclude = since === undefined ? [] : [await resolveCommit(repository, since, call)];
  const parents = new Map<Digest, readonly Digest[]>();
  for await (const node of walk(repository.store, { from: [tip], exclude }, call)) {
    parents.set(node.digest, node.parents);
    if (parents.size > COMMITS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `more than ${COMMITS_MAX} commits`, {
        hint: "look back less far: --since REV",
      });
  }
  const rows = await listVersions(repository, {}, call);
  const named = rows.filter(({ tags, archived }) => tags.length > 0 || archived !== null);
  const lower = await readLower(repository);
  const taken = new Set<Digest>();
  const sections: ChangelogSection[] = [];
  let before: VersionRow | undefined = named.find(({ commit }) => exclude.includes(commit));
  for (const row of named.toReversed()) {
    if (!parents.has(row.commit)) continue;
    const commits = await describe(repository, take(parents, taken, row.commit), call);
    sections.push(sectionOf(row, { before, lower, commits }));
    before = row;
  }
  const rest = await describe(repository, take(parents, taken, tip), call);
  if (rest.length > 0)
    sections.push({
      version: null,
      date: null,
      status: null,
      archived: null,
      metrics: [],
      notes: [],
      commits: rest,
    });
  return { sections: sections.toReversed() };
}

/**
 * As `changelog`, else one section about a file of people: when it came here, and its notes. Throws as `changelog`, and
 * ARGUMENT_INVALID for `since` with a file.
 */
export async function changelogHere(
  place: FilesPlace,
  options: ChangelogOptions,
  call: Call,
): Promise<ChangelogResult> {
  const { revision, since } = options;
  return revisionOrFile(place, {
    word: revision,
    asRevision: (repository) => changelog(repository, options, call),
    asFile: async (path) => {
      if (since !== undefined) throw noCommit(revision ?? "", "--since");
      return { sections: [await sectionOfFile(path)] };
    },
  });
}

async function sectionOfFile(path: string): Promise<ChangelogSection> {
  const record = await readRecord(path);
  const notes = await readFileNotes(path);
  return {
    version: basename(path),
    date: record?.uploaded ?? record?.downloaded ?? (await modifiedAt(path)),
    status: null,
    archived: null,
    metrics: [],
    notes: [...(record?.description ?? "").split("\n"), ...notes.map(({ text }) => text)].filter(
      (text) => text.trim() !== "",
    ),
    commits: [],
  };
}

/** What nobody has taken yet, of what leads to the commit, in the order of the walk: newest first. */
function take(parents: ReadonlyMap<Digest, readonly Digest[]>, taken: Set<Digest>, from: Digest): Digest[] {
  const found = new Set<Digest>();
  const stack = [from];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (taken.has(next) || !parents.has(next)) continue;
    taken.add(next);
    found.add(next);
    stack.push(...(parents.get(next) ?? []));
  }
  return found.size === 0 ? [] : [...parents.keys()].filter((digest) => found.has(digest));
}

async function describe(
  { store }: Repository,
  digests: readonly Digest[],
  call: Call,
): Promise<ChangelogCommit[]> {
  const pace = createPacer(call);
  const commits: ChangelogCommit[] = [];
  for (const digest of digests) {
    const { commit } = await readFacts(store, digest);
    commits.push({ digest, subject: subjectOf(commit.message), author: formatIdentity(commit.author) });
    await pace();
  }
  return commits;
}

function sectionOf(
  row: VersionRow,
  {
    before,
    lower,
    commits,
  }: {
    before: VersionRow | undefined;
    lower: readonly string[];
    commits: readonly ChangelogCommit[];
  },
): ChangelogSection {
  const cells = compareMetrics([{ metrics: before?.metrics ?? {} }, { metrics: row.metrics }], lower);
  return {
    version: row.version,
    date: row.date,
    status: row.status,
    archived: row.archived?.reason ?? null,
    metrics: cells.flatMap(({ name, values, deltas, lowerIsBetter }) => {
      const value = values[1] ?? null;
      return value === null ? [] : [{ name, value, delta: deltas[1] ?? null, lowerIsBetter }];
    }),
    notes: row.notes.filter(({ text }) => text.trim() !== "").map(({ text }) => text.trim()),
    commits,
  };
}

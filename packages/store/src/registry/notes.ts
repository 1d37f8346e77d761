/**
 * Notes: what is learned about a commit after it was made. A note is a commit object without files on
 * `refs/notes/<digest of the commit it is about>`; its parents are the notes before it, its message is the text.
 */
import { nowMs } from "../clock.ts";
import type { Call } from "../call.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { walk } from "../history/graph.ts";
import { formatIdentity } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { type Commit, encodeCommit, type MetaMap, type MetaValue } from "../objects/objects.ts";
import { parseRefName, type RefName } from "../objects/names.ts";
import { NOTES_PREFIX } from "../refs/ref-find.ts";
import type { Repository } from "../repository.ts";
import type { Store } from "../store.ts";
import { writeTree } from "../trees/tree-write.ts";
import { reasonOf } from "../worktree/state.ts";
import { readFacts } from "./facts.ts";

/** About one commit. */
export const NOTES_MAX = 10_000;
/** Others may add a note at the same time. */
const ATTEMPTS_MAX = 10;

/** text: words. evaluation: metrics, with or without words. meta: keys that were set. join: of two lines of notes. */
export type NoteKind = "text" | "evaluation" | "meta" | "join";
const KINDS: readonly string[] = ["text", "evaluation", "meta", "join"];

/** The samples that an evaluation is about. */
export interface Evaluated {
  /** Name of the data set, or of the file or folder. */
  readonly data: string;
  /** SHA-256 of all its samples in their order. */
  readonly digest: string;
  readonly split: string;
  /** As many were looked at. */
  readonly samples: number;
}

export interface Note {
  readonly digest: Digest;
  readonly kind: NoteKind;
  /** `Name <address>`. */
  readonly author: string;
  /** ISO 8601. */
  readonly date: string;
  readonly text: string;
  readonly metrics: Readonly<Record<string, number>>;
  /** Of an evaluation by `smc eval`. */
  readonly evaluated?: Evaluated;
  /** Keys of the metadata, as `meta set` takes them: `status`, `params.lr`, `metrics.azi`. */
  readonly set: MetaMap;
}

export interface NewNote {
  readonly commit: Digest;
  readonly kind: Exclude<NoteKind, "join">;
  readonly text: string;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly evaluated?: Evaluated;
  readonly set?: MetaMap;
}

export function noteRef(commit: Digest): RefName {
  return parseRefName(`${NOTES_PREFIX}${commit}`);
}

function isMap(value: unknown): value is MetaMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Notes of other programs may hold anything: what is not as it should be counts as absent. */
function noteOf(digest: Digest, commit: Commit): Note {
  const note = isMap(commit.meta.note) ? commit.meta.note : {};
  const kind = typeof note.kind === "string" && KINDS.includes(note.kind) ? (note.kind as NoteKind) : "text";
  const metrics = Object.entries(isMap(note.metrics) ? note.metrics : {}).flatMap(([name, value]) =>
    typeof value === "number" ? [[name, value] as const] : [],
  );
  return {
    digest,
    kind,
    author: formatIdentity(commit.author),
    date: formatMoment(commit.authored),
    text: commit.message,
    metrics: Object.fromEntries(metrics),
    ...evaluatedOf(note.evaluated),
    set: isMap(note.set) ? note.set : {},
  };
}

function evaluatedOf(value: MetaValue | undefined): { evaluated?: Evaluated } {
  if (value === undefined || !isMap(value)) return {};
  const { data, digest, split, samples } = value;
  if (typeof data !== "string" || typeof digest !== "string") return {};
  if (typeof split !== "string" || typeof samples !== "number") return {};
  return { evaluated: { data, digest, split, samples } };
}

/** The notes that end in `tip`, oldest first. Throws LIMIT_EXCEEDED, OBJECT_MISSING, OBJECT_CORRUPT. */
export async function readNotes(store: Store, tip: Digest, call: Call): Promise<Note[]> {
  const notes: Note[] = [];
  for await (const { digest } of walk(store, { from: [tip] }, call)) {
    if (notes.length >= NOTES_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${NOTES_MAX} notes`);
    notes.push(noteOf(digest, (await readFacts(store, digest)).commit));
  }
  return notes.reverse();
}

/** Digest of each commit that has notes → the last of them. */
export async function readNoteTips(repository: Repository): Promise<ReadonlyMap<string, Digest>> {
  const refs = await repository.store.refs.list(repository.name, NOTES_PREFIX);
  return new Map(refs.map(({ name, digest }) => [name.slice(NOTES_PREFIX.length), digest]));
}

/** The notes about a commit, oldest first; none when it has none. Throws as readNotes. */
export async function readNotesOf(repository: Repository, commit: Digest, call: Call): Promise<Note[]> {
  const tip = await repository.store.refs.read(repository.name, noteRef(commit));
  return tip === undefined ? [] : readNotes(repository.store, tip, call);
}

/** Adds a note behind the ones that are there; durable when it returns. Throws LIMIT_EXCEEDED, MESSAGE_INVALID. */
export async function addNote(repository: Repository, note: NewNote, call: Call): Promise<Note> {
  const { store, actor } = repository;
  const ref = noteRef(note.commit);
  const { kind, metrics = {}, evaluated, set = {} } = note;
  if ((await readNotesOf(repository, note.commit, call)).length >= NOTES_MAX) {
    throw new SmcError("LIMIT_EXCEEDED", `there are ${NOTES_MAX} notes about it; none was added`);
  }
  const meta = {
    note: {
      kind,
      ...(Object.keys(metrics).length === 0 ? {} : { metrics: { ...metrics } }),
      ...(evaluated === undefined ? {} : { evaluated: { ...evaluated } }),
      ...(Object.keys(set).length === 0 ? {} : { set: { ...set } }),
    },
  };
  const now = momentAt(nowMs());
  const persons = { author: actor, authored: now, committer: actor, committed: now };
  for (let attempt = 1; ; attempt += 1) {
    const before = await store.refs.read(repository.name, ref);
    const parents = before === undefined ? [] : [before];
    const digest = await storeNote(store, { parents, ...persons, message: note.text, meta }, call);
    const change = { name: ref, from: before ?? ("absent" as const), to: digest };
    try {
      const reason = reasonOf(repository, "note", note.text === "" ? kind : note.text);
      await store.refs.update(repository.name, [change], reason);
    } catch (error) {
      if (attempt < ATTEMPTS_MAX && isSmcError(error, "REF_CHANGED")) continue;
      throw error;
    }
    return noteOf(digest, (await readFacts(store, digest)).commit);
  }
}

/** Stores a commit without files. */
export async function storeNote(store: Store, note: Omit<Commit, "tree">, call: Call): Promise<Digest> {
  await using session = store.write("note");
  const tree = await writeTree(session, new Map(), call);
  const digest = await session.putObject("commit", encodeCommit({ tree, ...note }));
  await session.finish();
  return digest;
}

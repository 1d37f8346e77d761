/** What is known of a version: what its commit says, and what the notes about it added. The later one wins. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import type { CommitMeta, MetaMap, MetaValue } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { type CommitFacts, readFacts } from "./facts.ts";
import { type Note, readNotes, readNotesOf } from "./notes.ts";

export interface Known extends CommitFacts {
  readonly digest: Digest;
  /** Metrics, params and further keys, notes included. */
  readonly meta: CommitMeta;
  /** `metrics.azi`, `params.lr`, `status` → the note that it is from; a key that is not here is the commit's own. */
  readonly origins: ReadonlyMap<string, Digest>;
  /** Oldest first. */
  readonly notes: readonly Note[];
}

/** Throws OBJECT_MISSING, OBJECT_CORRUPT, LIMIT_EXCEEDED. */
export async function readKnown(repository: Repository, digest: Digest, call: Call): Promise<Known> {
  const facts = await readFacts(repository.store, digest);
  return addNotes(digest, facts, await readNotesOf(repository, digest, call));
}

/** The same when the tip of the notes is known already. */
export async function readKnownAt(
  repository: Repository,
  at: { readonly digest: Digest; readonly notes: Digest | undefined },
  call: Call,
): Promise<Known> {
  const facts = await readFacts(repository.store, at.digest);
  const notes = at.notes === undefined ? [] : await readNotes(repository.store, at.notes, call);
  return addNotes(at.digest, facts, notes);
}

function addNotes(digest: Digest, facts: CommitFacts, notes: readonly Note[]): Known {
  const { meta } = facts.commit;
  if (notes.length === 0) return { ...facts, digest, meta, origins: new Map(), notes };
  const origins = new Map<string, Digest>();
  const metrics: Record<string, number> = { ...meta.metrics };
  const params: Record<string, string | number | boolean | null> = { ...meta.params };
  const others: Record<string, MetaValue> = { ...meta };
  const put = (note: Note, key: string, value: MetaValue): void => {
    const [space, name] = splitKey(key);
    if (space === "metrics" && typeof value === "number") metrics[name] = value;
    else if (space === "params" && isScalar(value)) params[name] = value;
    else if (space === undefined) others[name] = value;
    else return;
    origins.set(key, note.digest);
  };
  for (const note of notes) {
    for (const [name, value] of Object.entries(note.metrics)) put(note, `metrics.${name}`, value);
    for (const [key, value] of Object.entries(note.set)) put(note, key, value);
  }
  const known: MetaMap = {
    ...others,
    ...(Object.keys(metrics).length === 0 ? {} : { metrics }),
    ...(Object.keys(params).length === 0 ? {} : { params }),
  };
  return { ...facts, digest, meta: known, origins, notes };
}

/** `metrics.azi` → metrics and azi; `params.lr`; any other key is its own. */
export function splitKey(key: string): readonly ["metrics" | "params" | undefined, string] {
  const match = /^(metrics|params)\.(.+)$/s.exec(key);
  if (match === null) return [undefined, key];
  return [match[1] as "metrics" | "params", match[2] ?? ""];
}

function isScalar(value: MetaValue): value is string | number | boolean | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

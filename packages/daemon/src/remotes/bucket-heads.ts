/**
 * Refs in a bucket where a second writer silently replaces what the first has just created, so that nothing can be won
 * there. Every change is an object under a name of its own, a head: it says what all refs are for who made it, and
 * which heads that one knew. Who reads puts together the heads that no other head knows: what one changed is changed;
 * where two changed the same ref, both values stay, one of them under a name that says so. Nobody's change is lost, and
 * nobody is told "done" for what is not there.
 */
import { randomBytes } from "node:crypto";
import type { Call, Digest, RefChange } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Bucket } from "./bucket.ts";
import { readSmall } from "./bucket-read.ts";
import {
  applyChanges,
  parseRefs,
  type RefsUpdate,
  type Snapshot,
  SNAPSHOT_BYTES_MAX,
  unusable,
} from "./bucket-refs.ts";

const FOLDER = "heads/";
/** Between the name of a ref and the digest of a second value. */
const BESIDE = ".diverged-";
const SEQ_MAX = 999_999_999_999;
/** Newest first in a list, as numbers count down. */
const NAME = /^(\d{12})-[0-9a-f]{32}$/;
const VERSION = 1;
const HEADS_MAX = 10_000;
/** So many stay, for who has not seen the newest yet; older ones that others know are removed. */
const KEPT = 200;
/** Heads that nobody has put together yet, or that are looked back at. */
const READS_MAX = 500;

type Refs = ReadonlyMap<string, Digest>;

interface Head {
  readonly name: string;
  readonly refs: Refs;
  /** Names of all heads that its refs come from, itself among them. */
  readonly known: ReadonlySet<string>;
}

/** What the heads come to. */
interface Merged {
  readonly refs: Refs;
  /** All heads that are there, newest first. */
  readonly names: readonly string[];
}

/** All refs. Throws REMOTE_FAILED for what is no head, LIMIT_EXCEEDED for more than 10,000 of them. */
export async function readHeads(bucket: Bucket, call: Call): Promise<Snapshot> {
  const { refs, names } = await merge(bucket, [], call);
  return { seq: seqOf(names[0]), hash: null, refs, swept: { generation: 0, gone: [] } };
}

/**
 * All changes or none. Throws REF_CHANGED when a `from` is not what is there, and when somebody moved one of the refs
 * at the same time: then what both brought is there, one of them under the name that the error tells.
 */
export async function updateHeads(
  bucket: Bucket,
  { changes, reason }: RefsUpdate,
  call: Call,
): Promise<void> {
  const before = await merge(bucket, [], call);
  const refs = applyChanges(before.refs, changes, bucket.url);
  const seq = seqOf(before.names[0]) + 1;
  const name = `${String(SEQ_MAX - seq).padStart(12, "0")}-${randomBytes(16).toString("hex")}`;
  const text = JSON.stringify({
    version: VERSION,
    known: before.names,
    ms: Date.now(),
    ...reason,
    refs: Object.fromEntries([...refs].sort(([a], [b]) => (a < b ? -1 : 1))),
  });
  await bucket.create(keyOf(name), { bytes: Buffer.from(text) }, call);
  const after = await merge(bucket, [name], call);
  for (const change of changes) {
    const trouble = toldOf(change, { own: refs, now: after.refs, url: bucket.url });
    if (trouble !== undefined) throw trouble;
  }
  for (const old of before.names.slice(KEPT)) await bucket.remove(keyOf(old), call);
}

/**
 * What is wrong for who made `change`, put together `now` from his own refs and those that others made meanwhile. Of
 * two who move a ref at the same time the later one sees the other's head, so at most one of them is told that all is
 * well.
 */
function toldOf(
  { name: ref, to }: RefChange,
  { own, now, url }: { own: Refs; now: Refs; url: string },
): SmcError | undefined {
  const fail = (what: string, hint: string, details: object): SmcError => {
    const message = `${url}: '${show(ref)}' was moved by somebody else at the same time; ${what}`;
    return new SmcError("REF_CHANGED", message, { hint, details: { ref, ...details } });
  };
  if (to === "absent") {
    return now.has(ref)
      ? fail("it was not removed", "fetch, look at it, and remove it again", {})
      : undefined;
  }
  const mine = besideName(ref, to);
  const beside = [...now.keys()].find((each) => each.startsWith(`${ref}${BESIDE}`) && !own.has(each));
  if (beside === undefined) return undefined;
  const what =
    now.get(mine) === to
      ? `what you pushed is there as '${show(mine)}'`
      : `theirs is there as '${show(beside)}'`;
  const there = now.get(mine) === to ? mine : beside;
  return fail(what, `take over both with "smc pull", push again, then remove '${show(there)}' there`, {
    beside: there,
  });
}

/** Where the second value of a ref is found. */
function besideName(ref: string, digest: Digest): string {
  return `${ref}${BESIDE}${digest.slice(0, 8)}`;
}

function keyOf(name: string): string {
  return `${FOLDER}${name}.json`;
}

function seqOf(name: string | undefined): number {
  return name === undefined ? 0 : SEQ_MAX - Number(name.slice(0, 12));
}

/** `own` are there, whatever a list says that is not up to date. */
async function merge(bucket: Bucket, own: readonly string[], call: Call): Promise<Merged> {
  const names = new Set(own);
  for await (const { key } of bucket.list(FOLDER, call)) {
    const name = key.slice(FOLDER.length, -".json".length);
    if (!key.endsWith(".json") || !NAME.test(name)) continue;
    names.add(name);
    if (names.size > HEADS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `${bucket.url}: more than ${HEADS_MAX} lists of refs`);
  }
  const reader = new HeadReader(bucket, call);
  return { refs: (await reader.refsOf(names)) ?? new Map(), names: [...names].sort() };
}

/** Reads heads, each once. */
class HeadReader {
  readonly #bucket: Bucket;
  readonly #call: Call;
  readonly #heads = new Map<string, Head | undefined>();

  constructor(bucket: Bucket, call: Call) {
    this.#bucket = bucket;
    this.#call = call;
  }

  /** What these heads come to together; undefined when one that it takes is gone. */
  async refsOf(names: ReadonlySet<string>): Promise<Refs | undefined> {
    let refs: Refs | undefined = new Map();
    const known = new Set<string>();
    for (const name of [...names].sort()) {
      if (known.has(name)) continue;
      const head = await this.#read(name);
      if (head === undefined) return undefined;
      const shared = new Set([...head.known].filter((each) => known.has(each)));
      refs = known.size === 0 ? head.refs : join(refs, head.refs, await this.refsOf(shared));
      for (const each of head.known) known.add(each);
    }
    return refs;
  }

  async #read(name: string): Promise<Head | undefined> {
    if (!this.#heads.has(name)) this.#heads.set(name, await this.#fetch(name));
    return this.#heads.get(name);
  }

  async #fetch(name: string): Promise<Head | undefined> {
    const bucket = this.#bucket;
    if (this.#heads.size >= READS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `${bucket.url}: more than ${READS_MAX} pushes at the same time`);
    const key = keyOf(name);
    try {
      const bytes = await readSmall(bucket, { key, bytesMax: SNAPSHOT_BYTES_MAX }, this.#call);
      const { record, refs } = parseRefs(bucket, { key, bytes, version: VERSION });
      const known = record["known"];
      if (!Array.isArray(known) || known.length > HEADS_MAX || !known.every(isHeadName))
        throw unusable(bucket, key, "it does not say which it knew");
      return { name, refs, known: new Set([name, ...known]) };
    } catch (error) {
      // Removed by somebody who knew a newer one that knows it.
      if (isSmcError(error, "REMOTE_NOT_FOUND")) return undefined;
      throw error;
    }
  }
}

function isHeadName(value: unknown): value is string {
  return typeof value === "string" && NAME.test(value);
}

/**
 * Two lists of refs and what both come from: who did not change a ref takes what the other made of it. Without a common
 * past every difference is a change. A change is stronger than a removal: a removal can be made again.
 */
function join(first: Refs, second: Refs, past: Refs | undefined): Map<string, Digest> {
  const joined = new Map<string, Digest>();
  for (const name of new Set([...first.keys(), ...second.keys()])) {
    const [a, b, was] = [first.get(name), second.get(name), past?.get(name)];
    const isSame = a === b || (past !== undefined && b === was);
    const isTaken = past !== undefined && a === was;
    const value = isSame ? a : isTaken ? b : (a ?? b);
    if (value !== undefined) joined.set(name, value);
    if (!isSame && !isTaken && a !== undefined && b !== undefined) joined.set(besideName(name, b), b);
  }
  return joined;
}

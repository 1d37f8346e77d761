/**
 * The graph of commits: walks, ancestors, merge bases. Every walk is iterative, keeps what it has seen,
 * and stops at COMMITS_MAX.
 */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { Heap } from "./heap.ts";
import { type Commit, decodeCommit, decodeTag, type Tag } from "../objects/objects.ts";
import { readNamed } from "../read-named.ts";
import type { ObjectStore } from "../store.ts";

/** No walk looks at more commits than this. */
export const COMMITS_MAX = 10_000_000;
const NODES_CACHED_MAX = 131_072;
/** Clocks of different machines may differ by this much before a walk with `exclude` misses something. */
const CLOCK_SKEW_MS = 24 * 3600 * 1000;

/** Where commits are read from: a store. */
export interface CommitSource {
  readonly objects: Pick<ObjectStore, "read">;
}

/** What a walk needs of a commit. */
export interface CommitNode {
  readonly digest: Digest;
  readonly parents: readonly Digest[];
  readonly committedMs: number;
}

// Commits never change, so a node that was read once stays right. Oldest out first.
const nodesOfStore = new WeakMap<CommitSource, Map<Digest, CommitNode>>();

/** Throws OBJECT_MISSING, OBJECT_CORRUPT, OBJECT_INVALID. */
export async function readCommit(store: CommitSource, digest: Digest): Promise<Commit> {
  return decodeCommit(await readNamed(store.objects, digest, "commit"));
}

/** Throws OBJECT_MISSING, OBJECT_CORRUPT, OBJECT_INVALID. */
export async function readTag(store: CommitSource, digest: Digest): Promise<Tag> {
  return decodeTag(await readNamed(store.objects, digest, "tag"));
}

/** Parents and time of a commit, from memory when it was read before. Throws as readCommit. */
export async function readNode(store: CommitSource, digest: Digest): Promise<CommitNode> {
  let nodes = nodesOfStore.get(store);
  if (nodes === undefined) {
    nodes = new Map();
    nodesOfStore.set(store, nodes);
  }
  const known = nodes.get(digest);
  if (known !== undefined) return known;
  const commit = await readCommit(store, digest);
  const node = { digest, parents: commit.parents, committedMs: commit.committed.ms };
  if (nodes.size >= NODES_CACHED_MAX) {
    const oldest = nodes.keys().next();
    if (oldest.done !== true) nodes.delete(oldest.value);
  }
  nodes.set(digest, node);
  return node;
}

/** Counts the steps of a walk: lets others run, stops when the caller has gone or the graph is too big. */
function createSteps(call: Call, commitsMax = COMMITS_MAX): () => Promise<void> | undefined {
  const pace = createPacer(call);
  let count = 0;
  return () => {
    count += 1;
    if (count > commitsMax)
      throw new SmcError("LIMIT_EXCEEDED", `more than ${commitsMax} commits in one walk`);
    return pace();
  };
}

interface Queued extends CommitNode {
  readonly position: number;
}

/** Newest first; of the same time, the one that came first. */
function newQueue(): Heap<Queued> {
  return new Heap((a, b) => b.committedMs - a.committedMs || a.position - b.position);
}

const LEFT = 1;
const RIGHT = 2;
const BOTH = LEFT | RIGHT;

/**
 * Marks what is reachable from each side, down to where the sides have joined for good.
 * Ancestors of common commits may be left out: they are on both sides anyway.
 */
async function paint(
  store: CommitSource,
  sides: { left: readonly Digest[]; right: readonly Digest[]; commitsMax?: number | undefined },
  call: Call,
): Promise<{ flags: Map<Digest, number>; nodes: Map<Digest, CommitNode> }> {
  const flags = new Map<Digest, number>();
  const nodes = new Map<Digest, CommitNode>();
  const queued = new Set<Digest>();
  const queue = newQueue();
  const step = createSteps(call, sides.commitsMax);
  let position = 0;
  let oneSided = 0;
  let oldestMs = Infinity;
  const mark = async (digest: Digest, flag: number): Promise<void> => {
    const before = flags.get(digest) ?? 0;
    const after = before | flag;
    if (after === before) return;
    flags.set(digest, after);
    if (queued.has(digest)) {
      if (before !== BOTH && after === BOTH) oneSided -= 1;
      return;
    }
    const node = nodes.get(digest) ?? (await readNode(store, digest));
    nodes.set(digest, node);
    queued.add(digest);
    if (after !== BOTH) oneSided += 1;
    queue.push({ ...node, position: (position += 1) });
  };
  for (const digest of sides.left) await mark(digest, LEFT);
  for (const digest of sides.right) await mark(digest, RIGHT);
  for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
    await step();
    queued.delete(top.digest);
    const flag = flags.get(top.digest) ?? 0;
    if (flag !== BOTH) {
      oneSided -= 1;
      oldestMs = Math.min(oldestMs, top.committedMs);
    }
    for (const parent of top.parents) await mark(parent, flag);
    const next = queue.peek();
    if (oneSided === 0 && next !== undefined && next.committedMs < oldestMs - CLOCK_SKEW_MS) break;
  }
  return { flags, nodes };
}

export interface WalkOptions {
  readonly from: readonly Digest[];
  /** These and their ancestors are left out. */
  readonly exclude?: readonly Digest[];
  /** `date`: newest first. `topo`: no parent before all of its children, branches not mixed. */
  readonly order?: "date" | "topo";
  /** Follow the first parent only. */
  readonly firstParent?: boolean;
}

/**
 * Commits reachable from `from` and not from `exclude`, each once.
 * With `order: "date"` and no `exclude` nothing is read before it is asked for.
 */
export async function* walk(
  store: CommitSource,
  options: WalkOptions,
  call: Call,
): AsyncGenerator<CommitNode> {
  const left = await excluded(store, options, call);
  const commits = walkByDate(store, { ...options, left }, call);
  if (options.order !== "topo") {
    yield* commits;
    return;
  }
  const nodes = new Map<Digest, CommitNode>();
  for await (const node of commits) nodes.set(node.digest, node);
  yield* sortTopologically(nodes, options.from);
}

async function excluded(store: CommitSource, options: WalkOptions, call: Call): Promise<ReadonlySet<Digest>> {
  if (options.exclude === undefined || options.exclude.length === 0) return new Set();
  const { flags } = await paint(store, { left: options.exclude, right: options.from }, call);
  const left = new Set<Digest>();
  for (const [digest, flag] of flags) {
    if ((flag & LEFT) !== 0) left.add(digest);
  }
  return left;
}

async function* walkByDate(
  store: CommitSource,
  options: WalkOptions & { left: ReadonlySet<Digest> },
  call: Call,
): AsyncGenerator<CommitNode> {
  const seen = new Set<Digest>();
  const queue = newQueue();
  const step = createSteps(call);
  const push = async (digest: Digest): Promise<void> => {
    if (seen.has(digest) || options.left.has(digest)) return;
    seen.add(digest);
    queue.push({ ...(await readNode(store, digest)), position: seen.size });
  };
  for (const digest of options.from) await push(digest);
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    await step();
    yield { digest: node.digest, parents: node.parents, committedMs: node.committedMs };
    for (const parent of options.firstParent === true ? node.parents.slice(0, 1) : node.parents)
      await push(parent);
  }
}

function* sortTopologically(
  nodes: ReadonlyMap<Digest, CommitNode>,
  from: readonly Digest[],
): Generator<CommitNode> {
  const children = new Map<Digest, number>();
  for (const node of nodes.values()) {
    for (const parent of node.parents) children.set(parent, (children.get(parent) ?? 0) + 1);
  }
  const tips = [...new Set(from)].filter((digest) => nodes.has(digest) && (children.get(digest) ?? 0) === 0);
  const time = (digest: Digest): number => nodes.get(digest)?.committedMs ?? 0;
  const ready = tips.sort((a, b) => time(a) - time(b));
  for (let digest = ready.pop(); digest !== undefined; digest = ready.pop()) {
    const node = nodes.get(digest);
    if (node === undefined) continue;
    yield node;
    // The first parent is put last, so that a merged branch is told before the line it left.
    for (const parent of node.parents) {
      const open = (children.get(parent) ?? 0) - 1;
      children.set(parent, open);
      if (open === 0 && nodes.has(parent)) ready.push(parent);
    }
  }
}

/** True when `descendant` is `ancestor` or has it among its ancestors. */
export async function isAncestor(
  store: CommitSource,
  pair: { ancestor: Digest; descendant: Digest },
  call: Call,
): Promise<boolean> {
  for await (const node of walk(store, { from: [pair.descendant] }, call)) {
    if (node.digest === pair.ancestor) return true;
  }
  return false;
}

/** The best common ancestors: none of them is an ancestor of another. Newest first; empty when unrelated. */
export async function mergeBases(store: CommitSource, a: Digest, b: Digest, call: Call): Promise<Digest[]> {
  if (a === b) return [a];
  const { flags, nodes } = await paint(store, { left: [a], right: [b] }, call);
  const best = new Map<Digest, CommitNode>();
  for (const [digest, node] of nodes) if (flags.get(digest) === BOTH) best.set(digest, node);
  const common = [...best.values()];
  for (const node of common) for (const parent of node.parents) best.delete(parent);
  const bases = [...best.values()].sort((x, y) => y.committedMs - x.committedMs);
  return bases.length < 2 ? bases.map((node) => node.digest) : independent(store, bases, call);
}

/** Drops every commit that is an ancestor of another one in the list. */
async function independent(store: CommitSource, nodes: readonly CommitNode[], call: Call): Promise<Digest[]> {
  const kept: Digest[] = [];
  for (const node of nodes) {
    let covered = false;
    for (const other of nodes) {
      if (other === node) continue;
      covered ||= await isAncestor(store, { ancestor: node.digest, descendant: other.digest }, call);
    }
    if (!covered) kept.push(node.digest);
  }
  return kept;
}

/**
 * Commits that only `a` has, and that only `b` has. Throws LIMIT_EXCEEDED when it would look at more than `commitsMax`.
 */
export async function aheadBehind(
  store: CommitSource,
  pair: { a: Digest; b: Digest; commitsMax?: number },
  call: Call,
): Promise<{ ahead: number; behind: number }> {
  const { a, b, commitsMax } = pair;
  if (a === b) return { ahead: 0, behind: 0 };
  const { flags } = await paint(store, { left: [a], right: [b], commitsMax }, call);
  let ahead = 0;
  let behind = 0;
  for (const flag of flags.values()) {
    if (flag === LEFT) ahead += 1;
    if (flag === RIGHT) behind += 1;
  }
  return { ahead, behind };
}

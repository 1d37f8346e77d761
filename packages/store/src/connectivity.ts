/** Follows every ref to every chunk and reports what is not there, with the ref, commit and path that need it. */
import { type Call, createPacer } from "./call.ts";
import type { Digest } from "./objects/digest.ts";
import { isSmcError } from "./errors.ts";
import { decodeCommit, decodeTag, decodeTree } from "./objects/objects.ts";
import type { OwnedStore } from "./open-store.ts";

/** Reported places where one object is needed. */
const AFFECTED_MAX = 10;

export interface ConnectivityProblem {
  readonly digest: Digest;
  readonly message: string;
  /** "repository ref", "commit <digest>", "path" chains, at most ten. */
  readonly affects: readonly string[];
}

export interface ConnectivityCounts {
  refs: number;
  commits: number;
  trees: number;
  tags: number;
  blobs: number;
}

interface Step {
  readonly digest: Digest;
  readonly kind: "commit" | "tree" | "tag" | "blob" | "unknown";
  readonly from: string;
}

class Walk {
  readonly counts: ConnectivityCounts = { refs: 0, commits: 0, trees: 0, tags: 0, blobs: 0 };
  readonly #store: OwnedStore;
  readonly #bad: ReadonlyMap<Digest, string>;
  readonly #seen = new Set<Digest>();
  readonly #problems = new Map<Digest, { message: string; affects: string[] }>();
  readonly #stack: Step[] = [];

  constructor(store: OwnedStore, bad: ReadonlyMap<Digest, string>) {
    this.#store = store;
    this.#bad = bad;
  }

  push(step: Step): void {
    const problem = this.#problems.get(step.digest);
    if (problem !== undefined && problem.affects.length < AFFECTED_MAX) problem.affects.push(step.from);
    if (this.#seen.has(step.digest)) return;
    this.#seen.add(step.digest);
    this.#stack.push(step);
  }

  async run(call: Call): Promise<ConnectivityProblem[]> {
    const pace = createPacer(call);
    for (let step = this.#stack.pop(); step !== undefined; step = this.#stack.pop()) {
      await this.#visit(step);
      call.onProgress({ phase: "check", done: this.#seen.size - this.#stack.length, unit: "objects" });
      await pace();
    }
    return [...this.#problems].map(([digest, problem]) => ({ digest, ...problem }));
  }

  async #visit(step: Step): Promise<void> {
    try {
      const kind = step.kind === "unknown" ? (await this.#store.objects.stat(step.digest))?.kind : step.kind;
      if (kind === "commit") await this.#commit(step);
      else if (kind === "tree") await this.#tree(step);
      else if (kind === "tag") await this.#tag(step);
      else await this.#blob(step);
    } catch (error) {
      if (!isSmcError(error) || (error.exit !== 4 && error.code !== "OBJECT_NOT_FOUND")) throw error;
      this.#problems.set(step.digest, { message: error.message, affects: [step.from] });
    }
  }

  async #commit({ digest, from }: Step): Promise<void> {
    const commit = decodeCommit(await this.#store.objects.read(digest, "commit"));
    this.counts.commits += 1;
    const name = `commit ${digest.slice(0, 12)}`;
    for (const parent of commit.parents)
      this.push({ digest: parent, kind: "commit", from: `${name} (parent)` });
    this.push({ digest: commit.tree, kind: "tree", from: `${from} ${name}` });
  }

  async #tree({ digest, from }: Step): Promise<void> {
    this.counts.trees += 1;
    for (const entry of decodeTree(await this.#store.objects.read(digest, "tree"))) {
      const kind = entry.mode === "040000" ? "tree" : "blob";
      this.push({ digest: entry.digest, kind, from: `${from} /${entry.name}` });
    }
  }

  async #tag({ digest, from }: Step): Promise<void> {
    const tag = decodeTag(await this.#store.objects.read(digest, "tag"));
    this.counts.tags += 1;
    this.push({ digest: tag.target, kind: tag.targetKind, from: `${from} tag ${tag.name}` });
  }

  async #blob({ digest, from }: Step): Promise<void> {
    const { pieces } = await this.#store.objects.blob(digest);
    this.counts.blobs += 1;
    const bad = [digest, ...pieces.map(({ span }) => span.digest)].find((part) => this.#bad.has(part));
    if (bad !== undefined)
      this.#problems.set(digest, { message: this.#bad.get(bad) ?? "damaged", affects: [from] });
  }
}

/** `bad` names objects whose bytes are known to be damaged, with why. */
export async function checkConnectivity(
  store: OwnedStore,
  bad: ReadonlyMap<Digest, string>,
  call: Call,
): Promise<{ counts: ConnectivityCounts; problems: ConnectivityProblem[] }> {
  const walk = new Walk(store, bad);
  for (const { name: repository } of await store.refs.listRepositories()) {
    for (const { name, digest } of await store.refs.list(repository)) {
      walk.counts.refs += 1;
      walk.push({ digest, kind: "unknown", from: `${repository} ${name}` });
    }
  }
  const problems = await walk.run(call);
  return { counts: walk.counts, problems };
}

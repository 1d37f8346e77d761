/**
 * What a power cut may leave. Two models:
 * "ext4": changes of names and sizes reach the disk in order; an fsync brings all of them up to the last one that
 * concerns its file or folder. "weak": each change of a name stands alone, until its folder, or the file itself, is
 * fsynced. In both, bytes that were not fsynced may be there, missing, torn or zero, each write for itself.
 */
import { createHash } from "node:crypto";
import { type DataStep, type NameStep, type Node, ROOT, type Step } from "./disk-steps.ts";

export type Model = "ext4" | "weak";

/** One write as the disk has it: the first bytes, and zeros in place of the rest or nothing. */
interface Torn {
  readonly step: number;
  readonly keep: number;
  readonly zeros: boolean;
}

/** A state after `at` steps: which of them are on the disk. */
export interface DiskState {
  readonly at: number;
  readonly kept: ReadonlySet<number>;
  readonly torn?: Torn;
  readonly answered: boolean;
  readonly closed: boolean;
}

/** Of the changes that are not on the disk for sure, so many of the last are lost, kept and torn each by itself. */
const SINGLES_MAX = process.env.SMC_PROOF === "long" ? 40 : 12;
const PREFIXES_MAX = 12;

interface Pending {
  /** Steps that are on the disk for sure. */
  readonly durable: Set<number>;
  readonly names: number[];
  readonly data: number[];
}

function touches(step: NameStep, node: number): boolean {
  return step.node === node || step.removed?.folder === node || step.added?.folder === node;
}

function isDurableName(step: NameStep, node: number): boolean {
  if (step.removed?.folder === node || step.added?.folder === node) return true;
  return step.node === node && step.added !== undefined;
}

/** Sorts the first `at` steps into durable and pending ones. */
function settle(steps: readonly Step[], at: number, model: Model): Pending {
  const durable = new Set<number>();
  let prefix = -1;
  for (let index = 0; index < at; index += 1) {
    const sync = steps[index];
    if (sync?.kind !== "sync") continue;
    for (let before = 0; before < Math.min(sync.since, index); before += 1) {
      const step = steps[before];
      if (step?.kind === "data" && step.node === sync.node) {
        durable.add(before);
        if (step.grows) prefix = Math.max(prefix, before);
      }
      if (step?.kind !== "name") continue;
      if (model === "ext4" && touches(step, sync.node)) prefix = Math.max(prefix, before);
      if (model === "weak" && isDurableName(step, sync.node)) durable.add(before);
    }
  }
  const names: number[] = [];
  const data: number[] = [];
  for (let index = 0; index < at; index += 1) {
    const step = steps[index];
    if (step?.kind === "name" && model === "ext4" && index <= prefix) durable.add(index);
    if (durable.has(index)) continue;
    if (step?.kind === "name") names.push(index);
    if (step?.kind === "data") data.push(index);
  }
  return { durable, names, data };
}

function evenly(items: readonly number[], count: number): number[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, index) => items[Math.floor((index * items.length) / count)] ?? 0);
}

/** Sets of names that may be there together, besides the durable ones. */
function nameSets(pending: Pending, model: Model): (readonly number[])[] {
  const { names } = pending;
  if (model === "ext4") {
    const lengths = evenly(
      Array.from({ length: names.length + 1 }, (_, index) => index),
      PREFIXES_MAX,
    );
    return [...new Set([...lengths, names.length])].map((length) => names.slice(0, length));
  }
  const singles = names.slice(-SINGLES_MAX);
  return [
    names,
    [],
    ...singles.map((left) => names.filter((name) => name !== left)),
    ...singles.map((only) => [only]),
  ];
}

function cuts(bytes: number): number[] {
  const wanted = [1, 512, 4096, Math.floor(bytes / 2), bytes - 512, bytes - 1];
  return [...new Set(wanted)].filter((cut) => cut > 0 && cut < bytes);
}

interface DataChoice {
  readonly kept: readonly number[];
  readonly torn?: Torn;
}

/** What may be there of writes that no fsync covers. */
function dataChoices(steps: readonly Step[], { data }: Pending): DataChoice[] {
  const singles = data.slice(-SINGLES_MAX);
  const choices: DataChoice[] = [{ kept: data }, { kept: [] }];
  for (const one of singles) {
    choices.push({ kept: data.filter((step) => step !== one) }, { kept: [one] });
    const length = (steps[one] as DataStep).bytes?.length ?? 0;
    for (const zeros of [false, true]) {
      for (const keep of [...cuts(length), ...(zeros && length > 0 ? [0] : [])])
        choices.push({ kept: data, torn: { step: one, keep, zeros } });
    }
  }
  return choices;
}

/** All states that may be found when the power is cut after `at` steps. */
export function* statesAt(steps: readonly Step[], at: number, model: Model): Generator<DiskState> {
  const pending = settle(steps, at, model);
  const marks = steps.slice(0, at).flatMap((step) => (step.kind === "mark" ? [step.text] : []));
  const base = { at, answered: marks.includes("answered"), closed: marks.includes("closed") };
  const choices = dataChoices(steps, pending);
  const few = choices.slice(0, 2);
  for (const names of nameSets(pending, model)) {
    for (const { kept, torn } of names === pending.names || names.length === pending.names.length
      ? choices
      : few) {
      const all = new Set([...pending.durable, ...names, ...kept]);
      yield { ...base, kept: all, ...(torn === undefined ? {} : { torn }) };
    }
  }
}

function contentOf(
  nodes: ReadonlyMap<number, Node>,
  steps: readonly Step[],
  state: DiskState,
  node: number,
): Buffer {
  const first = nodes.get(node);
  let bytes = first?.kind === "file" ? first.bytes : Buffer.alloc(0);
  for (let index = 0; index < state.at; index += 1) {
    const step = steps[index];
    if (step?.kind !== "data" || step.node !== node || !state.kept.has(index)) continue;
    bytes = applyData(bytes, step, state.torn?.step === index ? state.torn : undefined);
  }
  return bytes;
}

function applyData(before: Buffer, { offset, bytes }: DataStep, torn: Torn | undefined): Buffer {
  if (bytes === undefined) {
    const resized = Buffer.alloc(offset);
    before.copy(resized, 0, 0, offset);
    return resized;
  }
  const kept = torn === undefined ? bytes : bytes.subarray(0, torn.keep);
  const end = offset + (torn?.zeros === true ? bytes.length : kept.length);
  const after = Buffer.alloc(Math.max(before.length, end));
  before.copy(after);
  if (torn?.zeros === true) after.fill(0, offset, end);
  kept.copy(after, offset);
  return after;
}

export type Entry = { readonly bytes: Buffer; readonly key: string } | { readonly target: string } | "folder";

/** The files of a state: path → bytes, or a link's target. */
export type Tree = Map<string, Entry>;

/**
 * What differs here makes no other state: the lock of a process and the boot that are gone, what LevelDB tells people.
 */
const UNIMPORTANT = /^home\/(run\/|db\.open|db[^/]*\/LOG(\.old)?$)/;

/** Makes states into trees; remembers the bytes of files that several states share. */
export class Builder {
  readonly #nodes: ReadonlyMap<number, Node>;
  readonly #steps: readonly Step[];
  readonly #contents = new Map<string, { bytes: Buffer; key: string }>();
  readonly #dataOf = new Map<number, number[]>();

  constructor(nodes: ReadonlyMap<number, Node>, steps: readonly Step[]) {
    this.#nodes = nodes;
    this.#steps = steps;
    for (const [index, step] of steps.entries()) {
      if (step.kind === "data") this.#dataOf.set(step.node, [...(this.#dataOf.get(step.node) ?? []), index]);
    }
  }

  #content(state: DiskState, node: number): { bytes: Buffer; key: string } {
    const applied = (this.#dataOf.get(node) ?? []).filter(
      (index) => state.kept.has(index) && index < state.at,
    );
    const { torn } = state;
    const isTorn = torn !== undefined && applied.includes(torn.step);
    const tornKey = isTorn ? `${torn.step}:${torn.keep}:${torn.zeros}` : "";
    const name = `${node} ${applied.join(",")} ${tornKey}`;
    let known = this.#contents.get(name);
    if (known === undefined) {
      const bytes = contentOf(this.#nodes, this.#steps, state, node);
      known = { bytes, key: createHash("sha256").update(bytes).digest("base64") };
      this.#contents.set(name, known);
    }
    return known;
  }

  #entries(state: DiskState): Map<number, Map<string, number>> {
    const folders = new Map<number, Map<string, number>>();
    for (const [id, node] of this.#nodes) {
      if (node.kind === "folder") folders.set(id, new Map(node.entries));
    }
    for (let index = 0; index < state.at; index += 1) {
      const step = this.#steps[index];
      if (step?.kind !== "name" || !state.kept.has(index)) continue;
      const { removed, added, node } = step;
      if (removed !== undefined) {
        const entries = folders.get(removed.folder);
        if (entries?.get(removed.name) === node) entries.delete(removed.name);
      }
      if (added !== undefined) folders.get(added.folder)?.set(added.name, node);
    }
    return folders;
  }

  tree(state: DiskState): { tree: Tree; key: string } {
    const folders = this.#entries(state);
    const tree: Tree = new Map();
    const hash = createHash("sha256").update(state.answered ? "answered" : "");
    const visit = (id: number, path: string): void => {
      for (const [name, child] of [...(folders.get(id) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const node = this.#nodes.get(child);
        const full = path === "" ? name : `${path}/${name}`;
        if (node?.kind === "folder") {
          tree.set(full, "folder");
          hash.update(`${full}/\n`);
          visit(child, full);
        } else if (node?.kind === "link") {
          tree.set(full, { target: node.target });
          hash.update(`${full} -> ${node.target}\n`);
        } else {
          const content = this.#content(state, child);
          tree.set(full, content);
          if (!UNIMPORTANT.test(full)) hash.update(`${full} ${content.key}\n`);
        }
      }
    };
    visit(ROOT, "");
    return { tree, key: hash.digest("base64") };
  }
}

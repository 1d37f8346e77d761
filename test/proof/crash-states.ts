/** Records an operation with strace and opens what a power cut may have left of it, state after state. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Builder, type DiskState, type Entry, type Model, statesAt, type Tree } from "./disk-model.ts";
import { type Node, readNodes, Recorder, type Step } from "./disk-steps.ts";
import { AT_ONCE, inParallel, sample, type Start, type Workshop } from "./starts.ts";
import { runTraced } from "./strace.ts";
import { parseTrace, TRACED } from "./trace.ts";

/** Of so many states whose packs were read before, one is read whole all the same. */
const PER_WHOLE = 40;
/** Of so many states one is written to. */
const PER_WRITE = 12;

export interface Recording {
  readonly start: Start;
  readonly nodes: ReadonlyMap<number, Node>;
  readonly steps: readonly Step[];
}

/** Runs the operation once more under strace. Throws when it does not come to its end. */
export function record(
  start: Start,
  folder: string,
  { strace, dist }: { strace: string; dist?: string },
): Recording {
  rmSync(folder, { recursive: true, force: true });
  execFileSync("cp", ["-r", start.folder, folder]);
  const nodes = readNodes(folder);
  const output = `${folder}.trace`;
  const options = ["-y", "-xx", "-s", "100000000", "-e", `trace=${TRACED}`, "-o", output];
  const { status, stderr } = runTraced(start.name, folder, {
    strace,
    options,
    ...(dist === undefined ? {} : { dist }),
  });
  if (status !== 0) throw new Error(`recording '${start.name}' ended with ${String(status)}: ${stderr}`);
  const recorder = new Recorder(folder, nodes);
  for (const call of parseTrace(readFileSync(output, "utf8"))) recorder.follow(call);
  rmSync(output);
  return { start, nodes, steps: recorder.steps };
}

function isPack(path: string): boolean {
  return path.startsWith("home/packs/");
}

function put(folder: string, path: string, entry: Entry): void {
  const full = join(folder, path);
  if (entry === "folder") mkdirSync(full, { recursive: true, mode: 0o700 });
  else if ("target" in entry) symlinkSync(entry.target, full);
  else writeFileSync(full, entry.bytes, { mode: 0o600 });
}

/** A folder that becomes one tree after the other; packs that stay the same are left where they are. */
class Slot {
  readonly path: string;
  #packs: Tree | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes the folder hold the tree, whatever a check did to it. */
  become(tree: Tree): void {
    const packs: Tree = new Map([...tree].filter(([path]) => isPack(path)));
    const before = this.#packs;
    const isAlike = before !== undefined && packs.size > 0 && [...before].every(([path]) => packs.has(path));
    if (isAlike) this.#clear();
    else rmSync(this.path, { recursive: true, force: true });
    mkdirSync(this.path, { recursive: true });
    for (const [path, entry] of tree) {
      if (isAlike && (path === "home" || path === "home/packs")) continue;
      const known = isAlike ? before.get(path) : undefined;
      if (known !== undefined && JSON.stringify(keyOf(known)) === JSON.stringify(keyOf(entry))) continue;
      if (known !== undefined) rmSync(join(this.path, path), { recursive: true });
      put(this.path, path, entry);
    }
    this.#packs = packs;
  }

  #clear(): void {
    for (const name of readdirSync(this.path)) {
      if (name !== "home") rmSync(join(this.path, name), { recursive: true });
    }
    for (const name of readdirSync(join(this.path, "home"))) {
      if (name !== "packs") rmSync(join(this.path, "home", name), { recursive: true });
    }
  }

  /** The next tree is made from nothing. */
  forget(): void {
    this.#packs = undefined;
  }
}
function keyOf(entry: Entry): unknown {
  return entry === "folder" || "target" in entry ? entry : entry.key;
}

function keyBelow(tree: Tree, prefix: string): string {
  return [...tree]
    .filter(([path, entry]) => path.startsWith(prefix) && entry !== "folder")
    .map(([path, entry]) => `${path} ${JSON.stringify(keyOf(entry))}`)
    .join("\n");
}

export interface ReplayOptions {
  readonly model: Model;
  /** At most so many states, evenly over the operation. */
  readonly limit: number;
  /** Chooses among neighbours, so that other states are taken each time; the first ones without it. */
  readonly random?: () => number;
  readonly stopAtFirst?: boolean;
}

export interface Replayed {
  /** States that differ. */
  readonly states: number;
  readonly checked: number;
  readonly wrong: readonly string[];
}

/** Every state that differs from those before, the later points of the operation not favoured. */
function distinctStates(
  { steps }: Recording,
  builder: Builder,
  { model, limit, random = () => 0 }: ReplayOptions,
): { states: number; chosen: DiskState[] } {
  const seen = new Set<string>();
  const all: DiskState[] = [];
  for (let at = 0; at <= steps.length; at += 1) {
    if (steps[at - 1]?.kind === "sync") continue;
    for (const state of statesAt(steps, at, model)) {
      const { key } = builder.tree(state);
      if (seen.has(key)) continue;
      seen.add(key);
      all.push(state);
    }
  }
  return { states: all.length, chosen: sample(all, limit, random) };
}

/** Opens the states in the workshop's children; what is wrong names the step after which the power was cut. */
export async function replay(
  workshop: Workshop,
  recording: Recording,
  options: ReplayOptions,
): Promise<Replayed> {
  const { start, nodes, steps } = recording;
  const builder = new Builder(nodes, steps);
  const { states, chosen } = distinctStates(recording, builder, options);
  const wrong: string[] = [];
  const seen = new Set<string>();
  const slots = Array.from(
    { length: AT_ONCE * 2 },
    (_, lane) => new Slot(join(workshop.folder, `crash ${lane}`)),
  );
  let checked = 0;
  const order = options.stopAtFirst === true ? likelyFirst(chosen) : chosen;
  await inParallel(order, slots.length, async (state, lane) => {
    if (options.stopAtFirst === true && wrong.length > 0) return;
    const slot = slots[lane] as Slot;
    const { tree } = builder.tree(state);
    slot.become(tree);
    const isNew = (prefix: string): boolean => {
      const key = keyBelow(tree, prefix);
      const known = seen.has(key);
      seen.add(key);
      return !known;
    };
    const isWhole = isNew("home/packs/") || checked % PER_WHOLE === 0;
    const worktreeSeen = !isNew("desk/.smc/");
    const writes = checked % PER_WRITE === 0;
    checked += 1;
    const answer = await workshop.children.ask<string[]>("restarted", {
      name: start.name,
      folder: slot.path,
      expected: start.expected,
      acknowledged: state.answered,
      packsRead: !isWhole,
      worktreeSeen,
      writes,
    });
    const what = `${options.model}, ${start.name}, ${describe(steps, state)}`;
    if (answer.kind === "done") wrong.push(...answer.result.map((text) => `${what}: ${text}`));
    else wrong.push(`${what}: ${JSON.stringify(answer)}`);
    if (answer.kind !== "done" || isWhole) slot.forget();
  });
  return { states, checked, wrong };
}

/**
 * What is lost shows between the answer and the end, if anywhere; after that those who look for one look everywhere.
 */
function likelyFirst(states: readonly DiskState[]): DiskState[] {
  const isLikely = ({ answered, closed }: DiskState): boolean => answered && !closed;
  return [...scattered(states.filter(isLikely)), ...scattered(states.filter((state) => !isLikely(state)))];
}

function scattered<T>(items: readonly T[]): T[] {
  const GOLDEN = 0.618_033_988_75;
  return items
    .map((item, index) => ({ item, place: (index * GOLDEN) % 1 }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function describe(steps: readonly Step[], state: DiskState): string {
  const last = steps[state.at - 1];
  const missing = steps
    .slice(0, state.at)
    .flatMap((step, index) =>
      state.kept.has(index) || step.kind === "mark" || step.kind === "sync"
        ? []
        : [`${index} ${textOf(step)}`],
    );
  const torn = state.torn === undefined ? "" : `, torn ${JSON.stringify(state.torn)}`;
  return `after step ${state.at} (${last === undefined ? "none" : textOf(last)}), missing [${missing.slice(0, 6).join("; ")}]${torn}`;
}

function textOf(step: Step): string {
  if (step.kind === "name") return `${step.what} ${step.removed?.name ?? ""} ${step.added?.name ?? ""}`;
  if (step.kind === "data") return `write node ${step.node} +${step.bytes?.length ?? "size"}`;
  return step.kind;
}

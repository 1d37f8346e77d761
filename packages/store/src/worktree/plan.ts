/**
 * From one commit's files to another's, as git does it: what is equal in both keeps its local changes; what differs
 * is written only over what is in a commit already. Plans read; nothing is changed before all of it is known to fit.
 */
import { join } from "node:path";
import { type Call, createPacer, type Pacer } from "../call.ts";
import { hashBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";
import type { FlatEntry, FlatTree } from "../trees/tree-read.ts";
import { hashAll, type Hasher, isSameFile, readLink } from "./compare.ts";
import { countFiles, foldersAbove, type Located, locate } from "./locate.ts";
import { linkInTheWay } from "./paths.ts";
import { TrackedPaths } from "./scan.ts";
import { cacheOf, isCertainlyUnchanged, type StageEntry } from "./stage.ts";
import { fileModeOf, kindOf, nowNs } from "./stat.ts";
import type { Removal, Writing } from "./write-out.ts";

const PATHS_SHOWN = 10;

export interface PlanInput {
  readonly root: string;
  readonly objects: Hasher;
  /** Files of the commit the worktree is at. */
  readonly from: FlatTree;
  readonly to: FlatTree;
  readonly stage: ReadonlyMap<string, StageEntry>;
  /**
   * "refuse" keeps every local change; "tracked" gives up those of tracked files; "all" overwrites untracked files too.
   */
  readonly overwrite: Overwrite;
  /** Paths that are left as they are, whatever they hold; for plans that overwrite. */
  readonly isLeftAlone?: (path: string) => boolean;
}

export type Overwrite = "refuse" | "tracked" | "all";

export interface Plan {
  readonly removals: Removal[];
  readonly writings: Writing[];
  /** Links of the target that differ from what is there. */
  readonly links: Writing[];
  /** The stage after it, without the caches of what is written. */
  readonly next: Map<string, StageEntry>;
}

interface Candidate {
  readonly path: string;
  readonly wanted: FlatEntry | undefined;
  readonly staged: StageEntry | undefined;
}

/** What is at a candidate's path: "free", equal to the "wanted", "clean" as staged, or a "local" change. */
interface Verdict {
  readonly state: "free" | "wanted" | "clean" | "local" | "folder";
  /** For "wanted": the entry with its cache. */
  readonly entry?: StageEntry;
}

/**
 * Throws WOULD_OVERWRITE (up to 10 paths and the count in details) and UNSAFE_PATH for a link in place of a folder;
 * nothing is changed.
 */
export async function planMove(input: PlanInput, call: Call): Promise<Plan> {
  const plan: Plan = { removals: [], writings: [], links: [], next: new Map(input.stage) };
  const conflicts: string[] = [];
  const pace = createPacer(call);
  const candidates = await chooseCandidates(input, { plan, conflicts }, pace);
  const located = await locate(
    input.root,
    candidates.map(({ path }) => path),
  );
  const verdicts = await judgeAll(input, { candidates, located, pace }, call);
  for (const candidate of candidates) {
    await pace();
    const verdict = verdicts.get(candidate.path);
    const place = located.get(candidate.path);
    if (verdict === undefined || place === undefined)
      throw new SmcError("INTERNAL", "a path was left unjudged");
    if (!applyVerdict(input, plan, { candidate, verdict, place })) conflicts.push(candidate.path);
  }
  conflicts.push(...(await findBlocked(input, { plan, located }, pace)));
  if (conflicts.length > 0) throw wouldOverwrite(conflicts);
  return plan;
}

export function wouldOverwrite(conflicts: readonly string[]): SmcError {
  const all = [...new Set(conflicts)].sort();
  const paths = all.slice(0, PATHS_SHOWN);
  const files = all.length === 1 ? "1 file" : `${all.length} files`;
  const more = all.length > PATHS_SHOWN ? ", …" : "";
  const list = paths.map((path) => `'${show(path, 200)}'`).join(", ");
  return new SmcError(
    "WOULD_OVERWRITE",
    `${files} would be overwritten: ${list}${more}; nothing was changed`,
    {
      hint: 'commit the files or move them away; "smc checkout" and "smc switch" also take --force',
      details: { paths, count: all.length },
    },
  );
}

/** Paths that may have to change. Those that stay as they are, local changes included, are settled here. */
async function chooseCandidates(
  { from, to, stage, overwrite, isLeftAlone }: PlanInput,
  { plan, conflicts }: { plan: Plan; conflicts: string[] },
  pace: Pacer,
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  const forced = overwrite !== "refuse";
  for (const path of new Set([...from.keys(), ...to.keys(), ...(forced ? stage.keys() : [])])) {
    const before = from.get(path);
    const wanted = to.get(path);
    const staged = stage.get(path);
    await pace();
    if (forced) {
      const isOurs = wanted !== undefined || staged !== undefined;
      if (isOurs && isLeftAlone?.(path) !== true) candidates.push({ path, wanted, staged });
    } else if (isSameFile(before, wanted) || isSameFile(staged, wanted)) continue;
    else if (isSameFile(staged, before)) candidates.push({ path, wanted, staged });
    else if (wanted === undefined && staged === undefined) plan.next.delete(path);
    else conflicts.push(path);
  }
  return candidates;
}

async function judgeAll(
  input: PlanInput,
  {
    candidates,
    located,
    pace,
  }: { candidates: readonly Candidate[]; located: ReadonlyMap<string, Located>; pace: Pacer },
  call: Call,
): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  const unsure: { candidate: Candidate; disk: string }[] = [];
  for (const candidate of candidates) {
    await pace();
    const place = located.get(candidate.path);
    const verdict = place === undefined ? undefined : await judgeByStat(input.root, candidate, place);
    if (verdict === undefined) unsure.push({ candidate, disk: place?.disk ?? candidate.path });
    else verdicts.set(candidate.path, verdict);
  }
  const startNs = nowNs();
  const paths = unsure.map(({ disk }) => `${input.root}/${disk}`);
  const read = paths.length === 0 ? [] : await hashAll(input.objects, paths, call);
  for (const [index, { candidate }] of unsure.entries()) {
    await pace();
    const { path, wanted, staged } = candidate;
    const file = read[index];
    if (file === undefined || file === "changing") verdicts.set(path, { state: "local" });
    else if (file === "vanished") verdicts.set(path, { state: "free" });
    else {
      const found: FlatEntry = {
        mode: fileModeOf(file.stat),
        digest: file.digest,
        sizeBytes: file.sizeBytes,
      };
      const cache = cacheOf(file.stat, startNs);
      if (isSameFile(found, wanted)) verdicts.set(path, { state: "wanted", entry: { ...found, cache } });
      else verdicts.set(path, { state: isSameFile(found, staged) ? "clean" : "local" });
    }
  }
  return verdicts;
}

/** Undefined when only the content tells. */
async function judgeByStat(root: string, candidate: Candidate, place: Located): Promise<Verdict | undefined> {
  const { wanted, staged } = candidate;
  const { stat, disk } = place;
  if (stat === undefined) return { state: "free" };
  const kind = kindOf(stat);
  if (kind === "folder") return { state: (await countFiles(join(root, disk), 1)) > 0 ? "folder" : "free" };
  if (kind !== "file" && kind !== "link") return { state: "local" };
  if (staged !== undefined && isCertainlyUnchanged(staged, stat)) {
    return isSameFile(staged, wanted) ? { state: "wanted", entry: staged } : { state: "clean" };
  }
  if (kind === "link") {
    const found: FlatEntry = {
      mode: "120000",
      digest: hashBytes(await readLink(join(root, disk))),
      sizeBytes: stat.sizeBytes,
    };
    if (isSameFile(found, wanted)) return { state: "wanted", entry: found };
    return { state: isSameFile(found, staged) ? "clean" : "local" };
  }
  const mayBe = (entry: FlatEntry | undefined): boolean =>
    entry?.sizeBytes === stat.sizeBytes && entry.mode !== "120000";
  return mayBe(wanted) || mayBe(staged) ? undefined : { state: "local" };
}

/** False when the path holds a local change that may not go. */
function applyVerdict(
  { overwrite }: PlanInput,
  plan: Plan,
  { candidate, verdict, place }: { candidate: Candidate; verdict: Verdict; place: Located },
): boolean {
  const { path, wanted, staged } = candidate;
  const isGivenUp = overwrite === "all" || (overwrite === "tracked" && staged !== undefined);
  if (wanted === undefined) {
    plan.next.delete(path);
    if (verdict.state === "free" || verdict.state === "folder") return true;
    if (verdict.state === "local" && !isGivenUp) return false;
    if (place.stat !== undefined) plan.removals.push({ path, disk: place.disk, expected: place.stat });
    return true;
  }
  const { mode, digest, sizeBytes } = wanted;
  plan.next.set(path, verdict.entry ?? { mode, digest, sizeBytes });
  if (verdict.state === "wanted") return true;
  if (verdict.state === "local" && !isGivenUp) return false;
  const expected = verdict.state === "free" || verdict.state === "folder" ? undefined : place.stat;
  (mode === "120000" ? plan.links : plan.writings).push({ path, disk: place.disk, entry: wanted, expected });
  return true;
}

/** Files where a folder must go, and folders where a file must go, that the plan does not take away. */
async function findBlocked(
  input: PlanInput,
  { plan, located }: { plan: Plan; located: ReadonlyMap<string, Located> },
  pace: Pacer,
): Promise<string[]> {
  const removed = new Set(plan.removals.map(({ disk }) => disk));
  const next = new TrackedPaths(plan.next);
  const conflicts: string[] = [];
  for (const { path, disk } of [...plan.writings, ...plan.links]) {
    await pace();
    const place = located.get(path);
    if (next.hasFolder(path)) conflicts.push(path);
    conflicts.push(...[...foldersAbove(path)].filter((folder) => plan.next.has(folder)));
    const { blocked, stat } = place ?? {};
    if (blocked !== undefined && !removed.has(blocked.path)) {
      if (blocked.isLink) throw linkInTheWay(blocked.path);
      conflicts.push(blocked.path);
    }
    if (stat !== undefined && kindOf(stat) === "folder" && (await keepsFiles(input.root, disk, removed))) {
      conflicts.push(path);
    }
  }
  return conflicts;
}

/** Whether a folder has files that the plan does not remove. */
async function keepsFiles(root: string, folder: string, removed: ReadonlySet<string>): Promise<boolean> {
  const inside = [...removed].filter((path) => path.startsWith(`${folder}/`));
  return (await countFiles(join(root, folder), inside.length + 1)) > inside.length;
}

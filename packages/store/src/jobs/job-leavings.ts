/** What goes when a job is removed, and what of the store nothing leads to then. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { readCommit, walk } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";
import { flattenTree } from "../trees/tree-read.ts";
import { jobPlaces } from "./job-folder.ts";
import type { JobRecord } from "./job-record.ts";
import { orAbsent } from "./kept-checkpoints.ts";

/** In a folder with more than this the rest is not counted. */
const ENTRIES_MAX = 1_000_000;

export interface Unreachable {
  readonly what: "input" | "checkpoints";
  readonly digest: Digest;
  /** Of its files that no other version of the repository has; they may take less room, stored. */
  readonly files: number;
  readonly sizeBytes: number;
}

export interface JobLeavings {
  /** Bytes of the job's folder. */
  readonly folderBytes: number;
  /** What only the job kept, of which gc takes back the room. */
  readonly unreachable: readonly Unreachable[];
}

/**
 * Looks at the tips of the refs of the repository, at their histories, and at the other jobs; refs of another
 * repository may still lead to a file. Throws OBJECT_MISSING, OBJECT_CORRUPT, CANCELED.
 */
export async function leavingsOf(
  store: OwnedStore,
  { record, others }: { record: JobRecord; others: readonly JobRecord[] },
  call: Call,
): Promise<JobLeavings> {
  const { root } = jobPlaces(store.path, record);
  const { input, checkpoints = null } = record;
  const folderBytes = await bytesBelow(root, call);
  const rest = others.filter(({ id }) => id !== record.id);
  const tips = await tipsOf(store, record.repository);
  const candidates: { what: Unreachable["what"]; digest: Digest; tree: Digest }[] = [];
  if (checkpoints !== null && rest.every((job) => job.checkpoints !== checkpoints))
    candidates.push({ what: "checkpoints", digest: checkpoints, tree: checkpoints });
  if (rest.every((job) => job.input !== input) && !(await isReachable(store, { input, tips }, call)))
    candidates.push({ what: "input", digest: input, tree: (await readCommit(store, input)).tree });
  if (candidates.length === 0) return { folderBytes, unreachable: [] };
  const kept = new Set<Digest>();
  const commits = [...tips, ...rest.map((job) => job.input)];
  const trees = new Set<Digest>();
  for (const commit of commits) trees.add((await readCommit(store, commit)).tree);
  for (const job of rest)
    if (job.checkpoints !== undefined && job.checkpoints !== null) trees.add(job.checkpoints);
  for (const tree of trees)
    for (const { digest } of (await flattenTree(store.objects, tree, call)).values()) kept.add(digest);
  const unreachable: Unreachable[] = [];
  for (const { what, digest, tree } of candidates) {
    const files = [...(await flattenTree(store.objects, tree, call)).values()];
    const own = files.filter((file) => !kept.has(file.digest));
    const sizeBytes = own.reduce((sum, file) => sum + file.sizeBytes, 0);
    unreachable.push({ what, digest, files: own.length, sizeBytes });
  }
  return { folderBytes, unreachable };
}

async function tipsOf(store: OwnedStore, repository: string): Promise<Digest[]> {
  const tips = new Set<Digest>();
  for (const { name, digest } of await store.refs.list(repository, "refs/")) {
    const commit = name.startsWith(PRUNED_PREFIX) ? undefined : await commitOfRef(store, digest);
    if (commit !== undefined) tips.add(commit);
  }
  return [...tips];
}

async function isReachable(
  store: OwnedStore,
  { input, tips }: { input: Digest; tips: readonly Digest[] },
  call: Call,
): Promise<boolean> {
  if (tips.includes(input)) return true;
  for await (const _ of walk(store, { from: [input], exclude: tips }, call)) return false;
  return true;
}

/** Of regular files; what goes meanwhile is left out. */
async function bytesBelow(root: string, call: Call): Promise<number> {
  const pace = createPacer(call);
  const folders = [root];
  let sum = 0;
  let count = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of (await orAbsent(readdir(folder, { withFileTypes: true }), folder)) ?? []) {
      count += 1;
      if (count > ENTRIES_MAX) return sum;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) sum += (await orAbsent(lstat(path), path))?.size ?? 0;
      await pace();
    }
  }
  return sum;
}

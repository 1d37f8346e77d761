/** `smc add`: files as they are now → objects and stage. All or nothing. */
import { join } from "node:path";
import { breathe, type Call, createPacer } from "../call.ts";
import { SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import { resolveCommit } from "../history/revision.ts";
import { findBadNames } from "../layout/model-names.ts";
import type { Digest } from "../objects/digest.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { show } from "../show.ts";
import type { WriteSession } from "../store.ts";
import { assertNames, changedFiles, putEntries, storeFiles } from "../worktree/edit.ts";
import { findParents } from "../worktree/parent-files.ts";
import { FolderRules } from "../worktree/folder-rules.ts";
import { assertNoLinkAbove, isPattern, type PathFilter, resolvePaths } from "../worktree/paths.ts";
import { type Found, type Scan, scan, TrackedPaths, unsupported } from "../worktree/scan.ts";
import { type Stage, writeStage } from "../worktree/stage.ts";
import { kindOf, lstatEach, lstatMany } from "../worktree/stat.ts";
import { loadStage, readTip } from "../worktree/state.ts";
import { exclusively, type Worktree } from "../worktree/worktree.ts";

export interface AddOptions {
  /** Files, folders and patterns, relative to where the user stands. */
  readonly paths: readonly string[];
  /** Without paths: everything in the worktree. */
  readonly all?: boolean;
  /** Only files that are tracked. */
  readonly update?: boolean;
  /** Takes ignored files. */
  readonly force?: boolean;
  readonly dryRun?: boolean;
  /** Takes names that other systems cannot hold. */
  readonly allowNonportable?: boolean;
  /** Refuses model files that `name.pattern` does not fit. */
  readonly strictNames?: boolean;
  /** The commit that the files were made from: they are stored as the difference to its files where that is shorter. */
  readonly base?: string;
}

export interface AddResult {
  readonly added: readonly string[];
  readonly modified: readonly string[];
  readonly deleted: readonly string[];
  readonly dryRun: boolean;
  /** Of `added`: model files below `layout.folder` that `name.pattern` does not fit. */
  readonly badNames: readonly string[];
}

/**
 * Stages files, and deletions of tracked ones. Nothing is staged when one of them fails. Throws USAGE without paths,
 * PATH_NOT_FOUND, PATH_INVALID, UNSAFE_PATH, FILE_UNSUPPORTED, FILE_CHANGED, PERMISSION_DENIED, NAME_COLLISION,
 * NAME_NOT_PORTABLE, ARGUMENT_INVALID for a path that is ignored and for names with `strictNames`, DISK_FULL.
 */
export async function add(repository: Repository, options: AddOptions, call: Call): Promise<AddResult> {
  const worktree = requireWorktree(repository);
  const everything = options.all === true || options.update === true;
  if (options.paths.length === 0 && !everything) {
    throw new SmcError("USAGE", "nothing was named to add", { hint: 'name files, or use "smc add -A"' });
  }
  await assertNoSpecialFiles(worktree, options.paths);
  const filter = await resolvePaths(
    worktree,
    options.paths.length === 0 ? [rootArgument(worktree)] : options.paths,
  );
  return exclusively(worktree, call, () => addTo(repository, { worktree, filter, options }, call));
}

function rootArgument(worktree: Worktree): string {
  return worktree.root;
}

/** A device outside the worktree is named as what it is. */
async function assertNoSpecialFiles(worktree: Worktree, texts: readonly string[]): Promise<void> {
  const outside = texts.filter((text) => text.startsWith("/") && !text.includes("\0"));
  for (const [index, stat] of (await lstatMany(outside)).entries()) {
    const kind = stat === undefined ? "file" : kindOf(stat);
    if (kind !== "file" && kind !== "folder" && kind !== "link")
      throw unsupported(outside[index] ?? "", kind);
  }
}

async function addTo(
  repository: Repository,
  { worktree, filter, options }: { worktree: Worktree; filter: PathFilter; options: AddOptions },
  call: Call,
): Promise<AddResult> {
  const tip = await readTip(repository);
  const base = options.base === undefined ? undefined : await resolveCommit(repository, options.base, call);
  const stage = await loadStage(repository, worktree, tip, call);
  const found = await findFiles(repository, { worktree, filter, options, stage }, call);
  await breathe();
  const files = changedFiles(stage, found.files.values());
  await breathe();
  const deleted = [...stage.entries]
    .filter(([path, entry]) => entry.isSkipped !== true && !found.files.has(path) && filter.matches(path))
    .map(([path]) => path);
  filter.assertAllMet();
  const added = files.filter(({ path }) => !stage.entries.has(path)).map(({ path }) => path);
  const gone = new Set(deleted);
  const kept = [...stage.entries.keys()].filter((path) => !gone.has(path));
  await assertNames(repository, { added, kept, allowNonportable: options.allowNonportable });
  const isStrict = options.strictNames === true;
  const badNames = await findBadNames({ ...repository, worktree }, { paths: added, isStrict });
  if (options.dryRun === true) {
    const modified = files.filter(({ path }) => stage.entries.has(path)).map(({ path }) => path);
    return { added: added.sort(), modified: modified.sort(), deleted, dryRun: true, badNames };
  }
  const baseTree = base === undefined ? undefined : (await readCommit(repository.store, base)).tree;
  const trees = [tip.tree, baseTree];
  const staged = await stageFiles(repository, { worktree, stage, files, deleted, trees }, call);
  return { ...staged, badNames };
}

async function stageFiles(
  repository: Repository,
  input: {
    worktree: Worktree;
    stage: Stage;
    files: readonly Found[];
    deleted: readonly string[];
    /** Where to look for what the files resemble. */
    trees: readonly (Digest | undefined)[];
  },
  call: Call,
): Promise<Omit<AddResult, "badNames">> {
  const { worktree, stage, files, deleted } = input;
  if (files.length + deleted.length === 0) return { added: [], modified: [], deleted: [], dryRun: false };
  await using session: WriteSession = repository.store.write("add");
  const parents = await findParents(repository, { files, trees: input.trees }, call);
  const entries = await storeFiles(worktree, session, { files, parents }, call);
  for (const path of deleted) stage.entries.delete(path);
  if (deleted.length > 0) stage.isExact = false;
  await breathe();
  const changes = putEntries(stage, entries);
  if (files.length > 0) await session.finish();
  await writeStage(worktree.root, stage, { durable: true });
  return {
    added: changes.added.sort(),
    modified: changes.modified.sort(),
    deleted: [...deleted, ...changes.deleted].sort(),
    dryRun: false,
  };
}

/** Everything below the named paths that can be stored. Throws for the first thing that cannot. */
async function findFiles(
  repository: Repository,
  input: { worktree: Worktree; filter: PathFilter; options: AddOptions; stage: Stage },
  call: Call,
): Promise<Scan> {
  const { worktree, filter, options, stage } = input;
  const { root } = worktree;
  const tracked = new TrackedPaths(stage.entries);
  await assertNoLinkAbove(root, filter.specs);
  const from = new Set<string>();
  const rules = new FolderRules(root);
  const { specs } = filter;
  let index = 0;
  for await (const stat of lstatEach(
    specs.map((spec) => join(root, spec)),
    call,
  )) {
    const spec = specs[index] ?? "";
    index += 1;
    if (spec === "") from.add("");
    else if (stat === undefined) from.add(isPattern(spec) || !isAscii(spec) ? "" : spec);
    else {
      if (options.force !== true)
        await assertNotIgnored(rules, spec, { tracked, isFolder: kindOf(stat) === "folder" });
      filter.meet(spec);
      from.add(spec);
    }
  }
  const withIgnored = options.force === true;
  const found = await scan(
    root,
    { from: [...from], tracked, leaveOut: repository.store.path, withIgnored },
    call,
  );
  const fault = found.faults.find(({ path }) => filter.matches(path));
  if (fault !== undefined) throw fault.error;
  const files = new Map<string, Found>();
  const pace = createPacer(call);
  for (const [path, file] of found.files) {
    if (filter.matches(path) && (options.update !== true || stage.entries.has(path))) files.set(path, file);
    await pace();
  }
  return { files, faults: [] };
}

function isAscii(text: string): boolean {
  return /^[\u0020-\u007e]*$/.test(text);
}

async function assertNotIgnored(
  rules: FolderRules,
  path: string,
  { tracked, isFolder }: { tracked: TrackedPaths; isFolder: boolean },
): Promise<void> {
  if (tracked.hasFile(path) || tracked.hasFolder(path)) return;
  const ignored = await rules.findIgnored(path, isFolder);
  if (ignored === undefined) return;
  throw new SmcError(
    "ARGUMENT_INVALID",
    `'${show(ignored, 200)}' is ignored by .smcignore; nothing was staged`,
    {
      hint: "add it all the same with -f",
      details: { path: ignored },
    },
  );
}

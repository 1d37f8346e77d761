/** `smc mv`: renames tracked files and folders, on the disk and in the stage. */
import { posix } from "node:path";
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { renamePath } from "../fs.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { show } from "../show.ts";
import { assertNames } from "../worktree/edit.ts";
import { holdFolder, renamed } from "../worktree/folders.ts";
import { type Located, locate } from "../worktree/locate.ts";
import { linkInTheWay, resolvePath } from "../worktree/paths.ts";
import { type Stage, type StageEntry, writeStage } from "../worktree/stage.ts";
import { kindOf } from "../worktree/stat.ts";
import { loadStage, readTip } from "../worktree/state.ts";
import { exclusively, type Worktree } from "../worktree/worktree.ts";

export interface MvOptions {
  readonly sources: readonly string[];
  /** The new name, or a folder that is there. */
  readonly destination: string;
  /** Replaces a file. */
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly allowNonportable?: boolean;
}

export interface MvResult {
  /** Files and folders as they were named. */
  readonly moved: readonly { readonly from: string; readonly to: string }[];
  readonly dryRun: boolean;
}

interface Step {
  readonly from: string;
  readonly to: string;
  readonly disk: string;
}

/**
 * Throws USAGE, PATH_NOT_FOUND for what is not tracked or a folder that is not there, ALREADY_EXISTS,
 * ARGUMENT_INVALID for a folder into itself, UNSAFE_PATH, PATH_INVALID, NAME_NOT_PORTABLE, NAME_COLLISION.
 */
export async function mv(repository: Repository, options: MvOptions, call: Call): Promise<MvResult> {
  const worktree = requireWorktree(repository);
  if (options.sources.length === 0) throw new SmcError("USAGE", "name what to move, and where to");
  const sources: string[] = [];
  for (const text of options.sources) sources.push(await resolvePath(worktree, text));
  const destination = await resolvePath(worktree, options.destination);
  return exclusively(worktree, call, async () => {
    const stage = await loadStage(repository, worktree, await readTip(repository), call);
    const steps = await planSteps(worktree, { stage, sources, destination, options });
    const moved = steps.map(({ from, to }) => ({ from, to }));
    await checkNames(repository, { stage, steps, options });
    if (options.dryRun === true) return { moved, dryRun: true };
    try {
      for (const step of steps) {
        await moveOnDisk(worktree, step, options);
        moveInStage(stage, step);
        stage.isExact = false;
      }
    } finally {
      // When a later one fails, those before it have moved.
      await writeStage(worktree.root, stage, { durable: true });
    }
    return { moved, dryRun: false };
  });
}

async function planSteps(
  worktree: Worktree,
  input: { stage: Stage; sources: readonly string[]; destination: string; options: MvOptions },
): Promise<Step[]> {
  const { stage, sources, destination, options } = input;
  const target =
    destination === "" ? undefined : (await locate(worktree.root, [destination])).get(destination);
  if (target?.blocked?.isLink === true) throw linkInTheWay(target.blocked.path);
  const isFolder = destination === "" || (target?.stat !== undefined && kindOf(target.stat) === "folder");
  const endsWithSlash = options.destination.endsWith("/");
  if (!isFolder && (sources.length > 1 || endsWithSlash)) {
    throw new SmcError(
      "PATH_NOT_FOUND",
      `'${show(destination, 200)}' is not a folder that is there; nothing was moved`,
    );
  }
  const steps: Step[] = [];
  const places = await locate(worktree.root, sources);
  for (const from of sources) {
    const to = isFolder ? posix.join(destination, posix.basename(from)) : destination;
    const place = places.get(from);
    assertSource(stage, from, place);
    if (to === from) throw new SmcError("ARGUMENT_INVALID", `'${show(from, 200)}' would be moved to itself`);
    if (to.startsWith(`${from}/`)) {
      throw new SmcError(
        "ARGUMENT_INVALID",
        `'${show(from, 200)}' cannot be moved into itself, '${show(to, 200)}'`,
      );
    }
    const other = (await locate(worktree.root, [to])).get(to);
    const isTaken =
      other?.stat !== undefined || stage.entries.has(to) || steps.some((step) => step.to === to);
    const mayReplace = options.force === true && other?.stat !== undefined && kindOf(other.stat) === "file";
    if (isTaken && !mayReplace) {
      throw new SmcError("ALREADY_EXISTS", `'${show(to, 200)}' is there already; nothing was moved`, {
        hint: "replace a file with -f",
      });
    }
    steps.push({ from, to, disk: place?.disk ?? from });
  }
  return steps;
}

function assertSource(stage: Stage, from: string, place: Located | undefined): void {
  if (from === "") throw new SmcError("ARGUMENT_INVALID", "the root of the worktree cannot be moved");
  if (place?.blocked?.isLink === true) throw linkInTheWay(place.blocked.path);
  const isTracked =
    stage.entries.has(from) || [...stage.entries.keys()].some((path) => path.startsWith(`${from}/`));
  if (!isTracked || place?.stat === undefined) {
    const why = isTracked ? "is not in the worktree" : "is not tracked";
    throw new SmcError("PATH_NOT_FOUND", `'${show(from, 200)}' ${why}; nothing was moved`, {
      details: { path: from },
    });
  }
}

async function checkNames(
  repository: Repository,
  { stage, steps, options }: { stage: Stage; steps: readonly Step[]; options: MvOptions },
): Promise<void> {
  const added: string[] = [];
  const kept: string[] = [];
  for (const path of stage.entries.keys()) {
    const step = steps.find(({ from }) => path === from || path.startsWith(`${from}/`));
    if (step === undefined) kept.push(path);
    else added.push(step.to + path.slice(step.from.length));
  }
  await assertNames(repository, { added, kept, allowNonportable: options.allowNonportable });
}

async function moveOnDisk(worktree: Worktree, { from, to, disk }: Step, options: MvOptions): Promise<void> {
  const what = `cannot move '${show(from, 200)}' to '${show(to, 200)}'`;
  const parent = (path: string): string => (posix.dirname(path) === "." ? "" : posix.dirname(path));
  const source = await holdFolder(worktree.root, parent(disk));
  try {
    const target = await holdFolder(worktree.root, parent(to));
    if (source === undefined || target === undefined) {
      throw new SmcError("PATH_NOT_FOUND", `${what}: there is no folder '${show(parent(to), 200)}'`);
    }
    try {
      await renamePath(source.entry(posix.basename(disk)), target.entry(posix.basename(to)));
    } finally {
      await target[Symbol.asyncDispose]();
    }
  } catch (error) {
    const errno = isSmcError(error) ? error.details.errno : undefined;
    if (errno === "ENOTEMPTY" || errno === "EISDIR" || (errno === "EEXIST" && options.force !== true)) {
      throw new SmcError("ALREADY_EXISTS", `'${show(to, 200)}' is there already`, { cause: error });
    }
    throw renamed(error, what);
  } finally {
    await source?.[Symbol.asyncDispose]();
  }
}

function moveInStage(stage: Stage, { from, to }: Step): void {
  const own = stage.entries.get(from);
  if (own !== undefined) {
    // The rename changed the file's ctime: the next status looks at it once.
    const { mode, digest, sizeBytes } = own;
    stage.entries.delete(from);
    stage.entries.set(to, { mode, digest, sizeBytes });
    return;
  }
  const below: [string, StageEntry][] = [...stage.entries].filter(([path]) => path.startsWith(`${from}/`));
  for (const [path, entry] of below) {
    stage.entries.delete(path);
    stage.entries.set(to + path.slice(from.length), entry);
  }
}

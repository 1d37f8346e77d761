/** Is everything in order: Node, the store, its file system, refs, settings, the worktree. */
import { lstat, statfs } from "node:fs/promises";
import { type Call, createPacer } from "../call.ts";
import { CONFIG_KEYS, readConfig } from "../config.ts";
import { fromErrno, isSmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { findMount, mountFault, readMounts } from "../mounts.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { readHeadFile } from "../worktree/head.ts";
import { readStage } from "../worktree/stage.ts";
import { findWorktree } from "../worktree/worktree.ts";

const NODE_MIN = [20, 19] as const;
const FREE_WARN_BYTES = 2 ** 30;
const FREE_FAIL_BYTES = 64 * 2 ** 20;
const PROBLEMS_TOLD_MAX = 20;

export interface DoctorOptions {
  /** Absolute path of where the user stands. */
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface DoctorRow {
  /** One word for what was looked at: `node`, `store`, `refs`. */
  readonly check: string;
  readonly state: "ok" | "warn" | "fail";
  readonly message: string;
  readonly hint?: string;
}

export interface DoctorResult {
  /** False when a row fails. */
  readonly ok: boolean;
  readonly checks: readonly DoctorRow[];
}

/** Never throws for what it finds; a check that cannot be made fails. */
export async function doctor(store: Store, options: DoctorOptions, call: Call): Promise<DoctorResult> {
  const checks: DoctorRow[] = [checkNode()];
  const parts: readonly (readonly [string, () => Promise<DoctorRow[]>])[] = [
    ["store", () => checkStore(store)],
    ["space", () => checkSpace(store)],
    ["file system", () => checkFileSystem(store)],
    ["refs", () => checkRefs(store, call)],
    ["scrub", () => checkScrub(store)],
    ["config", () => checkConfig(store, options)],
    ["worktree", () => checkWorktree(store, options)],
  ];
  for (const [check, run] of parts) {
    try {
      checks.push(...(await run()));
    } catch (error) {
      if (!isSmcError(error) || error.code === "CANCELED") throw error;
      checks.push({
        check,
        state: "fail",
        message: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }
  return { ok: checks.every((row) => row.state !== "fail"), checks };
}

function checkNode(): DoctorRow {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const message = `Node ${process.versions.node}`;
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]))
    return { check: "node", state: "ok", message };
  return { check: "node", state: "fail", message, hint: `install Node ${NODE_MIN.join(".")} or newer` };
}

async function checkStore(store: Store): Promise<DoctorRow[]> {
  const rows: DoctorRow[] = [];
  const stat = await named(store.path, lstat(store.path));
  const uid = process.getuid?.();
  const shown = show(store.path);
  if (uid !== undefined && stat.uid !== uid) {
    rows.push({
      check: "store",
      state: "fail",
      message: `'${shown}' is owned by uid ${stat.uid}, not by you (${uid})`,
    });
  }
  if (process.platform !== "win32" && (stat.mode & 0o022) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    const message = `'${shown}' has mode ${mode}: others may write into it`;
    rows.push({ check: "store", state: "fail", message, hint: `chmod go-w '${shown}'` });
  }
  if (store.readOnlyReason !== undefined) {
    const message = `the store takes no writes: ${store.readOnlyReason}`;
    rows.push({ check: "store", state: "fail", message, hint: 'see what is wrong with "smc fsck --full"' });
  }
  return rows.length > 0 ? rows : [{ check: "store", state: "ok", message: `'${shown}', id ${store.id}` }];
}

async function named<T>(path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
}

async function checkSpace(store: Store): Promise<DoctorRow[]> {
  const space = await named(store.path, statfs(store.path));
  const freeBytes = space.bavail * space.bsize;
  const message = `${(freeBytes / 2 ** 30).toFixed(1)} GiB free`;
  const state = freeBytes < FREE_FAIL_BYTES ? "fail" : freeBytes < FREE_WARN_BYTES ? "warn" : "ok";
  return [
    {
      check: "space",
      state,
      message,
      ...(state === "ok" ? {} : { hint: "free some space before the next commit" }),
    },
  ];
}

async function checkFileSystem(store: Store): Promise<DoctorRow[]> {
  const mounts = await readMounts();
  const mount = mounts === undefined ? undefined : findMount(mounts, store.path);
  if (mount === undefined)
    return [{ check: "file system", state: "ok", message: "not known on this system" }];
  const fault = mountFault(mount.type);
  if (fault === undefined) return [{ check: "file system", state: "ok", message: mount.type }];
  const message = `${mount.type}: it ${fault}; a power cut may cost acknowledged commits`;
  return [
    {
      check: "file system",
      state: "warn",
      message,
      hint: "keep the store on a local ext4 or XFS (SMC_HOME)",
    },
  ];
}

async function checkRefs(store: Store, call: Call): Promise<DoctorRow[]> {
  const pace = createPacer(call);
  const rows: DoctorRow[] = [];
  let count = 0;
  for (const { name } of await store.refs.listRepositories()) {
    for (const ref of await store.refs.list(name)) {
      count += 1;
      if ((await store.objects.stat(ref.digest)) === undefined && rows.length < PROBLEMS_TOLD_MAX) {
        const message = `${name}: ${ref.name} names ${ref.digest.slice(0, 12)}, which is not in the store`;
        rows.push({ check: "refs", state: "fail", message, hint: 'see what is affected with "smc fsck"' });
      }
      await pace();
    }
  }
  return rows.length > 0 ? rows : [{ check: "refs", state: "ok", message: `${count} refs, all there` }];
}

/** What the daemon found when it read packs again. */
async function checkScrub(store: Store): Promise<DoctorRow[]> {
  const { packs, never, lastMs, damaged } = await store.scrubState();
  const rows = damaged
    .slice(0, PROBLEMS_TOLD_MAX)
    .map(({ pack, problems, checkedMs, message }): DoctorRow => {
      const when = formatMoment(momentAt(checkedMs));
      return {
        check: "scrub",
        state: "fail",
        message: `pack ${pack.slice(0, 12)}: ${problems} problems on ${when}: ${message}`,
        hint: 'mend it with "smc fsck --repair"',
      };
    });
  if (rows.length > 0) return rows;
  const last =
    lastMs === undefined ? "no pack was read again yet" : `last on ${formatMoment(momentAt(lastMs))}`;
  return [{ check: "scrub", state: "ok", message: `${last}; ${never} of ${packs} packs never; no damage` }];
}

async function checkConfig(store: Store, options: DoctorOptions): Promise<DoctorRow[]> {
  const worktree = options.folder === undefined ? undefined : await findWorktree(options.folder, store);
  const places = { storePath: store.path, worktreeRoot: worktree?.root, environment: options.environment };
  const { entries, problems } = await readConfig(places);
  const rows = problems.slice(0, PROBLEMS_TOLD_MAX).map(({ file, line, message }): DoctorRow => {
    const where = `'${show(file)}', line ${line}: ${message}`;
    return { check: "config", state: "warn", message: where, hint: "take the line out" };
  });
  const missing = ["user.name", "user.email"].filter((key) => entries.get(key)?.value === null);
  if (missing.length > 0) {
    const message = `${missing.join(" and ")} not set: commits carry the name of your account`;
    rows.push({
      check: "config",
      state: "warn",
      message,
      hint: 'set them with "smc config set user.name …"',
    });
  }
  return rows.length > 0
    ? rows
    : [{ check: "config", state: "ok", message: `${CONFIG_KEYS.length} settings` }];
}

async function checkWorktree(store: Store, options: DoctorOptions): Promise<DoctorRow[]> {
  const worktree = options.folder === undefined ? undefined : await findWorktree(options.folder, store);
  if (worktree === undefined) return [{ check: "worktree", state: "ok", message: "not in a worktree" }];
  const known = (await store.refs.listRepositories()).some((record) => record.name === worktree.repository);
  const shown = show(worktree.root);
  if (!known) {
    const message = `'${shown}' belongs to repository '${worktree.repository}', which the store does not have`;
    return [{ check: "worktree", state: "fail", message, hint: 'list repositories with "smc repos"' }];
  }
  const head = await readHeadFile(worktree.root);
  const stage = await readStage(worktree.root);
  const on = head.kind === "branch" ? head.ref.slice("refs/heads/".length) : head.digest.slice(0, 12);
  if (head.kind === "detached" && (await store.objects.stat(head.digest))?.kind !== "commit") {
    const message = `HEAD is at ${head.digest.slice(0, 12)}, which is no commit of the store`;
    return [{ check: "worktree", state: "fail", message, hint: 'go to a branch with "smc switch"' }];
  }
  const message = `'${shown}' on ${on}, ${stage?.entries.size ?? 0} files tracked`;
  return [{ check: "worktree", state: "ok", message }];
}

/** Of `smc doctor`: Node, the clock, disks. */
import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { nowMs } from "../clock.ts";
import { fromErrno, isSmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { findMount, mountFault, readMounts } from "../mounts.ts";
import { show } from "../show.ts";
import { modelsFolder } from "./place.ts";
import { type Check, fail, type Finding, pass, warn } from "./row.ts";

const NODE_MIN = [20, 19] as const;
const FREE_WARN_BYTES = 2 ** 30;
const FREE_FAIL_BYTES = 64 * 2 ** 20;
const GIB = 2 ** 30;
/** No smc was made before it. */
const CLOCK_MIN_MS = Date.UTC(2025, 0, 1);
/** Clocks of two machines that differ by less are taken for right. */
const CLOCK_BACK_MS = 60_000;

export const checkNode: Check = async () => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const message = `Node ${process.versions.node}`;
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return [pass(message)];
  return [fail(message, `install Node ${NODE_MIN.join(".")} or newer`)];
};

/** The clock goes against the store's last change: ages of backups and of what gc may take rely on it. */
export const checkClock: Check = async ({ store }) => {
  const now = nowMs();
  const shown = formatMoment(momentAt(now));
  const hint = "set the clock, best by a time service (timedatectl set-ntp true)";
  if (now < CLOCK_MIN_MS) return [fail(`it is ${shown} by this machine's clock`, hint)];
  for await (const { ms } of store.refs.moments()) {
    if (ms - now <= CLOCK_BACK_MS) break;
    const last = formatMoment(momentAt(ms));
    return [warn(`it is ${shown} by this machine's clock, and the last change was made on ${last}`, hint)];
  }
  return [pass(shown)];
};

/** The disk of the store, and that of the model files where it is another one. */
export const checkSpace: Check = async (examined) => {
  const { store } = examined;
  const models = await nearest(await modelsFolder(examined));
  const found = [await freeAt(store.path)];
  if (models !== undefined && (await deviceOf(models)) !== (await deviceOf(store.path)))
    found.push(await freeAt(models));
  return found;
};

async function freeAt(path: string): Promise<Finding> {
  const space = await named(path, statfs(path));
  const freeBytes = space.bavail * space.bsize;
  const message = `${(freeBytes / GIB).toFixed(1)} GiB free at '${show(path)}'`;
  if (freeBytes >= FREE_WARN_BYTES) return pass(message);
  const hint = 'free some space: "smc gc", "smc backups rm", or a larger disk';
  return freeBytes < FREE_FAIL_BYTES ? fail(message, hint) : warn(message, hint);
}

async function deviceOf(path: string): Promise<number> {
  return (await named(path, stat(path))).dev;
}

/** The folder, or what is there of the way to it. */
export async function nearest(folder: string | undefined): Promise<string | undefined> {
  for (let path = folder; path !== undefined;) {
    try {
      await stat(path);
      return path;
    } catch (error) {
      const known = fromErrno(error, `cannot look at '${show(path)}'`);
      if (!isSmcError(known, "PATH_NOT_FOUND")) throw known;
    }
    const above = dirname(path);
    path = above === path ? undefined : above;
  }
  return undefined;
}

export const checkFileSystem: Check = async ({ store }) => {
  const mounts = await readMounts();
  const mount = mounts === undefined ? undefined : findMount(mounts, store.path);
  if (mount === undefined) return [pass("not known on this system")];
  const fault = mountFault(mount.type);
  if (fault === undefined) return [pass(mount.type)];
  const message = `${mount.type}: it ${fault}; a power cut may cost acknowledged commits`;
  return [warn(message, "keep the store on a local ext4 or XFS (SMC_HOME)")];
};

/** Throws what the system said, as one of our errors. */
export async function named<T>(path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
}

/** Which kind of file system holds a path: /proc/mounts, and /etc/fstab for what should, where there are such files. */
import { readFile, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { fromErrno, SmcError } from "./errors.ts";
import { show } from "./show.ts";

const MOUNTS_MAX = 10_000;

export interface Mount {
  readonly folder: string;
  readonly type: string;
}

/** Reads the text of /proc/mounts or /etc/fstab: fstab(5). */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n").slice(0, MOUNTS_MAX)) {
    const [device, folder, type] = line.trim().split(/[ \t]+/);
    if (folder === undefined || type === undefined || device?.startsWith("#") === true) continue;
    const plain = folder.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    mounts.push({ folder: plain, type });
  }
  return mounts;
}

/** The mount that a path is on: the longest that holds it, of two the later. */
export function findMount(mounts: readonly Mount[], path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const folder = mount.folder === "/" ? "/" : `${mount.folder}/`;
    if (!`${path}/`.startsWith(folder)) continue;
    if (best === undefined || mount.folder.length >= best.folder.length) best = mount;
  }
  return best;
}

/** Undefined where there is no /proc/mounts. */
export function readMounts(): Promise<Mount[] | undefined> {
  return readTable("/proc/mounts");
}

/**
 * Throws PATH_NOT_FOUND for a path in a folder on which /etc/fstab mounts something, while nothing is mounted there:
 * what is written would lie on the disk below, and be out of sight as soon as it is mounted.
 */
export async function assertMounted(path: string): Promise<void> {
  const [wanted, mounts] = [await readTable("/etc/fstab"), await readMounts()];
  if (wanted === undefined || mounts === undefined) return;
  const folder = unmounted(await realPart(path), { wanted, mounts });
  if (folder === undefined) return;
  throw new SmcError("PATH_NOT_FOUND", `nothing is mounted on '${show(folder)}'; nothing was written there`, {
    hint: `mount ${show(folder)}`,
    details: { path },
  });
}

/** The folder of the path on which something is wanted and nothing is mounted. */
export function unmounted(
  path: string,
  { wanted, mounts }: { wanted: readonly Mount[]; mounts: readonly Mount[] },
): string | undefined {
  const folder = findMount(wanted, path)?.folder;
  return folder === undefined || mounts.some((mount) => mount.folder === folder) ? undefined : folder;
}

/** Without links, as far as it is there. */
async function realPart(path: string): Promise<string> {
  for (let part = path; ; part = dirname(part)) {
    try {
      return (await realpath(part)) + path.slice(part.length);
    } catch (error) {
      if (part === dirname(part)) throw error;
    }
  }
}

async function readTable(path: string): Promise<Mount[] | undefined> {
  try {
    return parseMounts(await readFile(path, "latin1"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fromErrno(error, `cannot read '${path}'`);
  }
}

const LOCAL = new Set([
  "ext4",
  "ext3",
  "ext2",
  "xfs",
  "btrfs",
  "zfs",
  "f2fs",
  "bcachefs",
  "jfs",
  "apfs",
  "hfs",
  "ntfs3",
]);
const REASONS: readonly (readonly [RegExp, string])[] = [
  [
    /^(nfs|nfs4|cifs|smb3|smbfs|afs|ceph|glusterfs|lustre|fuse\.sshfs|fuse\.s3fs|9p|virtiofs|vboxsf|prl_fs|drvfs)$/,
    "is on a network or shared with another machine",
  ],
  [/^(tmpfs|ramfs)$/, "is in memory and gone after a restart"],
  [/^(overlay|aufs|overlayfs)$/, "is a layer of a container and gone with it"],
  [/^(vfat|exfat|msdos|ntfs|fuseblk)$/, "keeps no permissions and may reorder writes"],
  [/^fuse/, "is run by another program"],
];

/** Why a kind of file system is no good place for a store, or undefined. */
export function mountFault(type: string): string | undefined {
  if (LOCAL.has(type)) return undefined;
  const known = REASONS.find(([pattern]) => pattern.test(type));
  return known === undefined ? "is not one that smc is tested on" : known[1];
}

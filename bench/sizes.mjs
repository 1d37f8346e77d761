/** How many bytes smc, Git LFS, restic, zstd and xz need for the same files, version after version. */
import {
  copyFileSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { spawnSync } from "node:child_process";
import { isInstalled } from "./lab.mjs";

const MIB = 1024 * 1024;

/** Bytes of all files below a folder. */
export function folderBytes(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

export const fileBytes = (paths) => paths.reduce((sum, path) => sum + statSync(path).size, 0);
export const percent = (part, whole) => `${((100 * part) / whole).toFixed(2)} %`;

/** One version: files that are put under names of the worktree. */
function putFiles(folder, version) {
  mkdirSync(folder, { recursive: true });
  for (const [name, path] of Object.entries(version)) copyFileSync(path, join(folder, name));
}

/**
 * Bytes in the packs after each version: trees, commits and indexes of packs are counted too. Each version is compared
 * with what `cat` gives back.
 */
export function smcSizes(lab, versions, { base = false } = {}) {
  const packs = join(lab.env.SMC_HOME, "packs");
  return versions.map((version, index) => {
    putFiles(lab.work, version);
    const names = Object.keys(version);
    lab.smc("add", ...(base && index > 0 ? ["--base", "HEAD"] : []), ...names);
    lab.smc("commit", "-q", "-m", `version ${index}`);
    lab.smc("tag", `version-${index}`);
    for (const name of names) {
      rmSync(join(lab.work, name));
      lab.smc("restore", name);
      lab.run("cmp", [join(lab.work, name), version[name]]);
    }
    return folderBytes(packs);
  });
}

export function lfsSizes(lab, versions) {
  const cwd = lab.folder("lfs");
  const git = (...words) => lab.run("git", words, cwd);
  git("init", "-q");
  git("lfs", "install", "--local");
  git("lfs", "track", "*");
  return versions.map((version, index) => {
    putFiles(cwd, version);
    git("add", ...Object.keys(version));
    git("commit", "-q", "-m", `version ${index}`);
    return folderBytes(join(cwd, ".git", "lfs", "objects"));
  });
}

export function resticSizes(lab, versions) {
  const repository = join(lab.root, "restic-sizes");
  const source = lab.folder("restic-source");
  lab.run("restic", ["-q", "-r", repository, "init"]);
  return versions.map((version) => {
    putFiles(source, version);
    lab.run("restic", ["-q", "-r", repository, "backup", "--compression", "max", source]);
    return folderBytes(repository);
  });
}

/** Size of what a program makes of files that are put to it one after the other. */
export function compressedBytes(lab, [program, ...args], paths) {
  const input = join(lab.root, "joined");
  const output = join(lab.root, "compressed");
  writeFileSync(input, "");
  for (const path of paths) writeFileSync(input, readFileSync(path), { flag: "a" });
  const stdin = openSync(input, "r");
  const stdout = openSync(output, "w");
  const child = spawnSync(program, args, { stdio: [stdin, stdout, "inherit"] });
  closeSync(stdin);
  closeSync(stdout);
  if (child.status !== 0) throw new Error(`${program}: ${child.error?.message ?? child.status}`);
  const { size } = statSync(output);
  rmSync(input);
  rmSync(output);
  return size;
}

/**
 * The usual way to store a fine-tune: the first file, and each next one as the exclusive or with the one before it,
 * both in planes of bytes, all through zstd. The shortest of three levels.
 */
export function xorPlanesBytes(lab, paths, widthBytes) {
  let previous;
  const planes = paths.map((path) => {
    const bytes = readFileSync(path);
    const mixed = previous?.length === bytes.length ? xor(bytes, previous) : bytes;
    previous = bytes;
    const out = join(lab.root, `planes-${basename(path)}`);
    writeFileSync(out, splitPlanes(mixed, widthBytes));
    return out;
  });
  const sizes = ["-1", "-3", "-19"].map((level) =>
    planes.reduce((sum, path) => sum + compressedBytes(lab, ["zstd", level, "-q", "-c"], [path]), 0),
  );
  for (const path of planes) rmSync(path);
  return Math.min(...sizes);
}

function xor(bytes, other) {
  const out = Buffer.allocUnsafe(bytes.length);
  for (let index = 0; index < bytes.length; index++) out[index] = bytes[index] ^ other[index];
  return out;
}

/**
 * All first bytes of the elements, then all second ones, of each MiB; the header of a safetensors file is left as it
 * is.
 */
function splitPlanes(bytes, widthBytes) {
  const start = 8 + Number(bytes.readBigUInt64LE(0) % BigInt(bytes.length));
  const parts = [bytes.subarray(0, start)];
  for (let from = start; from < bytes.length; from += MIB) {
    const block = bytes.subarray(from, from + MIB);
    const count = Math.floor(block.length / widthBytes);
    const out = Buffer.from(block);
    for (let index = 0; index < count; index++)
      for (let byte = 0; byte < widthBytes; byte++)
        out[byte * count + index] = block[index * widthBytes + byte];
    parts.push(out);
  }
  return Buffer.concat(parts);
}

/** The others on the same files: name → total bytes of all versions. Installed programs only. */
export function otherSizes(lab, versions) {
  const paths = versions.flatMap((version) => Object.values(version));
  const sizes = new Map();
  if (isInstalled("git-lfs")) sizes.set("Git LFS", lfsSizes(lab, versions).at(-1));
  if (isInstalled("restic")) sizes.set("restic --compression max", resticSizes(lab, versions).at(-1));
  if (isInstalled("zstd", "--version"))
    sizes.set(
      "zstd -19 --long=27",
      compressedBytes(lab, ["zstd", "-19", "--long=27", "-T0", "-q", "-c"], paths),
    );
  if (isInstalled("xz", "--version"))
    sizes.set("xz -6", compressedBytes(lab, ["xz", "-6", "-T1", "-c"], paths));
  return sizes;
}

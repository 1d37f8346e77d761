/**
 * Prints the path of libfaketime, which gives a program another clock. Where none is installed, Debian's package is
 * unpacked into .faketime/; nobody must be root and nothing outside of the checkout changes. Fails, saying why, when
 * none can be had.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { unpackDebian } from "./debian.mjs";

const folder = join(import.meta.dirname, "..", ".faketime");
const LIBRARY = "libfaketime.so.1";
/** 2001-09-09. */
const SECONDS = 1_000_000_000;

function works(path) {
  const program = "process.stdout.write(String(Math.floor(Date.now() / 60_000)))";
  const env = { ...process.env, LD_PRELOAD: path, FAKETIME: "@2001-09-09 01:46:40", TZ: "UTC" };
  const { stdout } = spawnSync(process.execPath, ["-e", program], { env, encoding: "utf8" });
  return Number(stdout) === Math.floor(SECONDS / 60);
}

/** Installed or unpacked: /usr/lib/<machine>/faketime/ below a root. */
function look(root) {
  const libraries = join(root, "usr", "lib");
  if (!existsSync(libraries)) return undefined;
  return readdirSync(libraries)
    .map((machine) => join(libraries, machine, "faketime", LIBRARY))
    .find((path) => existsSync(path) && works(path));
}

function find() {
  if (process.platform !== "linux") throw new Error("libfaketime is Linux's");
  const known = look("/") ?? look(join(folder, "debian"));
  if (known !== undefined) return known;
  rmSync(folder, { recursive: true, force: true });
  unpackDebian(folder, () => ["libfaketime"]);
  const unpacked = look(join(folder, "debian"));
  if (unpacked === undefined) throw new Error("libfaketime does not move this Node's clock");
  return unpacked;
}

try {
  process.stdout.write(`${find()}\n`);
} catch (error) {
  process.stderr.write(`no libfaketime: ${error.message}\n`);
  process.exitCode = 1;
}

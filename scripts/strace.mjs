/**
 * Prints the path of a strace that can watch a program of ours. Where none is installed, Debian's package is unpacked
 * into .strace/; nobody must be root and nothing outside of the checkout changes. Fails, saying why, when none can be
 * had.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unpackDebian } from "./debian.mjs";

const folder = join(import.meta.dirname, "..", ".strace");
const wrapper = join(folder, "strace");
const PACKAGES = ["strace", "libunwind8"];

function works(path) {
  const { status } = spawnSync(path, ["-f", "-e", "trace=fsync", "-o", "/dev/null", "true"], {
    stdio: "ignore",
  });
  return status === 0;
}

/** Unpacks the packages; a wrapper makes them find their libraries. */
function unpack() {
  rmSync(folder, { recursive: true, force: true });
  const unpacked = unpackDebian(folder, () => PACKAGES);
  const libraries = readdirSync(join(unpacked, "usr", "lib")).map((name) =>
    join(unpacked, "usr", "lib", name),
  );
  const lines = [
    "#!/bin/sh",
    `export LD_LIBRARY_PATH="${libraries.join(":")}"`,
    `exec "${join(unpacked, "usr", "bin", "strace")}" "$@"`,
  ];
  writeFileSync(wrapper, `${lines.join("\n")}\n`, { mode: 0o755 });
}

function find() {
  if (process.platform !== "linux") throw new Error("strace needs Linux");
  for (const path of ["/usr/bin/strace", wrapper]) if (existsSync(path) && works(path)) return path;
  if (existsSync("/usr/bin/strace")) throw new Error("strace may not trace here (ptrace is not allowed)");
  unpack();
  if (works(wrapper)) return wrapper;
  throw new Error("strace may not trace here (ptrace is not allowed)");
}

try {
  process.stdout.write(`${find()}\n`);
} catch (error) {
  process.stderr.write(`no strace: ${error.message}\n`);
  process.exitCode = 1;
}

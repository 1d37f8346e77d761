/**
 * Prints the path of an `ip` (iproute2) that can make network namespaces. Where none is installed, Debian's package is
 * unpacked into .iproute2/; nothing outside of the checkout changes. Fails, saying why, when none can be had.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unpackDebian } from "./debian.mjs";

const folder = join(import.meta.dirname, "..", ".iproute2");
const wrapper = join(folder, "ip");
const PLACES = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"];

/** Why this program can make no namespace, or undefined. */
function whyNot(path) {
  const name = `smc-try-${process.pid}`;
  const made = spawnSync(path, ["netns", "add", name], { encoding: "utf8" });
  if (made.status !== 0) return `${path} netns add: ${made.error?.message ?? made.stderr.trim()}`;
  spawnSync(path, ["netns", "delete", name]);
  return undefined;
}

/** Unpacks the package and what it needs and the system lacks; a wrapper makes it find its libraries. */
function unpack() {
  rmSync(folder, { recursive: true, force: true });
  const unpacked = unpackDebian(folder, (apt) => {
    const uris = apt("--yes", "--no-install-recommends", "--print-uris", "install", "iproute2");
    return [...uris.matchAll(/^'[^']+' ([^_\s]+)_/gm)].map(([, name]) => name);
  });
  const program = ["usr/sbin/ip", "sbin/ip", "usr/bin/ip", "bin/ip"]
    .map((path) => join(unpacked, path))
    .find((path) => existsSync(path));
  if (program === undefined) throw new Error("Debian's iproute2 has no program ip");
  const libraries = ["usr/lib", "lib"].flatMap((part) => {
    const path = join(unpacked, part);
    return existsSync(path) ? [path, ...readdirSync(path).map((name) => join(path, name))] : [];
  });
  const lines = ["#!/bin/sh", `export LD_LIBRARY_PATH="${libraries.join(":")}"`, `exec "${program}" "$@"`];
  writeFileSync(wrapper, `${lines.join("\n")}\n`, { mode: 0o755 });
}

function find() {
  if (process.platform !== "linux") throw new Error("network namespaces are Linux's");
  if (process.getuid() !== 0) throw new Error("network namespaces need root");
  const known = [...PLACES, wrapper].find((path) => existsSync(path));
  if (known === undefined) unpack();
  const path = known ?? wrapper;
  const why = whyNot(path);
  if (why !== undefined) throw new Error(why);
  return path;
}

try {
  process.stdout.write(`${find()}\n`);
} catch (error) {
  process.stderr.write(`no second host: ${error.message}\n`);
  process.exitCode = 1;
}

/** Where a copy of a store and its worktree lie, and how they are copied and opened. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { dist } from "./inject.mjs";

export const smc = await import(new URL("index.js", dist).href);

// Ids must be the same each time.
const NOW_MS = Date.UTC(2026, 0, 2);
Date.now = () => NOW_MS;

export function placesOf(folder) {
  return { smc, folder, home: join(folder, "home"), desk: join(folder, "desk") };
}

/** Makes `to` what `from` is; empty where `from` is not there. */
export function copy(from, to) {
  rmSync(to, { recursive: true, force: true });
  if (existsSync(from)) execFileSync("cp", ["-r", "--reflink=auto", from, to]);
  else mkdirSync(to, { recursive: true });
}

/** As the next command does: with nothing in between. */
export function open({ home }, operation) {
  return smc.openStore(home, { create: operation.from === "nothing" });
}

export async function within(folder, use, options = {}) {
  const context = placesOf(folder);
  context.store = await smc.openStore(context.home, options);
  try {
    return await use(context);
  } finally {
    await context.store[Symbol.asyncDispose]();
  }
}

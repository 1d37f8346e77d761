/** Where a copy of a store and its worktree lie, and how they are copied and opened. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
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

const OTHER_BOOT = "00000000-0000-4000-8000-000000000000";

/** After a power cut the system has another boot; the folder of LevelDB is the one that it was. */
export function boot({ home }) {
  const marker = join(home, "db.open");
  if (!existsSync(marker) || !existsSync(join(home, "db"))) return;
  const { dev, ino } = statSync(join(home, "db"), { bigint: true });
  const text = readFileSync(marker, "utf8")
    .replace(/"bootId": "[^"]*"/, `"bootId": "${OTHER_BOOT}"`)
    .replace(/"folder": "[^"]*"/, `"folder": "${dev}:${ino}"`);
  writeFileSync(marker, text);
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

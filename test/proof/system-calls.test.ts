/** At call k of one kind strace kills the process; or lets a call fail that LevelDB makes, which does not use fs.ts. */
import { execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  AT_ONCE,
  IN_MEMORY,
  inParallel,
  IS_LONG,
  openWorkshop,
  sample,
  seeded,
  type Start,
  type Workshop,
} from "./starts.ts";
import { findStrace, programOf, runTraced } from "./strace.ts";
import { OPERATIONS } from "./table.ts";

const SEED = Number(process.env.PROOF_SEED ?? randomInt(2 ** 31));
const POINTS_MAX = IS_LONG ? Infinity : 8;
const FAILURES_MAX = IS_LONG ? Infinity : 4;
const SHOWN_MAX = 12;
const KINDS = "openat,write,pwrite64,fsync,fdatasync,rename,unlink,mkdir,rmdir,link,ftruncate,close";
/** What LevelDB does to its files. */
const WRITES = /^(write|pwrite64|fsync|fdatasync|rename|unlink|ftruncate)$/;
const ERRNOS = ["EIO", "ENOSPC"];

const strace = findStrace();
let workshop: Workshop;

beforeAll(async () => {
  workshop = await openWorkshop(strace.path === undefined ? [] : OPERATIONS, { parent: IN_MEMORY });
});

afterAll(async () => {
  await workshop[Symbol.asyncDispose]();
});

interface Point {
  readonly kind: string;
  readonly at: number;
  /** A file of LevelDB. */
  readonly isDb: boolean;
}

function fresh(start: Start, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  execFileSync("cp", ["-r", start.folder, folder]);
}

/** Calls that concern the store or the worktree, by their number in their thread: strace counts so. */
function pointsOf(start: Start, path: string): Point[] {
  const folder = join(workshop.folder, "counted");
  const output = `${folder}.trace`;
  fresh(start, folder);
  const { status, stderr } = runTraced(start.name, folder, {
    strace: path,
    options: ["-y", "-e", `trace=${KINDS}`, "-o", output],
  });
  if (status !== 0) throw new Error(`counting the calls of '${start.name}': ${stderr}`);
  const counts = new Map<string, number>();
  const points = new Map<string, Point>();
  for (const line of readFileSync(output, "utf8").split("\n")) {
    const match = /^(\d+) +(\w+)\(/.exec(line);
    if (match === null) continue;
    const [, thread = "", kind = ""] = match;
    const at = (counts.get(`${thread} ${kind}`) ?? 0) + 1;
    counts.set(`${thread} ${kind}`, at);
    const isDb = line.includes(`${folder}/home/db/`);
    const known = points.get(`${kind} ${at}`);
    if (line.includes(folder)) points.set(`${kind} ${at}`, { kind, at, isDb: isDb || known?.isDb === true });
  }
  return [...points.values()];
}

/** Runs the operation with the effect at the point; true when it told that it was done. */
async function strike(
  start: Start,
  folder: string,
  { point: { kind, at }, effect, path }: { point: Point; effect: string; path: string },
): Promise<boolean> {
  fresh(start, folder);
  const options = ["-e", `trace=${kind}`, "-e", `inject=${kind}:${effect}:when=${at}`, "-o", "/dev/null"];
  const { command, args, env } = programOf(start.name, folder, { strace: path, options });
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "ignore"] });
  let told = "";
  child.stdout.on("data", (bytes: Buffer) => {
    told += bytes.toString();
  });
  await once(child, "close");
  return told.includes("answered");
}

interface Strike {
  readonly point: Point;
  /** In the words of strace. */
  readonly effect: string;
}

/** Runs the operation with each strike and opens what is left; what is wrong names the call. */
async function runStruck(start: Start, strikes: readonly Strike[], path: string): Promise<string[]> {
  const { name, expected } = start;
  const wrong: string[] = [];
  await inParallel(strikes, AT_ONCE, async ({ point, effect }, lane) => {
    const folder = join(workshop.folder, `traced ${lane}`);
    const acknowledged = await strike(start, folder, { point, effect, path });
    const answer = await workshop.children.ask<string[]>("survived", {
      name,
      folder,
      expected,
      acknowledged,
    });
    const what = `${point.kind} ${point.at} ${effect}`;
    if (answer.kind === "done") wrong.push(...answer.result.map((text) => `${what}: ${text}`));
    else wrong.push(`${what}: ${JSON.stringify(answer)}`);
  });
  return wrong;
}

function startOf(name: string): Start {
  const start = workshop.starts.find((each) => each.name === name);
  if (start === undefined) throw new Error(`nothing was made for '${name}'`);
  return start;
}

async function prove(
  start: Start,
  { strikes, all, what, path }: { strikes: readonly Strike[]; all: number; what: string; path: string },
): Promise<void> {
  const startedMs = performance.now();
  const wrong = await runStruck(start, strikes, path);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(
    `proof: ${start.name}: ${what} at ${strikes.length} of ${all} calls in ${seconds} s, ${wrong.length} wrong (PROOF_SEED=${SEED})\n`,
  );
  expect(wrong.slice(0, SHOWN_MAX), `${wrong.length} in all`).toEqual([]);
}

for (const name of OPERATIONS) {
  test(`${name}: a kill at a system call costs nothing`, async ({ skip }) => {
    const { path } = strace;
    if (path === undefined) return skip(strace.why);
    const start = startOf(name);
    const all = pointsOf(start, path);
    const points = sample(all, POINTS_MAX, seeded(SEED));
    const strikes = points.map((point) => ({ point, effect: "signal=SIGKILL" }));
    return prove(start, { strikes, all: all.length, what: "killed", path });
  });

  test(`${name}: a call of LevelDB that fails costs nothing`, async ({ skip }) => {
    const { path } = strace;
    if (path === undefined) return skip(strace.why);
    const start = startOf(name);
    const all = pointsOf(start, path)
      .filter(({ kind, isDb }) => isDb && WRITES.test(kind))
      .flatMap((point) => ERRNOS.map((errno) => ({ point, effect: `error=${errno}` })));
    const strikes = sample(all, FAILURES_MAX, seeded(SEED));
    return prove(start, { strikes, all: all.length, what: "failed", path });
  });
}

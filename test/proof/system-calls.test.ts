/** SIGKILL at system calls: strace kills the process at call k of one kind, LevelDB's own calls included. */
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
const POINTS_MAX = IS_LONG ? Infinity : 20;
const SHOWN_MAX = 12;
const KINDS = "openat,write,pwrite64,fsync,fdatasync,rename,unlink,mkdir,rmdir,link,ftruncate,close";

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
    if (line.includes(folder)) points.set(`${kind} ${at}`, { kind, at });
  }
  return [...points.values()];
}

async function kill(start: Start, folder: string, { kind, at }: Point, path: string): Promise<boolean> {
  fresh(start, folder);
  const options = [
    "-e",
    `trace=${kind}`,
    "-e",
    `inject=${kind}:signal=SIGKILL:when=${at}`,
    "-o",
    "/dev/null",
  ];
  const { command, args, env } = programOf(start.name, folder, { strace: path, options });
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "ignore"] });
  let told = "";
  child.stdout.on("data", (bytes: Buffer) => {
    told += bytes.toString();
  });
  await once(child, "close");
  return told.includes("answered");
}

for (const name of OPERATIONS) {
  test(`${name}: a kill at a system call costs nothing`, async ({ skip }) => {
    const { path } = strace;
    if (path === undefined) return skip(strace.why);
    const startedMs = performance.now();
    const start = workshop.starts.find((each) => each.name === name);
    if (start === undefined) throw new Error(`nothing was made for '${name}'`);
    const all = pointsOf(start, path);
    const points = sample(all, POINTS_MAX, seeded(SEED));
    const wrong: string[] = [];
    await inParallel(points, AT_ONCE, async (point, lane) => {
      const folder = join(workshop.folder, `traced ${lane}`);
      const acknowledged = await kill(start, folder, point, path);
      const input = { name, folder, expected: start.expected, acknowledged };
      const answer = await workshop.children.ask<string[]>("survived", input);
      const what = `${point.kind} ${point.at}`;
      if (answer.kind === "done") wrong.push(...answer.result.map((text) => `${what}: ${text}`));
      else wrong.push(`${what}: ${JSON.stringify(answer)}`);
    });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    process.stdout.write(
      `proof: ${name}: killed at ${points.length} of ${all.length} calls in ${seconds} s, ${wrong.length} wrong (PROOF_SEED=${SEED})\n`,
    );
    expect(wrong.slice(0, SHOWN_MAX), `${wrong.length} in all`).toEqual([]);
  });
}

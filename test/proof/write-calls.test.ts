/**
 * Every write call: an operation runs while call n of fs.ts fails, once or from then on, or the process is killed
 * there, for n = 1, 2, 3 … until it is not hit any more.
 */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Children } from "./children.ts";
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
import { FILE_OPERATIONS, OPERATIONS } from "./table.ts";

const SEED = Number(process.env.PROOF_SEED ?? randomInt(2 ** 31));
const ERRNOS = ["ENOSPC", "EIO", "EROFS", "EMFILE", "EDQUOT", "EACCES"];
/** Faults of one operation in CI. */
const FAILURES_MAX = IS_LONG ? Infinity : 36;
const KILLS_MAX = IS_LONG ? Infinity : 12;
/** Of one operation on files of people. */
const FILE_FAILURES_MAX = IS_LONG ? Infinity : 8;
const FILE_KILLS_MAX = IS_LONG ? Infinity : 6;
const ALL = [...OPERATIONS, ...FILE_OPERATIONS];

/** Of a list of what is wrong. */
const SHOWN_MAX = 20;

interface Fault {
  readonly mode: "once" | "for-ever";
  readonly errno: string;
  readonly at: number;
}

interface Outcome {
  readonly hits: number;
  readonly first?: string;
  readonly wrong: readonly string[];
  readonly wasReadOnly: boolean;
}

let workshop: Workshop;

beforeAll(async () => {
  workshop = await openWorkshop(ALL, { parent: IN_MEMORY });
});

afterAll(async () => {
  await workshop[Symbol.asyncDispose]();
});

function startOf(name: string): Start {
  const found = workshop.starts.find((start) => start.name === name);
  if (found === undefined) throw new Error(`nothing was made for '${name}'`);
  return found;
}

/** A few calls more than were counted: threads may take turns in another way. */
function calls({ calls }: Start): number[] {
  return Array.from({ length: calls + 2 }, (_, index) => index + 1);
}

function report(what: string, count: number, startedMs: number): void {
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(`proof: ${what}: ${count} points in ${seconds.toFixed(1)} s (PROOF_SEED=${SEED})\n`);
}

for (const name of ALL) {
  test(`${name}: a write call that fails gives the right error and costs nothing else`, async () => {
    const startedMs = performance.now();
    const start = startOf(name);
    const faults: Fault[] = calls(start).flatMap((at) =>
      ERRNOS.flatMap((errno) => [
        { mode: "once", errno, at },
        { mode: "for-ever", errno, at },
      ]),
    );
    const most = FILE_OPERATIONS.includes(name) ? FILE_FAILURES_MAX : FAILURES_MAX;
    const chosen = sample(faults, most, seeded(SEED));
    const wrong: string[] = [];
    let hits = 0;
    await inParallel(chosen, AT_ONCE, async (fault, lane) => {
      const folder = join(workshop.folder, `slot ${lane}`);
      const { expected } = start;
      const input = { name, start: start.folder, folder, expected, ...fault };
      const answer = await workshop.children.ask<Outcome>("failing", input);
      const what = `${fault.errno} ${fault.mode} at call ${fault.at}`;
      if (answer.kind !== "done") wrong.push(`${what}: ${JSON.stringify(answer)}`);
      else {
        if (answer.result.hits > 0) hits += 1;
        wrong.push(...answer.result.wrong.map((text) => `${what} (${answer.result.first}): ${text}`));
      }
    });
    report(`write calls of ${name} that fail, ${hits} hit`, chosen.length, startedMs);
    expect(wrong.slice(0, SHOWN_MAX), `${wrong.length} in all`).toEqual([]);
  });
}

for (const name of ALL) {
  test(`${name}: a kill at a write call costs nothing`, async () => {
    const startedMs = performance.now();
    const start = startOf(name);
    const wrong: string[] = [];
    const most = FILE_OPERATIONS.includes(name) ? FILE_KILLS_MAX : KILLS_MAX;
    const points = sample(calls(start), most, seeded(SEED));
    await using victims = new Children({ count: AT_ONCE, quick: false });
    await inParallel(points, AT_ONCE, async (at, lane) => {
      const folder = join(workshop.folder, `killed ${lane}`);
      const killed = await victims.ask("killed", { name, start: start.folder, folder, at });
      if (killed.kind === "threw") return void wrong.push(`kill at ${at}: ${killed.error}`);
      const { expected } = start;
      const acknowledged = killed.kind === "done";
      const input = { name, folder, expected, acknowledged };
      const found = await workshop.children.ask<string[]>("survived", input);
      if (found.kind === "done") wrong.push(...found.result.map((text) => `kill at ${at}: ${text}`));
      else wrong.push(`kill at ${at}: ${JSON.stringify(found)}`);
    });
    report(`kills at write calls of ${name}`, points.length, startedMs);
    expect(wrong.slice(0, SHOWN_MAX), `${wrong.length} in all`).toEqual([]);
  });
}

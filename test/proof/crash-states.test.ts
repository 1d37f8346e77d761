/**
 * Crash states: whatever a power cut leaves of an operation, the store opens by itself and holds what it acknowledged.
 */
import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { record, type Recording, replay } from "./crash-states.ts";
import type { Model } from "./disk-model.ts";
import { IN_MEMORY, IS_LONG, openWorkshop, seeded, type Workshop } from "./starts.ts";
import { findStrace } from "./strace.ts";
import { FILE_OPERATIONS, OPERATIONS } from "./table.ts";

const SEED = Number(process.env.PROOF_SEED ?? randomInt(2 ** 31));
/** States of one operation and model: where there are more, CI takes other ones each time. */
const STATES_MAX = IS_LONG ? Infinity : Number(process.env.PROOF_STATES ?? 2500);
/** Of all operations together. */
const STATES_MIN = 20_000;
/** Its store is damaged before, so each state is mended and read whole. */
const REPAIR = "fsck --repair";
const REPAIRS_MAX = IS_LONG ? Infinity : 200;
/** Of one operation on files of people, which most of the time writes as the others do. */
const FILE_STATES_MAX = IS_LONG ? Infinity : 80;
const ALL = [...OPERATIONS, ...FILE_OPERATIONS];
const SHOWN_MAX = 12;

function limitOf(name: string): number {
  if (FILE_OPERATIONS.includes(name)) return Math.min(STATES_MAX, FILE_STATES_MAX);
  return name === REPAIR ? Math.min(STATES_MAX, REPAIRS_MAX) : STATES_MAX;
}

const strace = findStrace();
let workshop: Workshop;
let total = 0;
const startedMs = performance.now();

beforeAll(async () => {
  workshop = await openWorkshop(strace.path === undefined ? [] : ALL, { parent: IN_MEMORY });
});

afterAll(async () => {
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(`proof: ${total} crash states in ${seconds.toFixed(0)} s\n`);
  await workshop[Symbol.asyncDispose]();
});

const recordings = new Map<string, Recording>();

function recordingOf(name: string, path: string): Recording {
  const start = workshop.starts.find((each) => each.name === name);
  if (start === undefined) throw new Error(`nothing was made for '${name}'`);
  const known = recordings.get(name) ?? record(start, `${workshop.folder}/recorded`, { strace: path });
  recordings.set(name, known);
  return known;
}

for (const name of ALL) {
  for (const model of ["ext4", "weak"] satisfies Model[]) {
    test(`${name}: a power cut (${model}) loses nothing that was acknowledged`, async ({ skip }) => {
      const { path } = strace;
      if (path === undefined) return skip(strace.why);
      const begunMs = performance.now();
      const { states, checked, wrong } = await replay(workshop, recordingOf(name, path), {
        model,
        limit: limitOf(name),
        random: seeded(SEED),
      });
      total += checked;
      const seconds = (performance.now() - begunMs) / 1000;
      process.stdout.write(
        `proof: ${name}, ${model}: ${checked} of ${states} states in ${seconds.toFixed(1)} s, ${wrong.length} wrong (PROOF_SEED=${SEED})\n`,
      );
      expect(wrong.slice(0, SHOWN_MAX), `${wrong.length} in all`).toEqual([]);
    });
  }
}

test(`at least ${STATES_MIN} states were opened`, ({ skip }) => {
  if (strace.path === undefined) return skip(strace.why);
  if (process.env.PROOF_STATES !== undefined) return skip("PROOF_STATES asks for so many states");
  expect(total).toBeGreaterThanOrEqual(STATES_MIN);
});

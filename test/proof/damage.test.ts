/**
 * Damage of every kind of file: no read gives wrong bytes, no process dies, `fsck --full` names all damage to committed
 * data and to the journal, and LevelDB is made again by itself.
 */
import { randomInt } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HASH_BYTES, HEADER_BYTES, PREFIX_BYTES } from "../../packages/store/src/journal/journal-format.ts";
import {
  AT_ONCE,
  IN_MEMORY,
  inParallel,
  IS_LONG,
  openWorkshop,
  sample,
  seeded,
  type Workshop,
} from "./starts.ts";

const SEED = Number(process.env.PROOF_SEED ?? randomInt(2 ** 31));
const SHOWN_MAX = 12;
/** Flips and zeros of one kind of file in CI. */
const PLACES_MAX = IS_LONG ? Infinity : 70;
const ZEROED = [512, 4096];

interface Damage {
  /** Below the folder with `home` and `desk`. */
  readonly path: string;
  readonly way: string;
  readonly at?: number;
  readonly [how: string]: unknown;
}

interface Met {
  readonly opened: boolean;
  readonly code?: string;
  readonly exit?: number;
  readonly wrong: readonly string[];
  readonly failures?: readonly string[];
  readonly problems?: readonly string[];
  readonly sameRefs?: boolean;
  readonly worktree?: string;
}

interface Known {
  readonly refs: readonly string[];
  readonly kinds: readonly (readonly [string, string])[];
}

let workshop: Workshop;
let start: string;
let known: Known;
const random = seeded(SEED);

beforeAll(async () => {
  workshop = await openWorkshop(["tag"], { parent: IN_MEMORY });
  start = join(workshop.folder, "whole");
  const from = workshop.starts[0]?.folder;
  known = await workshop.children.run<Known>("survey", { start: from, folder: start });
});

afterAll(async () => {
  await workshop[Symbol.asyncDispose]();
});

function filesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(start, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(start.length + 1))
    .filter((path) => pattern.test(path))
    .sort();
}

function sizeOf(path: string): number {
  return statSync(join(start, path)).size;
}

/** Every bit of a file, or an even sample of bytes with one bit each. */
function flips(path: string, wanted: number): Damage[] {
  const bytes = Array.from({ length: sizeOf(path) }, (_, at) => at);
  if (IS_LONG && bytes.length <= 16_384)
    return bytes.flatMap((at) => Array.from({ length: 8 }, (_, bit) => ({ path, way: "flip", at, bit })));
  return sample(bytes, Math.min(wanted, 4096), random).map((at) => ({
    path,
    way: "flip",
    at,
    bit: Math.floor(random() * 8),
  }));
}

function around(path: string): Damage[] {
  const size = sizeOf(path);
  const cuts = [0, 1, Math.floor(size / 2), size - 1].filter(
    (at, index, all) => at >= 0 && at < size && all.indexOf(at) === index,
  );
  const zeros = ZEROED.flatMap((length) =>
    [0, Math.floor(size / 2), Math.max(0, size - length)].map((at) => ({ path, way: "zero", at, length })),
  );
  // Zeros over zeros change nothing.
  const bytes = readFileSync(join(start, path));
  const real = zeros.filter(({ at, length }) => bytes.subarray(at, at + length).some((byte) => byte !== 0));
  return [...cuts.map((at) => ({ path, way: "truncate", at })), ...real, { path, way: "remove" }];
}

interface Rule {
  (met: Met, damage: Damage): string | undefined;
}

async function probe(damages: readonly Damage[], rule: Rule): Promise<void> {
  const startedMs = performance.now();
  const wrong: string[] = [];
  await inParallel(damages, AT_ONCE, async (damage, lane) => {
    const folder = join(workshop.folder, `damaged ${lane}`);
    const answer = await workshop.children.ask<Met>("damaged", { ...damage, start, folder, known });
    const what = JSON.stringify(damage).slice(0, 200);
    if (answer.kind !== "done") wrong.push(`${what}: ${JSON.stringify(answer)}`);
    else {
      wrong.push(...answer.result.wrong.map((text) => `${what}: ${text}`));
      const broken = rule(answer.result, damage);
      if (broken !== undefined)
        wrong.push(`${what}: ${broken}: ${JSON.stringify(answer.result).slice(0, 600)}`);
    }
  });
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(`proof: ${damages.length} damages in ${seconds.toFixed(1)} s (PROOF_SEED=${SEED})\n`);
  expect(wrong.slice(0, SHOWN_MAX), `${wrong.length} in all`).toEqual([]);
}

const found: Rule = (met) => {
  if (!met.opened) return met.exit === 4 ? undefined : "refused for another reason";
  return (met.problems ?? []).length > 0 ? undefined : "fsck --full found nothing";
};

const healed: Rule = (met) => {
  if (!met.opened) return "not opened";
  if (met.sameRefs !== true) return "other refs";
  if ((met.failures ?? []).length > 0) return "something could not be read";
  return (met.problems ?? []).length === 0 ? undefined : "fsck found something";
};

/** Refused for a reason, or all as it was. */
const refusedOrWhole: Rule = (met) => {
  if (!met.opened) return [3, 4, 5].includes(met.exit ?? 70) ? undefined : "refused for another reason";
  return healed(met, { path: "", way: "" });
};

/** Refused for a reason, or opened with all as it was; fsck may name what was changed. */
const refusedOrFound: Rule = (met) =>
  met.opened && (met.problems ?? []).every((text) => text.startsWith("format.json "))
    ? healed({ ...met, problems: [] }, { path: "", way: "" })
    : refusedOrWhole(met, { path: "", way: "" });

const notMissed: Rule = (met) => (met.worktree === "INTERNAL" ? "a bug" : undefined);

test("a pack: every change is found, and nothing wrong is ever read", async () => {
  const packs = filesBelow("home/packs", /\.pack$/);
  const [first = "", second = ""] = packs;
  const damages = [
    ...packs.flatMap((path) => flips(path, Math.ceil(PLACES_MAX / packs.length))),
    ...packs
      .flatMap((path) => [
        ...[0, 8, 40, 63].map((at) => ({ path, way: "flip", at, bit: 3 })),
        ...[1, 33, 64, 65, 100].map((back) => ({ path, way: "flip", at: sizeOf(path) - back, bit: 5 })),
      ])
      .slice(0, IS_LONG ? undefined : 45),
    ...packs.slice(0, IS_LONG ? undefined : 3).flatMap(around),
    { path: first, way: "append", text: "x" },
    { path: first, way: "swap", other: second },
    { path: first, way: "copyOver", other: second },
  ];
  await probe(damages, found);
});

/** Where the records of a journal file begin and end. */
function recordsOf(path: string): [number, number][] {
  const bytes = readFileSync(join(start, path));
  const records: [number, number][] = [];
  for (let at = HEADER_BYTES; at < bytes.length;) {
    const end = at + PREFIX_BYTES + bytes.readUInt32LE(at) + HASH_BYTES;
    records.push([at, end]);
    at = end;
  }
  return records;
}

test("the journal: every change is found", async () => {
  const [path = ""] = filesBelow("home/journal", /\.log$/);
  const records = recordsOf(path);
  const head: [number, number] = [0, HEADER_BYTES];
  const without = (left: number): [number, number][] => [
    head,
    ...records.filter((_, index) => index !== left),
  ];
  const swapped = [head, ...records];
  [swapped[1], swapped[2]] = [swapped[2] ?? head, swapped[1] ?? head];
  const damages: Damage[] = [
    ...flips(path, PLACES_MAX),
    ...around(path),
    ...records.map((_, index) => ({ path, way: "splice", pieces: without(index) })),
    ...records.map(([at]) => ({ path, way: "truncate", at })),
    { path, way: "splice", pieces: swapped },
  ];
  await probe(damages, found);
});

test("the journal: what is behind its last record is the rest of a write that was cut off", async () => {
  const [path = ""] = filesBelow("home/journal", /\.log$/);
  const last = recordsOf(path).at(-1) ?? [0, 0];
  await probe(
    [
      { path, way: "append", text: "x" },
      { path, way: "splice", pieces: [[0, sizeOf(path)], last] },
      {
        path,
        way: "splice",
        pieces: [
          [0, sizeOf(path)],
          [last[0], last[1] - 1],
        ],
      },
    ],
    refusedOrWhole,
  );
});

for (const left of ["closed well", "by a kill", "by a power cut"]) {
  test(`LevelDB, left ${left}: every damage heals by itself`, async () => {
    const files = filesBelow("home/db", /(CURRENT|MANIFEST-\d+|\.log|\.ldb)$/);
    const damages = files.flatMap((path) => [
      ...flips(path, Math.ceil(PLACES_MAX / files.length)),
      ...around(path),
    ]);
    const other = files.find((path) => path.endsWith(".ldb")) ?? files[0] ?? "";
    const all = [
      ...damages,
      ...files.map((path) => ({ path, way: "copyOver", other })),
      { path: "home/db", way: "swap", other: "home/logs" },
    ];
    await probe(
      all.map((damage) => ({ ...damage, left })),
      healed,
    );
  });
}

test("format.json: refused for a reason, found, or without effect", async () => {
  const path = "home/format.json";
  await probe(
    [...flips(path, PLACES_MAX), ...around(path).filter(({ way }) => way !== "remove")],
    refusedOrFound,
  );
});

test("files of a worktree: no crash, and the store is as it was", async () => {
  const files = filesBelow("desk/.smc", /./);
  const damages = files.flatMap((path) => [
    ...flips(path, Math.ceil(PLACES_MAX / files.length)),
    ...around(path),
  ]);
  await probe(damages, (met, damage) => notMissed(met, damage) ?? healed(met, damage));
});

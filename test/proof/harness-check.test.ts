/** The tests of the tests: durability bugs made on purpose in copies of the built store must all be seen. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  encodeRecord,
  HASH_BYTES,
  HEADER_BYTES,
  PREFIX_BYTES,
} from "../../packages/store/src/journal/journal-format.ts";
import { ROOT } from "../source.ts";
import { DIST } from "./children.ts";
import { record, replay } from "./crash-states.ts";
import { type Lane, type Mutant, MUTANTS } from "./mutants.ts";
import { IN_MEMORY, openWorkshop, type Start, type Workshop } from "./starts.ts";
import { findStrace } from "./strace.ts";

const FLIPS = 24;
const ERRNO = "EIO";

const strace = findStrace();
let caught = 0;

/** A copy of the built store with the bug in it. Throws when the text of an edit is not there exactly once. */
function build(folder: string, { edits }: Mutant): string {
  const dist = join(folder, "dist");
  cpSync(DIST, dist, { recursive: true, filter: (path) => !/\.(map|d\.ts)$/.test(path) });
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  symlinkSync(join(ROOT, "packages", "store", "node_modules"), join(folder, "node_modules"));
  for (const { file, from, to } of edits) {
    const path = join(dist, file);
    const parts = readFileSync(path, "utf8").split(from);
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
    writeFileSync(path, parts.join(to));
    execFileSync(process.execPath, ["--check", path]);
  }
  return dist;
}

function makePlace(): Disposable & { readonly folder: string } {
  const folder = mkdtempSync(join(IN_MEMORY, "smc-mutant-"));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

function onlyStart({ starts }: Workshop): Start {
  const [start] = starts;
  if (start === undefined) throw new Error("no operation was arranged");
  return start;
}

async function underPower(
  workshop: Workshop,
  lane: Lane & { kind: "power" },
  dist: string,
): Promise<string[]> {
  const recording = record(onlyStart(workshop), join(workshop.folder, "recorded"), {
    strace: strace.path ?? "",
    dist,
  });
  const options = { model: lane.model, limit: Infinity, stopAtFirst: true };
  return [...(await replay(workshop, recording, options)).wrong];
}

/** Every call fails once; call 0 is none. */
async function underFailures(workshop: Workshop): Promise<string[]> {
  const { name, folder: start, calls, expected } = onlyStart(workshop);
  const wrong: string[] = [];
  for (let at = 0; at <= calls + 1 && wrong.length === 0; at += 1) {
    const input = {
      name,
      start,
      expected,
      folder: join(workshop.folder, "slot"),
      mode: "once",
      errno: ERRNO,
      at,
    };
    wrong.push(...(await workshop.children.run<{ wrong: string[] }>("failing", input)).wrong);
  }
  return wrong;
}

interface Met {
  readonly opened: boolean;
  readonly wrong: readonly string[];
  readonly problems?: readonly string[];
}

function packFlips(start: string): object[] {
  return readdirSync(join(start, "home", "packs"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .flatMap((path) => {
      const size = readFileSync(path).length;
      return [0.3, 0.5].map((share) => ({
        path: path.slice(start.length + 1),
        way: "flip",
        at: Math.floor(size * share),
        bit: 2,
      }));
    })
    .slice(0, FLIPS);
}

/** A record with other words and a right checksum, and no LevelDB that knows better: only the chain tells. */
function forgery(start: string): object[] {
  const path = "home/journal/000001.log";
  const bytes = readFileSync(join(start, path));
  const end = HEADER_BYTES + PREFIX_BYTES + bytes.readUInt32LE(HEADER_BYTES) + HASH_BYTES;
  const payload = Buffer.from(bytes.subarray(HEADER_BYTES + PREFIX_BYTES, end - HASH_BYTES));
  const at = payload.indexOf("init: ");
  payload.write("INIT: ", at);
  const forged = Buffer.from(encodeRecord(payload, bytes.subarray(end - HASH_BYTES, end)));
  return [{ path, way: "overwrite", at: HEADER_BYTES, hex: forged.toString("hex"), withoutDb: true }];
}

async function underDamage(workshop: Workshop, { of }: Lane & { kind: "damage" }): Promise<string[]> {
  const start = join(workshop.folder, "whole");
  const known = await workshop.children.run<object>("survey", {
    start: onlyStart(workshop).folder,
    folder: start,
  });
  const wrong: string[] = [];
  for (const damage of of === "packs" ? packFlips(start) : forgery(start)) {
    const folder = join(workshop.folder, "damaged");
    const met = await workshop.children.run<Met>("damaged", { ...damage, start, folder, known });
    wrong.push(...met.wrong);
    if (met.opened && met.problems?.length === 0)
      wrong.push(`not found: ${JSON.stringify(damage).slice(0, 200)}`);
  }
  return wrong;
}

function operationFor(lane: Lane): string {
  return lane.kind === "damage" ? "tag" : lane.operation;
}

/** What the lane says; a bug that does not even let it begin is seen as well. */
async function look(lane: Lane, dist: string): Promise<string[]> {
  let workshop: Workshop;
  try {
    workshop = await openWorkshop([operationFor(lane)], { dist, parent: IN_MEMORY });
  } catch (error) {
    // A program that is broken otherwise says nothing about the bug.
    if (/ReferenceError|TypeError|SyntaxError/.test(String(error))) throw error;
    return [`it does not begin: ${String(error)}`];
  }
  await using opened = workshop;
  return await lookIn(opened, lane, dist);
}

async function lookIn(workshop: Workshop, lane: Lane, dist: string): Promise<string[]> {
  if (lane.kind === "power") return underPower(workshop, lane, dist);
  return lane.kind === "write calls" ? underFailures(workshop) : underDamage(workshop, lane);
}

for (const mutant of MUTANTS) {
  test(`it is seen when ${mutant.name}`, async ({ skip }) => {
    const { lane } = mutant;
    if (lane.kind === "power" && strace.path === undefined) return skip(strace.why);
    using place = makePlace();
    const dist = build(place.folder, mutant);
    const startedMs = performance.now();
    const wrong = await look(lane, dist);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    if (wrong.length > 0) caught += 1;
    process.stdout.write(`proof: ${mutant.name}: ${seconds} s: ${wrong[0]?.slice(0, 200) ?? "NOT SEEN"}\n`);
    expect(wrong.length, "the lane saw nothing").toBeGreaterThan(0);
  });
}

test("all bugs made on purpose were seen", ({ skip }) => {
  if (strace.path === undefined) return skip(strace.why);
  process.stdout.write(`proof: ${caught} of ${MUTANTS.length} durability bugs seen\n`);
  expect(caught).toBe(MUTANTS.length);
});

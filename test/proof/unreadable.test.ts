/** A disk that does not give a place of a pack (EIO, by strace): `fsck` names it, reads all the rest, and mends it. */
import { execFileSync, spawnSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../source.ts";
import { DIST } from "./children.ts";
import { IN_MEMORY, openWorkshop, type Workshop } from "./starts.ts";
import { findStrace } from "./strace.ts";

const PACKS_MAX = 3;
/** Reads of one pack that fail, one at a time. */
const READS_MAX = 12;
const RUN_MS_MAX = 120_000;

interface Checked {
  readonly ok: boolean;
  readonly problems: readonly { digest: string | null; pack: string | null; message: string }[];
  readonly repair: { repaired: readonly object[]; setAside: readonly string[] } | null;
}

const strace = findStrace();
let workshop: Workshop;
/** Each record lies in one of `packs`, the largest first, and in one that was written after them. */
let start: string;
let packs: readonly string[];

beforeAll(async () => {
  workshop = await openWorkshop(strace.path === undefined ? [] : ["tag"], { parent: IN_MEMORY });
  const [first] = workshop.starts;
  if (first === undefined) return;
  start = first.folder;
  const written = JSON.parse(run([], ["copy", start])) as string[];
  packs = written.sort((a, b) => statSync(b).size - statSync(a).size);
});

afterAll(async () => {
  await workshop[Symbol.asyncDispose]();
});

function run(tracer: readonly string[], words: readonly string[]): string {
  const here = join(ROOT, "test", "proof");
  const node = [process.execPath, "--import", join(here, "inject.mjs"), join(here, "unreadable.mjs")];
  const [command = "", ...args] = [...tracer, ...node, ...words];
  const env = { ...process.env, SMC_PROOF_DIST: DIST, UV_USE_IO_URING: "0" };
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    env,
    timeout: RUN_MS_MAX,
  });
  if (status !== 0) throw new Error(`ended with ${status ?? signal}: ${stderr}`);
  return stdout;
}

/** What `fsck` says when reads of the pack fail: `when` in the words of strace. */
function check(path: string, options: object, { pack, errno, when }: Record<string, string>): Checked {
  const folder = join(workshop.folder, "unreadable");
  rmSync(folder, { recursive: true, force: true });
  execFileSync("cp", ["-r", start, folder]);
  const target = join(folder, (pack ?? "").slice(start.length));
  const inject = `inject=pread64:error=${errno}:when=${when}`;
  const tracer = [path, "-f", "-P", target, "-e", "trace=pread64", "-e", inject, "-o", "/dev/null"];
  return JSON.parse(run(tracer, ["fsck", folder, JSON.stringify(options)])) as Checked;
}

function nameOf(pack: string): string {
  return /([0-9a-f]{64})\.pack$/.exec(pack)?.[1] ?? "";
}

test("fsck --full names a pack that cannot be read, and all of its records", ({ skip }) => {
  if (strace.path === undefined) return skip(strace.why);
  for (const pack of packs.slice(0, PACKS_MAX)) {
    const { ok, problems } = check(strace.path, { full: true }, { pack, errno: "EIO", when: "1+" });
    expect(ok).toBe(false);
    const inPack = problems.filter((problem) => problem.pack === nameOf(pack));
    expect(inPack[0]).toMatchObject({ digest: null, message: expect.stringContaining("I/O error EIO") });
    expect(inPack.length).toBeGreaterThan(1);
    for (const { message } of inPack) expect(message).toContain("EIO");
  }
});

test("fsck --full names a record that cannot be read, and no other one", ({ skip }) => {
  if (strace.path === undefined) return skip(strace.why);
  const [pack = ""] = packs;
  const named = new Set<string>();
  for (let at = 1; at <= READS_MAX; at += 1) {
    const { problems } = check(strace.path, { full: true }, { pack, errno: "EIO", when: String(at) });
    for (const { digest, pack: name, message } of problems) {
      expect(message).toContain("I/O error EIO");
      if (name === null) continue;
      expect(name).toBe(nameOf(pack));
      if (digest !== null) named.add(digest);
    }
  }
  expect(named.size).toBeGreaterThan(1);
});

test("fsck --repair takes what cannot be read from another pack", ({ skip }) => {
  if (strace.path === undefined) return skip(strace.why);
  for (const pack of packs.slice(0, PACKS_MAX)) {
    const { ok, problems, repair } = check(strace.path, { repair: true }, { pack, errno: "EIO", when: "1+" });
    expect(problems).toEqual([]);
    expect(ok).toBe(true);
    expect(repair?.repaired.length).toBeGreaterThan(0);
    expect(repair?.setAside).toEqual([nameOf(pack)]);
  }
});

test("another failure of this process is no damage: fsck ends with it", ({ skip }) => {
  if (strace.path === undefined) return skip(strace.why);
  const [pack = ""] = packs;
  for (const errno of ["EMFILE", "EACCES"])
    expect(() => check(strace.path ?? "", { full: true }, { pack, errno, when: "1+" })).toThrow(
      errno === "EMFILE" ? "IO_FAILED" : "PERMISSION_DENIED",
    );
});

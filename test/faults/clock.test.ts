/** A daemon whose clock jumps, by libfaketime: by years, forwards and back, before it starts and while it runs. */
import { spawnSync } from "node:child_process";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSandbox, type Sandbox } from "../e2e/sandbox.ts";
import { ROOT } from "../source.ts";
import { quoted, startDaemon } from "./running-daemon.ts";

const found = spawnSync(process.execPath, [join(ROOT, "scripts", "faketime.mjs")], { encoding: "utf8" });
const library = found.status === 0 ? found.stdout.trim() : undefined;

/** As libfaketime reads them. */
const TIMES = {
  right: "+0",
  "in ten years": "+3650d",
  "in 2000": "@2000-01-01 00:00:00",
  "before 1970": "@1969-06-01 00:00:00",
} as const;
type Time = keyof typeof TIMES;

interface Entry {
  readonly digest: string;
  readonly parents: readonly string[];
}

interface Collected {
  readonly dead: { readonly commits: number };
  readonly emptied: { readonly epochs: readonly string[] };
  readonly notes: readonly string[];
}

class Clock implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly #file: string;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    this.#file = join(sandbox.root, "clock");
  }

  /** Read by the daemon whenever it asks for the time. */
  set(time: Time): void {
    writeFileSync(this.#file, `${TIMES[time]}\n`);
  }

  async start(time: Time): Promise<void> {
    this.set(time);
    const words = [
      `export LD_PRELOAD=${quoted(library ?? "")} FAKETIME_TIMESTAMP_FILE=${quoted(this.#file)}`,
      "export FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1",
    ];
    expect(await startDaemon(this.sandbox, words.join("\n"))).toBeUndefined();
  }

  /** A commit by the clock as it is then. */
  commit(message: string): Promise<string> {
    return this.sandbox.commit(message, { "a.txt": message });
  }

  /** A commit that nothing names but the past of a branch that was deleted. */
  async loseOne(message: string): Promise<string> {
    await this.sandbox.ok("switch", "-c", "lost");
    const lost = await this.sandbox.commit(message, { "lost.txt": message });
    await this.sandbox.ok("switch", "main");
    await this.sandbox.ok("branch", "-D", "lost");
    return lost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox[Symbol.asyncDispose]();
  }
}

async function createClock(): Promise<Clock> {
  return new Clock(await createSandbox());
}

async function expectSound(sandbox: Sandbox): Promise<void> {
  const ran = await sandbox.smc(["fsck", "--full"]);
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
}

test("commits keep the order of the graph, and the daemon answers, whatever the clock says", async ({
  skip,
}) => {
  skip(library === undefined, found.stderr);
  await using clock = await createClock();
  const { sandbox } = clock;
  await clock.start("right");
  const made = [await clock.commit("first")];
  const { daemon } = await sandbox.json<{ daemon: { pid: number } }>("daemon", "status");
  for (const time of ["in ten years", "in 2000", "before 1970"] as const) {
    clock.set(time);
    made.unshift(await clock.commit(time));
  }
  expect(await sandbox.json("daemon", "status")).toMatchObject({ daemon: { pid: daemon.pid } });
  const log = await sandbox.json<Entry[]>("log");
  expect(log.map(({ digest }) => digest)).toEqual(made);
  expect(log.map(({ parents }) => parents[0])).toEqual([...made.slice(1), undefined]);
  const { entries } = await sandbox.json<{ entries: { to: string }[] }>("reflog", "main");
  expect(entries.map(({ to }) => to)).toEqual(made);
  await sandbox.ok("audit", "verify");
  await expectSound(sandbox);
  expect(await sandbox.ok("daemon", "stop")).toBe("daemon stopped\n");
});

test("gc keeps what is young, and its trash, whatever the clock says", async ({ skip }) => {
  skip(library === undefined, found.stderr);
  await using clock = await createClock();
  const { sandbox } = clock;
  await clock.start("right");
  await clock.commit("first");
  await clock.loseOne("thrown away");
  await sandbox.ok("gc", "--older-than", "0");
  const lost = await clock.loseOne("lost");
  const gc = (): Promise<Collected> => sandbox.json<Collected>("gc");
  const nothing = { dead: { commits: 0 }, emptied: { epochs: [] } };
  clock.set("in ten years");
  const collected = await gc();
  expect(collected).toMatchObject(nothing);
  expect(collected.notes.join()).toMatch(/the clock .*may be wrong/);
  for (const time of ["in ten years", "in 2000", "before 1970"] as const) {
    clock.set(time);
    await clock.commit(`made ${time}`);
    expect(await gc(), time).toMatchObject(nothing);
    clock.set("right");
    expect(await gc(), `right after ${time}`).toMatchObject(nothing);
  }
  await sandbox.ok("show", lost);
  expect(await sandbox.ok("undelete")).toContain("thrown away");
  await expectSound(sandbox);
});

test("gc that was told to keep no past leaves no reason to stop, whatever the clock said", async ({
  skip,
}) => {
  skip(library === undefined, found.stderr);
  await using clock = await createClock();
  await clock.start("in ten years");
  await clock.commit("first");
  await clock.loseOne("lost");
  expect(await clock.sandbox.json("gc", "--older-than", "0", "--grace", "0")).toMatchObject({
    dead: { commits: 1 },
  });
  clock.set("right");
  expect(await clock.sandbox.json("gc")).toMatchObject({ dead: { commits: 0 } });
  await expectSound(clock.sandbox);
});

test("a change of the same size and time is seen, whatever the clock says", async ({ skip }) => {
  skip(library === undefined, found.stderr);
  await using clock = await createClock();
  const { sandbox } = clock;
  await clock.start("in ten years");
  await clock.commit("one");
  const moment = new Date("2026-01-01T00:00:00Z");
  for (const [time, text] of [
    ["in ten years", "two"],
    ["in ten years", "six"],
    ["in 2000", "ten"],
    ["in ten years", "one"],
  ] as const) {
    clock.set(time);
    sandbox.write("a.txt", text);
    utimesSync(sandbox.path("a.txt"), moment, moment);
    await sandbox.ok("commit", "-a", "-m", text);
    expect(await sandbox.ok("cat", "HEAD:a.txt")).toBe(text);
  }
});

/**
 * What every program of a job can count on, and what it cannot do to its keeper: each case with each engine that it is
 * about.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  type Digest,
  type JobEnd,
  jobPlaces,
  type JobPlaces,
  type JobRecord,
  type JobSpec,
  readEnd,
  readHistory,
  readLog,
  writeJob,
} from "@smc/store";
import { withStore } from "@smc/store/testing";

const KEEPER = fileURLToPath(new URL("../../dist/jobs/keeper.js", import.meta.url));
const NODE = process.execPath;
const ID = "0123abcd";
const GRACE_MS = 300;

interface Kept {
  readonly places: JobPlaces;
  readonly keeper: number;
  /** How the program ended; resolves when the keeper is gone. */
  readonly end: Promise<JobEnd | undefined>;
  readonly log: () => Promise<Buffer>;
}

/** Runs a job below its keeper, without a daemon. */
async function keep(spec: Partial<JobSpec>, run: (kept: Kept) => Promise<void>, attempt = 1): Promise<void> {
  await withStore(async (store) => {
    const record = recordOf(spec, attempt);
    const places = jobPlaces(store.path, record);
    await writeJob(store.path, record);
    for (const folder of [places.work, places.output]) mkdirSync(folder, { recursive: true });
    writeFileSync(join(places.work, "points.csv"), points());
    const child = spawn(NODE, [KEEPER, store.path, ID], {
      stdio: "ignore",
      env: { PATH: process.env["PATH"] },
    });
    const end = once(child, "exit").then(() => readEnd(places, attempt));
    const log = async (): Promise<Buffer> => (await readLog(places.log, 0)).bytes;
    try {
      await run({ places, keeper: child.pid ?? 0, end, log });
    } finally {
      child.kill("SIGINT");
      await end;
    }
  });
}

function recordOf(spec: Partial<JobSpec>, attempt: number): JobRecord {
  const usual = { engine: "command", argv: [], environment: {}, output: null, checkpoints: null } as const;
  const rest = { metricsFile: null, params: {}, message: null, timeoutMs: null, graceMs: GRACE_MS } as const;
  return {
    format: 1,
    id: ID,
    name: ID,
    repository: "r",
    actor: { name: "Ada", email: "ada@example.org" },
    input: "0".repeat(64) as Digest,
    createdMs: 1,
    priority: 0,
    attempt,
    isResumed: false,
    spec: { ...usual, ...rest, ...spec },
    transitions: [{ state: "queued", atMs: 1, why: "" }],
    asked: null,
    commit: null,
  };
}

function points(): string {
  const rows = Array.from({ length: 400 }, (_, at) => `${at % 13},${at % 7},${at % 2 === 0 ? "a" : "b"}`);
  return ["x,y,label", ...rows].join("\n");
}

const script = (text: string): Partial<JobSpec> => ({ argv: [NODE, "-e", text] });
/** Learns until it is ended. */
const TFJS: Partial<JobSpec> = {
  engine: "tfjs",
  argv: ["tfjs", JSON.stringify({ data: { kind: "csv", path: "points.csv" }, epochs: 10_000, batch: 8 })],
  graceMs: 30_000,
};
const ENDLESS = script("console.log(JSON.stringify({epoch:1,metrics:{loss:1}})); setInterval(() => 0, 1000)");

async function hasEpoch({ places }: Kept): Promise<void> {
  while ((await readHistory(places.history)).length === 0) await sleep(10);
}

test.each([
  [
    "command",
    {
      ...ENDLESS,
      argv: [NODE, "-e", `process.on("SIGTERM", () => process.exit(0)); ${ENDLESS.argv?.[2] ?? ""}`],
    },
  ],
  ["tfjs", TFJS],
])("engine %s ends by itself with status 0 when it is asked to stop", (_engine, spec) =>
  keep(spec, async (kept) => {
    await hasEpoch(kept);
    process.kill(kept.keeper, "SIGTERM");
    expect(await kept.end).toMatchObject({ cause: "stop", code: 0, signal: null });
    expect(existsSync(kept.places.stopFile)).toBe(true);
  }),
);

test.each([
  ["command", ENDLESS],
  ["tfjs", TFJS],
])("engine %s is killed when it is canceled, or after its time", async (_engine, spec) => {
  await keep(spec, async (kept) => {
    await hasEpoch(kept);
    process.kill(kept.keeper, "SIGINT");
    expect(await kept.end).toMatchObject({ cause: "cancel", code: null, signal: "SIGKILL" });
  });
  await keep({ ...spec, timeoutMs: 1, graceMs: 1 }, async ({ end }) => {
    expect(await end).toMatchObject({ cause: "timeout" });
  });
});

test.each([
  ["command", script("process.exit(7)"), { code: 7 }, ""],
  ["command", { argv: ["./no-such-program"] }, { cause: "not-started" }, "there is no program"],
  ["command", { argv: ["./points.csv"] }, { cause: "not-started" }, "may not be run"],
  ["command", script("process.kill(process.pid, 'SIGSEGV')"), { code: null, signal: "SIGSEGV" }, ""],
  [
    "tfjs",
    { ...TFJS, argv: ["tfjs", '{"data":{"kind":"csv","path":"none.csv"}}'] },
    { cause: "exit", code: expect.not.toBeOneOf([0, null]) },
    "none.csv",
  ],
])("engine %s that fails is told of as it failed", (_engine, spec, expected, text) =>
  keep(spec, async ({ end, log }) => {
    expect(await end).toMatchObject(expected);
    expect((await log()).toString()).toContain(text);
  }),
);

test("one that ignores SIGTERM is killed after its grace, with what it started in other groups", () =>
  keep(
    { argv: ["sh", "-c", "trap '' TERM; setsid sleep 1000 & echo $! > pid; while :; do sleep 0.05; done"] },
    async ({ places, keeper, end }) => {
      const pidFile = join(places.work, "pid");
      while (!existsSync(pidFile) || readFileSync(pidFile, "utf8") === "") await sleep(10);
      process.kill(keeper, "SIGTERM");
      const ended = await end;
      expect(ended).toMatchObject({ cause: "stop", signal: "SIGKILL" });
      const left = Number(readFileSync(pidFile, "utf8"));
      // Killed; whoever adopts it reaps it when it likes.
      const stat = `/proc/${left}/stat`;
      while (existsSync(stat) && !/\) Z /.test(readFileSync(stat, "latin1"))) await sleep(10);
    },
  ));

test("a flood is kept to its newest 8 MiB, and the epoch behind it is heard", () =>
  keep(
    script(
      `const b = Buffer.alloc(1 << 20, 120); b[b.length - 1] = 10; const w = (x) => require("fs").writeSync(1, x);
       for (let i = 0; i < 24; i++) { let at = 0; while (at < b.length) at += require("fs").writeSync(1, b, at); }
       w('{"epoch":1,"metrics":{"loss":1}}\\n')`,
    ),
    async ({ places, end }) => {
      expect(await end).toMatchObject({ code: 0 });
      const pieces = readdirSync(places.log).sort();
      expect(pieces.length).toBeLessThanOrEqual(8);
      expect(Number(pieces[0])).toBeGreaterThan(15 * 1024 * 1024);
      expect(await readHistory(places.history)).toMatchObject([{ epoch: 1, metrics: { loss: 1 } }]);
    },
  ));

test("lines that are too long, not UTF-8 or no numbers cost only themselves, and every byte is in the log", () => {
  const bytes = [
    Buffer.from(`{"epoch":1,"metrics":{"loss":1,"pad":"${"x".repeat(70_000)}"}}\n`),
    Buffer.from([0xff, 0xfe, 0x00, 0x1b, 0x5b, 0x32, 0x4a, 0x0a]),
    Buffer.from('{"epoch":2,"metrics":{"loss":NaN,"acc":0.5,"top":Infinity}}\n'),
    Buffer.from('{"epoch":3,"metrics":{"loss":0.25}}'),
  ];
  const all = Buffer.concat(bytes);
  const text = `const b = Buffer.from(${JSON.stringify(all.toString("base64"))}, "base64"); let at = 0; while (at < b.length) at += require("fs").writeSync(1, b, at)`;
  return keep(script(text), async ({ places, end, log }) => {
    expect(await end).toMatchObject({ code: 0 });
    expect((await readHistory(places.history)).map(({ epoch, metrics }) => [epoch, metrics])).toEqual([
      [2, { acc: 0.5 }],
      [3, { loss: 0.25 }],
    ]);
    const kept = await log();
    expect(kept.subarray(0, bytes[0]?.length)).toEqual(bytes[0]);
    expect(kept.includes(bytes[1] ?? "")).toBe(true);
    expect(kept.toString("latin1")).toContain("smc: epoch 2: no finite number, left out: loss, top");
  });
});

test("a second keeper of an attempt runs nothing", () =>
  keep(ENDLESS, async (kept) => {
    await hasEpoch(kept);
    const storePath = join(kept.places.root, "..", "..");
    const second = spawn(NODE, [KEEPER, storePath, ID], { stdio: "ignore" });
    expect(await once(second, "exit")).toEqual([0, null]);
    expect(existsSync(kept.places.end)).toBe(false);
    expect(await readHistory(kept.places.history)).toHaveLength(1);
  }));

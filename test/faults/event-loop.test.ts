/** The daemon answers while it works: its event loop never stands still for more than 50 ms of processor time. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createSandbox, type Sandbox } from "../e2e/sandbox.ts";

const PROBE = fileURLToPath(new URL("./loop-probe.mjs", import.meta.url));
const DAEMON = fileURLToPath(new URL("../../packages/daemon/dist/bin.js", import.meta.url));
const TURN_MS_MAX = 50;
const MIB = 1024 * 1024;
const SMALL_FILES = 10_000;
const LARGE_MIB = 512;
const TENSORS = 2000;
/** On a machine that many share. */
const VERB_MS_MAX = 300_000;

interface Turn {
  readonly turnMs: number;
  /** The same in time that went by. */
  readonly wallMs: number;
}

/** A daemon that writes down its long turns. */
class ProbedDaemon implements AsyncDisposable {
  readonly #sandbox: Sandbox;
  readonly #log: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #turns: string[] = [];

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
    this.#log = join(sandbox.root, "turns.log");
    this.#child = spawn(process.execPath, ["--import", PROBE, DAEMON, sandbox.home], {
      cwd: sandbox.root,
      env: { ...sandbox.env, SMC_LOOP_LOG: this.#log },
      stdio: "ignore",
    });
    this.#ended = once(this.#child, "exit");
  }

  async ready(): Promise<void> {
    while ((await this.#sandbox.smc(["daemon", "status"])).code !== 0)
      expect(this.#child.exitCode, "the daemon ended").toBeNull();
    const { daemon } = await this.#sandbox.json<{ daemon: { pid: number } }>("daemon", "status");
    expect(daemon.pid, "the daemon that is watched").toBe(this.#child.pid);
    // Starting is not serving.
    writeFileSync(this.#log, "");
  }

  /** Runs a verb and remembers the turns that were too long in it. */
  async run(...words: string[]): Promise<void> {
    const { code, stderr } = await this.#sandbox.smc(words, { timeoutMs: VERB_MS_MAX });
    expect(code, `${words.join(" ")}: ${stderr}`).toBe(0);
    // A turn is written down by the next tick, which comes before the next answer.
    await this.#sandbox.ok("daemon", "status");
    const turns = readFileSync(this.#log, "utf8")
      .split("\n")
      .filter((line) => line !== "");
    for (const line of turns) {
      const { turnMs, wallMs } = JSON.parse(line) as Turn;
      if (turnMs > TURN_MS_MAX)
        this.#turns.push(`smc ${words.join(" ")}: ${turnMs} ms (${wallMs} ms went by)`);
    }
    writeFileSync(this.#log, "");
  }

  get longTurns(): readonly string[] {
    return this.#turns;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandbox.smc(["daemon", "stop"]);
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

function writeSmallFiles(sandbox: Sandbox): void {
  const bytes = Buffer.alloc(1024);
  for (let file = 0; file < SMALL_FILES; file += 1) {
    const folder = sandbox.path(`small/${file % 100}`);
    if (file < 100) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${file}.bin`), randomFillSync(bytes));
  }
}

/** A safetensors file of so many MiB in equal tensors of random bf16. */
function writeModel(path: string): void {
  const elements = (LARGE_MIB * MIB) / 2 / TENSORS;
  const tensorBytes = Math.floor(elements / 2) * 4;
  const header = Object.fromEntries(
    Array.from({ length: TENSORS }, (_, index) => [
      `layer.${index}.weight`,
      {
        dtype: "BF16",
        shape: [tensorBytes / 2],
        data_offsets: [index * tensorBytes, (index + 1) * tensorBytes],
      },
    ]),
  );
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const fd = openSync(path, "w");
  writeSync(fd, length);
  writeSync(fd, json);
  const bytes = Buffer.alloc(tensorBytes);
  for (let tensor = 0; tensor < TENSORS; tensor += 1) writeSync(fd, randomFillSync(bytes));
  closeSync(fd);
}

/** Moves the numbers of some tensors a little. */
function changeModel(path: string): void {
  const fd = openSync(path, "r+");
  const bytes = Buffer.alloc(32 * MIB);
  readSync(fd, bytes, 0, bytes.length, 100 * MIB);
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeSync(fd, bytes, 0, bytes.length, 100 * MIB);
  closeSync(fd);
}

/** Not Linux, or a kernel that keeps no such account. */
const cannotProbe = !(Number.parseInt(readProcessorTime(), 10) > 0);
const NEEDS_SCHEDSTAT = "needs /proc/self/schedstat";

function readProcessorTime(): string {
  try {
    return readFileSync("/proc/self/schedstat", "utf8");
  } catch {
    return "0";
  }
}

test(
  `the event loop turns every ${TURN_MS_MAX} ms while ${SMALL_FILES} files and one of ${LARGE_MIB} MiB are stored`,
  { timeout: 1_200_000 },
  async ({ skip }) => {
    skip(cannotProbe, NEEDS_SCHEDSTAT);
    await using sandbox = await createSandbox({ init: false });
    await using daemon = new ProbedDaemon(sandbox);
    await daemon.ready();
    await daemon.run("init");
    sandbox.write("start.txt", "start");
    await daemon.run("add", "-A");
    await daemon.run("commit", "-m", "start");
    await daemon.run("tag", "start");
    writeSmallFiles(sandbox);
    writeModel(sandbox.path("model.safetensors"));
    await daemon.run("add", "small");
    await daemon.run("commit", "-m", "small files");
    await daemon.run("add", "-A");
    await daemon.run("commit", "-m", "model");
    await daemon.run("status");
    changeModel(sandbox.path("model.safetensors"));
    await daemon.run("commit", "-a", "-m", "fine-tune");
    await daemon.run("diff", "--tensors", "HEAD~1", "HEAD");
    await daemon.run("show", "--tensors", "HEAD:model.safetensors");
    await daemon.run("du");
    await daemon.run("log");
    await daemon.run("diff", "start", "main");
    await daemon.run("checkout", "start");
    await daemon.run("checkout", "main");
    rmSync(sandbox.path("small"), { recursive: true });
    await daemon.run("status");
    await daemon.run("checkout", "-f", "main");
    await daemon.run("fsck");
    await daemon.run("fsck", "--full");
    await daemon.run("repack");
    await daemon.run("gc", "--older-than", "0s");
    expect(daemon.longTurns).toEqual([]);
  },
);

test("the probe tells a loop that works from one that waits", async ({ skip }) => {
  skip(cannotProbe, NEEDS_SCHEDSTAT);
  await using sandbox = await createSandbox({ init: false });
  const turns = async (block: string): Promise<Turn[]> => {
    const log = join(sandbox.root, "probe.log");
    writeFileSync(log, "");
    const script = `setTimeout(() => { ${block}; setTimeout(() => {}, 100); }, 50)`;
    const env = { ...process.env, SMC_LOOP_LOG: log };
    const child = spawn(process.execPath, ["--import", PROBE, "-e", script], { env, stdio: "ignore" });
    await once(child, "exit");
    const lines = readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Turn).filter(({ turnMs }) => turnMs > TURN_MS_MAX);
  };
  const work = "const used = process.cpuUsage(); while (process.cpuUsage(used).user < 200_000)";
  expect(await turns(`${work};`)).toHaveLength(1);
  expect(await turns("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)")).toEqual([]);
});

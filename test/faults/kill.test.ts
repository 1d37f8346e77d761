/** kill -9 of the daemon at random moments of add and commit: what was acknowledged is there, nothing needs a hand. */
import { randomBytes, randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { createSandbox, type Sandbox } from "../e2e/sandbox.ts";

/** Together; a round counts when its kill came before the answer. */
const KILLS = 210;
const ROUNDS_MAX = 400;
const LANES = 3;
const SEED = Number(process.env.KILL_SEED ?? randomInt(2 ** 31));

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Acknowledged {
  readonly digest: string;
  readonly file: string;
  readonly blob: string;
}

class Lane {
  readonly sandbox: Sandbox;
  readonly random: () => number;
  readonly acknowledged: Acknowledged[] = [];
  /** Milliseconds that a round without a kill takes; kills fall somewhere in it. */
  spanMs = 600;
  kills = 0;
  unanswered = 0;

  constructor(sandbox: Sandbox, seed: number) {
    this.sandbox = sandbox;
    this.random = random(seed);
  }

  daemonPid(): number | undefined {
    try {
      const text = readFileSync(`${this.sandbox.home}/run/daemon.json`, "utf8");
      const { pid } = JSON.parse(text) as { pid: number };
      return pid;
    } catch {
      return undefined;
    }
  }

  async killSometime(stop: { done: boolean }): Promise<void> {
    await wait(this.random() * this.spanMs);
    while (!stop.done) {
      const pid = this.daemonPid();
      try {
        if (pid !== undefined) process.kill(pid, "SIGKILL");
      } catch {
        // The record of a daemon that was killed before: the next one is not there yet.
        await wait(5);
        continue;
      }
      if (pid !== undefined) {
        this.kills += 1;
        return;
      }
      await wait(5);
    }
  }

  /** One add and commit with a kill in between; then everything that was acknowledged must be there. */
  async round(number: number): Promise<void> {
    const { sandbox } = this;
    const file = `round${number % 10}.bin`;
    const bytes = randomBytes(1 + Math.floor(this.random() * 1_000_000));
    const blob = sandbox.write(file, bytes);
    const stop = { done: false };
    const killer = this.killSometime(stop);
    const started = performance.now();
    const added = await sandbox.smc(["add", "-A"]);
    const committed = await sandbox.smc(["commit", "-m", `round ${number}`, "--json"]);
    stop.done = true;
    await killer;
    if (added.code === 0 && committed.code === 0) {
      this.spanMs = this.spanMs * 0.7 + (performance.now() - started) * 0.3;
      const { digest } = JSON.parse(committed.stdout) as { digest: string };
      this.acknowledged.push({ digest, file, blob });
    } else {
      this.unanswered += 1;
    }
    await this.verify(number);
  }

  async verify(number: number): Promise<void> {
    const { sandbox, acknowledged } = this;
    const last = acknowledged.at(-1);
    const log = await sandbox.json<{ digest: string }[]>("log");
    const known = new Set(log.map(({ digest }) => digest));
    for (const { digest } of acknowledged) expect(known, `round ${number}`).toContain(digest);
    if (last === undefined || number % 5 !== 0) return;
    expect((await sandbox.ok("rev-parse", `${last.digest}:${last.file}`)).trim()).toBe(last.blob);
    if (number % 10 === 0) await this.verifyBytes();
  }

  /** The bytes of the last commits, and fsck over everything. */
  async verifyBytes(): Promise<void> {
    const { sandbox, acknowledged } = this;
    for (const { digest, file, blob } of acknowledged.slice(-2)) {
      await sandbox.ok("checkout", "-q", "-f", digest);
      expect(sandbox.digest(file)).toBe(blob);
      await sandbox.ok("checkout", "-q", "-f", "main");
    }
    const fsck = await sandbox.smc(["fsck", "--full"]);
    expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
  }
}

test(
  `${KILLS} times kill -9 lose nothing that was acknowledged (seed ${SEED})`,
  { timeout: 3_600_000 },
  async () => {
    const sandboxes = await Promise.all(Array.from({ length: LANES }, () => createSandbox()));
    try {
      const lanes = sandboxes.map((sandbox, index) => new Lane(sandbox, SEED + index));
      await Promise.all(
        lanes.map(async (lane) => {
          await lane.sandbox.commit("start", { a: "a" });
          for (let number = 0; number < ROUNDS_MAX && lane.kills < KILLS / LANES; number++)
            await lane.round(number);
          await lane.verifyBytes();
        }),
      );
      const kills = lanes.reduce((sum, lane) => sum + lane.kills, 0);
      const unanswered = lanes.reduce((sum, lane) => sum + lane.unanswered, 0);
      expect(kills).toBeGreaterThanOrEqual(KILLS);
      expect(unanswered).toBeGreaterThan(KILLS / 20);
      for (const lane of lanes) {
        const log = await lane.sandbox.json<{ message: string }[]>("log");
        const rounds = log.map(({ message }) => message.trim());
        expect(new Set(rounds).size, "a commit is there once").toBe(rounds.length);
      }
    } finally {
      for (const sandbox of sandboxes) await sandbox[Symbol.asyncDispose]();
    }
  },
);

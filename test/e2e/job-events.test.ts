/** Jobs watched over WebSocket, by a client that others wrote. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createSandbox } from "./sandbox.ts";

const SLOW_MS = 120_000;
const NODE = process.execPath;
const box = await createSandbox();
const words = [box.bin, "daemon", "run", "--listen", "127.0.0.1:0"];
let server: ChildProcess | undefined;
afterAll(async () => {
  server?.kill("SIGKILL");
  await box[Symbol.asyncDispose]();
});

interface Event {
  readonly type: string;
  readonly epoch?: number;
  readonly state?: string;
  readonly text?: string;
  readonly predictions?: readonly object[];
}

/** Tells an epoch for each file of the test that it finds, and ends after three. */
const SCRIPT = `
const fs = require("node:fs");
const { SMC_OUTPUT, SMC_PROGRESS_FILE } = process.env;
let epoch = 1;
const layers = [{ kind: "dense", name: "output", shape: [2], weights: 6 }];
setInterval(() => {
  if (!fs.existsSync(process.argv[2] + epoch)) return;
  const predictions = [{ sample: epoch, expected: "é", predicted: "b", probability: 0.5 }];
  fs.writeFileSync(SMC_PROGRESS_FILE, JSON.stringify({ epoch, epochs: 3, predictions, layers }));
  console.log("é".repeat(10));
  console.log(JSON.stringify({ epoch, metrics: { loss: 1 / epoch } }));
  epoch += 1;
  if (epoch <= 3) return;
  fs.writeFileSync(SMC_OUTPUT + "/model.bin", "m");
  process.exit(0);
}, 10);
`;

/** What one connection tells, until it is closed. */
class Watcher {
  readonly events: Event[] = [];
  position: unknown;
  readonly closed: Promise<[number, string]>;
  readonly #web: WebSocket;
  #onMessage: () => void = () => undefined;

  constructor(web: WebSocket) {
    this.#web = web;
    this.closed = once(web, "close").then(([code, reason]) => [code as number, String(reason)]);
    web.on("error", () => undefined);
    web.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { position: unknown; events: Event[] };
      this.position = message.position;
      this.events.push(...message.events);
      this.#onMessage();
    });
  }

  async has(matches: (event: Event) => boolean): Promise<void> {
    while (!this.events.some(matches))
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
  }

  leave(): void {
    this.#web.terminate();
  }
}

async function daemon(): Promise<{ pid: number; socket: string; url: string }> {
  return (await box.json<{ daemon: { pid: number; socket: string; url: string } }>("daemon", "status"))
    .daemon;
}

async function watch(job: string, since?: unknown): Promise<Watcher> {
  const { socket } = await daemon();
  const query = since === undefined ? "" : `?since=${encodeURIComponent(JSON.stringify(since))}`;
  const createConnection = () => connect(socket);
  const headers = { "smc-protocol": "1" };
  return new Watcher(
    new WebSocket(`ws://localhost/v1/jobs/${job}/events${query}`, { headers, createConnection }),
  );
}

test(
  "S1.4 jobs are watched over the network by an admin's token, as long as it is one",
  { timeout: SLOW_MS },
  async () => {
    await box.commit("script", { "steps.cjs": SCRIPT });
    await box.ok("daemon", "stop");
    server = spawn(NODE, words, { cwd: box.work, env: box.env, stdio: "ignore" });
    while ((await box.smc(["daemon", "status"])).code !== 0) expect(server.exitCode).toBe(null);
    const url = (await daemon()).url.replace("http", "ws");
    const id = (
      await box.ok("train", "-d", "-q", "--name", "far", "--", NODE, "steps.cjs", join(box.root, "no"))
    ).trim();
    const ask = (token: string, more: object = {}): WebSocket => {
      const headers = { "smc-remote": "1", authorization: `Bearer ${token}` };
      return new WebSocket(`${url}/v1/jobs/${id}/events`, { headers: { ...headers, ...more } });
    };
    const status = async (web: WebSocket): Promise<number> => {
      web.on("error", () => undefined);
      const [, answer] = (await once(web, "unexpected-response")) as [unknown, { statusCode: number }];
      return answer.statusCode;
    };
    const reader = (await box.ok("token", "create", "bob", "--scope", "read", "-q")).trim();
    const admin = (await box.ok("token", "create", "ada", "--scope", "admin", "-q")).trim();
    expect(await status(ask(""))).toBe(401);
    expect(await status(ask(reader))).toBe(403);
    expect(await status(ask(admin, { origin: "http://127.0.0.1" }))).toBe(403);
    expect(await status(ask(admin, { host: "example.org" }))).toBe(403);
    const watcher = new Watcher(ask(admin));
    await watcher.has(({ state }) => state === "running");
    await box.ok("token", "revoke", "ada");
    expect((await watcher.closed)[0]).toBe(4401);
    await box.ok("jobs", "cancel", id);
  },
);

test(
  "S1.4 who comes again with its position gets each state, epoch and line of the log once, also of the next daemon",
  { timeout: SLOW_MS },
  async () => {
    const step = join(box.root, "step");
    const id = (await box.ok("train", "-d", "-q", "--name", "near", "--", NODE, "steps.cjs", step)).trim();
    const first = await watch(id);
    writeFileSync(`${step}1`, "");
    await first.has(({ type, epoch }) => type === "epoch" && epoch === 1);
    first.leave();
    await first.closed;
    const second = await watch(id, first.position);
    writeFileSync(`${step}2`, "");
    await second.has(({ type, epoch }) => type === "epoch" && epoch === 2);
    await second.has(({ type }) => type === "preview");
    process.kill((await daemon()).pid, "SIGKILL");
    expect((await second.closed)[0]).toBe(1006);
    await box.ok("jobs");
    const third = await watch(id, second.position);
    writeFileSync(`${step}3`, "");
    expect(await third.closed).toEqual([1000, "the job has ended"]);
    const all = [first, second, third].flatMap(({ events }) => events);
    const epochs = all.filter(({ type }) => type === "epoch").map(({ epoch }) => epoch);
    expect(epochs).toEqual([1, 2, 3]);
    const states = all.filter(({ type }) => type === "state").map(({ state }) => state);
    expect(states).toEqual(["queued", "preparing", "ready", "running", "finished"]);
    const log = all.map(({ type, text }) => (type === "log" ? text : "")).join("");
    expect(log).toBe(await box.ok("jobs", "logs", id));
    expect(all.at(-1)).toMatchObject({ type: "end", state: "finished", best: { epoch: 3 } });
    // Once to each watcher.
    const told = third.events.filter(({ type }) => type === "layers");
    expect(told).toMatchObject([{ layers: [{ kind: "dense", name: "output", shape: [2], weights: 6 }] }]);
    expect(all.findLast(({ type }) => type === "preview")?.predictions).toEqual([
      { sample: 3, expected: "é", predicted: "b", probability: 0.5 },
    ]);
  },
);

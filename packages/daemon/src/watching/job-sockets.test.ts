import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { type Digest, jobPlaces, type JobRecord, type JobState, writeJob } from "@smc/store";
import { JobLog } from "@smc/store/jobs";
import { withStore } from "@smc/store/testing";
import { describeFailure } from "../failure.ts";
import { Jobs } from "../jobs/jobs.ts";
import { createLogger } from "../logger.ts";
import { assertOwnClient } from "../server.ts";
import { JobSockets, type WatchLimits } from "./job-sockets.ts";

const ID = "0123abcd";
const HEADERS = { "smc-protocol": "1" };
const logger = createLogger("silent");

function recordOf(state: JobState): JobRecord {
  const spec = { engine: "command", argv: ["x"], environment: {}, output: null, checkpoints: null } as const;
  const rest = { metricsFile: null, params: {}, message: null, timeoutMs: null, graceMs: 1 } as const;
  return {
    format: 1,
    id: ID,
    name: "night",
    repository: "r",
    actor: { name: "Ada", email: "ada@example.org" },
    input: "0".repeat(64) as Digest,
    createdMs: 1,
    priority: 0,
    attempt: 1,
    isResumed: false,
    spec: { ...spec, ...rest },
    transitions: [{ state, atMs: 1, why: "for a test" }],
    asked: null,
    commit: null,
  };
}

interface Scene {
  readonly open: (path?: string, options?: object) => WebSocket;
  readonly log: JobLog;
  /** Resolves when nobody watches any more. */
  readonly left: Promise<void>;
}

/** A server of HTTP on a socket with one job that runs nothing. */
async function withJob(
  limits: Partial<WatchLimits>,
  run: (scene: Scene) => Promise<void>,
  state: JobState = "queued",
): Promise<void> {
  await withStore(async (store, folder) => {
    const record = recordOf(state);
    await writeJob(store.path, record);
    let leave = (): void => undefined;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const sockets = new JobSockets({
      store,
      jobs: await Jobs.open(store, logger),
      limits: { recheckMs: 50, ...limits },
      watch: () => ({ controller: new AbortController(), leave }),
    });
    const server = createServer();
    const describe = (error: unknown) => describeFailure(error, logger, {});
    server.on("upgrade", (request, socket, head) => {
      void sockets.upgrade({ request, socket, head }, { admit: assertOwnClient, describe });
    });
    const path = join(folder, "socket");
    server.listen(path);
    await once(server, "listening");
    const opened: WebSocket[] = [];
    const open: Scene["open"] = (target = `/v1/jobs/${ID}/events`, options = {}) => {
      const createConnection = () => connect(path);
      const web = new WebSocket(`ws://localhost${target}`, {
        headers: HEADERS,
        createConnection,
        ...options,
      });
      opened.push(web);
      web.on("error", () => undefined);
      return web;
    };
    await using log = await JobLog.open(jobPlaces(store.path, record).log);
    await run({ open, log, left });
    for (const web of opened) web.terminate();
    server.close();
  });
}

async function closed(web: WebSocket): Promise<[number, string]> {
  const [code, reason] = (await once(web, "close")) as [number, Buffer];
  return [code, reason.toString()];
}

/** Status and error code of a refusal. */
async function refused(web: WebSocket): Promise<[number | undefined, string]> {
  const [, answer] = (await once(web, "unexpected-response")) as [
    unknown,
    AsyncIterable<Buffer> & { statusCode?: number },
  ];
  let text = "";
  for await (const part of answer) text += part.toString();
  return [answer.statusCode, (JSON.parse(text) as { error: { code: string } }).error.code];
}

test("C4: what is no request of ours is refused before there is a WebSocket", () =>
  withJob({}, async ({ open }) => {
    const path = `/v1/jobs/${ID}/events`;
    expect(await refused(open(path, { origin: "https://example.org" }))).toEqual([403, "ORIGIN_FORBIDDEN"]);
    expect(await refused(open(path, { headers: {} }))).toEqual([400, "REQUEST_INVALID"]);
    expect(await refused(open("/v1/jobs/nope/events"))).toEqual([404, "JOB_NOT_FOUND"]);
    expect(await refused(open("/v1/verbs/refs"))).toEqual([404, "ROUTE_NOT_FOUND"]);
    for (const since of ["%7B", "%FF", "%7B%22transitions%22%3A-1%7D"])
      expect((await refused(open(`${path}?since=${since}`)))[0]).toBe(400);
  }));

test("C16: nothing is taken of a watcher, and little of it is read", () =>
  withJob({}, async ({ open }) => {
    const [one, two] = [open(), open()];
    await Promise.all([once(one, "open"), once(two, "open")]);
    one.send("hello");
    two.send(Buffer.alloc(100_000));
    expect(await Promise.all([closed(one), closed(two)])).toEqual([
      [1008, "nothing is taken here"],
      [1009, expect.any(String)],
    ]);
  }));

test("more watchers than there may be, and one that answers no ping, are turned away", () =>
  withJob({ connections: 1, pingMs: 50 }, async ({ open, left }) => {
    const one = open(undefined, { autoPong: false });
    await once(one, "open");
    expect(await refused(open())).toEqual([409, "LIMIT_EXCEEDED"]);
    expect((await closed(one))[0]).toBe(1006);
    await left;
    const again = open();
    await once(again, "open");
    expect(again.readyState).toBe(WebSocket.OPEN);
  }));

test("C17: who does not read is dropped with a reason, and goes on behind what it has read without gap or repeat", () =>
  withJob(
    { stalledMs: 300 },
    async ({ open, log, left }) => {
      for (let part = 0; part < 7; part += 1) await log.write(Buffer.alloc(1024 * 1024, 97 + part));
      let text = "";
      let position: unknown;
      const take = (data: Buffer): void => {
        const message = JSON.parse(data.toString()) as {
          position: unknown;
          events: { type: string; text?: string }[];
        };
        ({ position } = message);
        for (const event of message.events) if (event.type === "log") text += event.text;
      };
      const slow = open();
      slow.on("message", take);
      await once(slow, "open");
      slow.pause();
      await left;
      slow.resume();
      const [code, reason] = await closed(slow);
      // What is in the network is not waited for long: then the reason is lost with it.
      expect([1006, 1013]).toContain(code);
      if (code === 1013) expect(reason).toContain("slow reader");
      expect(text.length).toBeLessThan(7 * 1024 * 1024);
      const since = position === undefined ? "" : `?since=${encodeURIComponent(JSON.stringify(position))}`;
      const again = open(`/v1/jobs/${ID}/events${since}`);
      again.on("message", take);
      expect(await closed(again)).toEqual([1000, "the job has ended"]);
      const expected = Array.from({ length: 7 }, (_, part) =>
        String.fromCharCode(97 + part).repeat(1024 * 1024),
      );
      expect(text === expected.join("")).toBe(true);
    },
    "canceled",
  ));

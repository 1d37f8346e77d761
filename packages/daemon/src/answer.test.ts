import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type Call, type Progress } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { processorMs, withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { answerVerb, type Failure, PROGRESS_MS, writeAll } from "./answer.ts";
import { readAnswer, send } from "./request.ts";

const describeError = (error: unknown): Failure => {
  const known = error instanceof SmcError ? error : new SmcError("INTERNAL", String(error));
  return { http: known.http, json: known.toJSON() };
};
const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Runs with a server on a socket that answers every request by this verb. */
async function withVerb<T>(
  run: (call: Call) => Promise<unknown>,
  ask: (socket: string) => Promise<T>,
): Promise<T> {
  return withFolder(async (folder) => {
    const socket = join(folder, "s");
    const server = createServer((_request, response) => {
      void answerVerb(response, { controller: new AbortController(), run, describe: describeError });
    });
    server.listen(socket);
    await once(server, "listening");
    try {
      return await ask(socket);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
}

async function ask(
  socket: string,
): Promise<{ result: unknown; progress: Progress[]; status: number | undefined }> {
  const { signal } = new AbortController();
  const answer = await send(socket, { method: "POST", path: "/", body: {}, signal });
  const progress: Progress[] = [];
  const result = await readAnswer(answer, (step) => progress.push(step));
  return { result, progress, status: answer.statusCode };
}

test("answerVerb() answers a quick verb with plain JSON, whatever progress it told", async () => {
  const run = async (call: Call): Promise<object> => {
    call.onProgress({ phase: "add", done: 1, unit: "files" });
    return { digest: "x" };
  };
  expect(await withVerb(run, ask)).toEqual({ result: { digest: "x" }, progress: [], status: 200 });
});

test("answerVerb() sends at most ten progress lines a second, in order, and the last one before the result", async () => {
  let startMs = 0;
  const run = async (call: Call): Promise<number> => {
    startMs = performance.now();
    let done = 0;
    for (; performance.now() - startMs < 6 * PROGRESS_MS; done += 1) {
      call.onProgress({ phase: "add", done, unit: "bytes" });
      await pause(1);
    }
    return done;
  };
  const { result, progress } = await withVerb(run, ask);
  const told = progress.map(({ done }) => done);
  expect(told.length).toBeGreaterThanOrEqual(2);
  expect(told.length).toBeLessThanOrEqual(8);
  expect(told).toEqual([...told].sort((a, b) => a - b));
  expect(told.at(-1)).toBe(Number(result) - 1);
});

test("answerVerb() gives a failure its status, or after progress its last line", async () => {
  const fail = (): never => {
    throw new SmcError("REF_CHANGED", "moved", { hint: "again", details: { ref: "x" } });
  };
  const refused = { code: "REF_CHANGED", message: "moved", hint: "again", details: { ref: "x" } };
  await expect(withVerb(async () => fail(), ask)).rejects.toMatchObject(refused);
  const status = await withVerb(
    async () => fail(),
    async (socket) =>
      (await send(socket, { method: "POST", path: "/", body: {}, signal: new AbortController().signal }))
        .statusCode,
  );
  expect(status).toBe(409);
  const late = async (call: Call): Promise<never> => {
    await pause(PROGRESS_MS + 20);
    call.onProgress({ phase: "add", done: 1, unit: "bytes" });
    return fail();
  };
  await expect(withVerb(late, ask)).rejects.toMatchObject(refused);
});

test("answerVerb() aborts the verb when the client goes away", async () => {
  let reason: unknown;
  const aborted = new Promise<void>((resolve) => {
    const run = (call: Call): Promise<never> =>
      new Promise((_, reject) => {
        call.signal.addEventListener("abort", () => {
          reason = call.signal.reason;
          reject(call.signal.reason);
          resolve();
        });
      });
    void withVerb(run, async (socket) => {
      const connection = connect(socket);
      connection.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      await pause(50);
      connection.destroy();
      await aborted;
    });
  });
  await aborted;
  expect(reason).toMatchObject({ code: "CANCELED" });
});

test("answerVerb() sends a long result whole to a client that reads slowly, and drops progress meanwhile", async () => {
  const rows = Array.from({ length: 200_000 }, (_, index) => ({
    path: `some/path/to/a/file-${index}`,
    sizeBytes: index,
  }));
  const ticks: number[] = [];
  let last = processorMs();
  const timer = setInterval(() => {
    const now = processorMs();
    ticks.push(now - last);
    last = now;
  }, 5);
  const text = await withVerb(
    async () => rows,
    async (socket) => readSlowly(connect(socket)),
  );
  clearInterval(timer);
  expect(text.slice(text.indexOf("\r\n\r\n"))).toContain(
    `{"path":"some/path/to/a/file-199999","sizeBytes":199999}`,
  );
  expect(Math.max(...ticks)).toBeLessThan(200);
});

async function readSlowly(connection: Socket): Promise<string> {
  connection.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  const parts: Buffer[] = [];
  for await (const part of connection as AsyncIterable<Buffer>) {
    parts.push(part);
    if (parts.length % 20 === 0) await pause(1);
  }
  return Buffer.concat(parts).toString("utf8");
}

test("answerVerb() with a beat lets no more time go by without a line, also when there is nothing to tell", async () => {
  const beatMs = 400;
  await withFolder(async (folder) => {
    const socket = join(folder, "s");
    const server = createServer((_request, response) => {
      const run = async (call: Call): Promise<object> => {
        await pause(5 * beatMs);
        call.onProgress({ phase: "verify", done: 1, unit: "objects" });
        await pause(3 * beatMs);
        return {};
      };
      const controller = new AbortController();
      void answerVerb(response, { controller, run, describe: describeError, beatMs, headers: { x: "1" } });
    }).listen(socket);
    await once(server, "listening");
    const connection = connect(socket);
    connection.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let text = "";
    for await (const part of connection.setEncoding("utf8")) text += String(part);
    server.close();
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\ncontent-type: application\/x-ndjson\r\nx: 1\r\n/);
    expect(text.match(/"phase":"work"/g)?.length).toBeGreaterThanOrEqual(4);
    expect(text.match(/"phase":"verify"/g)?.length).toBeGreaterThanOrEqual(2);
    expect(text).toContain('{"result":{}}');
  });
});

test("writeAll() gives up a client that reads nothing", async () => {
  await withFolder(async (folder) => {
    const socket = join(folder, "s");
    const outcome = new Promise<unknown>((resolve) => {
      const server = createServer((_request, response) => {
        const fill = async (): Promise<void> => {
          for (;;) await writeAll(response, Buffer.alloc(1024 * 1024), 100);
        };
        fill().catch((error: unknown) => {
          response.destroy();
          server.close();
          resolve(error);
        });
      });
      server.listen(socket, () => {
        const connection = connect(socket);
        connection.on("error", () => undefined);
        connection.pause();
        connection.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      });
    });
    expect(await outcome).toMatchObject({ code: "CANCELED" });
  });
});

test("readAnswer() tells a connection that breaks, an answer of another protocol and one that is no JSON", async () => {
  const answers: Readonly<Record<string, [string, object]>> = {
    "HTTP/1.1 200 OK\r\nsmc-protocol: 1\r\ncontent-length: 99\r\n\r\n{": ["Broken", { name: "Broken" }],
    "HTTP/1.1 200 OK\r\nsmc-protocol: 9\r\ncontent-length: 2\r\n\r\n{}": [
      "9",
      { code: "DAEMON_INCOMPATIBLE" },
    ],
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}": ["none", { code: "DAEMON_INCOMPATIBLE" }],
    "HTTP/1.1 200 OK\r\nsmc-protocol: 1\r\ncontent-length: 2\r\n\r\n<h": [
      "text",
      { code: "DAEMON_INCOMPATIBLE" },
    ],
    "HTTP/1.1 200 OK\r\nsmc-protocol: 1\r\ncontent-length: 2\r\n\r\n{}": [
      "empty",
      { code: "DAEMON_INCOMPATIBLE" },
    ],
    ['HTTP/1.1 200 OK\r\nsmc-protocol: 1\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n{"progress":{}}\n']:
      ["no last line", { name: "Broken" }],
  };
  for (const [bytes, [, expected]] of Object.entries(answers)) {
    await withFolder(async (folder) => {
      const socket = join(folder, "s");
      const { createServer: createSocketServer } = await import("node:net");
      const server = createSocketServer((connection) => {
        connection.on("error", () => undefined);
        connection.once("data", () => connection.end(bytes));
      }).listen(socket);
      await once(server, "listening");
      await expect(ask(socket)).rejects.toMatchObject(expected);
      server.close();
    });
  }
});

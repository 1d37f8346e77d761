import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { createClient } from "./client.ts";
import { presenceOf, readRecord } from "./presence.ts";
import { ended, spawnDaemon, until, withDaemonHere } from "./testing.ts";

const SLOW_MS = 60_000;
const CLIENT = new URL("../dist/client.js", import.meta.url).href;

/** Runs with the path of a store in a new folder; whatever daemon has it afterwards is ended. */
async function withStorePath<T>(run: (storePath: string, folder: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const storePath = join(await realpath(folder), "store");
    try {
      return await run(storePath, folder);
    } finally {
      const pid = readRecord(presenceOf(storePath))?.pid;
      if (pid !== undefined && pid !== process.pid) killAndForget(pid);
    }
  });
}

function killAndForget(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A process of its own that asks the daemon, as the command line does; prints the pid of who answered. */
function askFromProcess(storePath: string): Promise<{ code: number | string; out: string; err: string }> {
  const program = `
    const { createClient } = await import(${JSON.stringify(CLIENT)});
    const client = createClient({ storePath: ${JSON.stringify(storePath)} });
    await client.call("repos", { at: { folder: "/" }, input: {} });
    process.stdout.write(String((await client.daemonStatus()).pid));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (part: Buffer) => (out += part.toString()));
  child.stderr.on("data", (part: Buffer) => (err += part.toString()));
  return new Promise((resolve) => {
    child.once("close", (code, signal) => resolve({ code: code ?? signal ?? "", out, err }));
  });
}

test(
  "thirty clients at once start exactly one daemon, and all are answered",
  { timeout: SLOW_MS },
  async () => {
    await withStorePath(async (storePath) => {
      const answers = await Promise.all(Array.from({ length: 30 }, () => askFromProcess(storePath)));
      expect(answers.map(({ code, err }) => [code, err])).toEqual(answers.map(() => [0, ""]));
      const pids = new Set(answers.map(({ out }) => out));
      expect(pids.size).toBe(1);
      const client = createClient({ storePath, autostart: false });
      expect(String((await client.daemonStatus())?.pid)).toBe([...pids][0]);
      expect(await client.stop()).toBe(true);
    });
  },
);

test(
  "a clean stop leaves no socket and no record, and a second one says that none ran",
  { timeout: SLOW_MS },
  async () => {
    await withStorePath(async (storePath) => {
      const client = createClient({ storePath });
      const { pid } = await client.start();
      expect(statSync(join(storePath, "run")).mode & 0o777).toBe(0o700);
      expect(statSync(join(storePath, "run", "daemon.sock")).mode & 0o077).toBe(0);
      expect(readRecord(presenceOf(storePath))?.pid).toBe(pid);
      expect((await client.start()).pid).toBe(pid);
      expect(await client.stop()).toBe(true);
      expect(readdirSync(join(storePath, "run"))).toEqual([]);
      expect(await client.daemonStatus()).toBeUndefined();
      expect(await client.stop()).toBe(false);
    });
  },
);

test("SIGTERM ends a daemon with exit code 0", { timeout: SLOW_MS }, async () => {
  await withStorePath(async (storePath) => {
    const { child, ready } = await spawnDaemon(storePath);
    expect(ready).toEqual({ ready: true });
    child.kill("SIGTERM");
    expect(await ended(child)).toBe(0);
    expect(readdirSync(join(storePath, "run"))).toEqual([]);
  });
});

test("a client takes over after a killed daemon, with nothing to unlock", { timeout: SLOW_MS }, async () => {
  await withStorePath(async (storePath, folder) => {
    const client = createClient({ storePath });
    const first = await spawnDaemon(storePath);
    await client.call("init", { at: { folder }, input: { folder: "work", name: "kept" } });
    for (let round = 0; round < 3; round += 1) {
      const pid = (await client.daemonStatus())?.pid ?? 0;
      process.kill(pid, "SIGKILL");
      if (pid === first.child.pid) await ended(first.child);
      const repos = await client.call("repos", { at: { folder }, input: {} });
      expect(repos.map(({ name }) => name)).toEqual(["kept"]);
      expect((await client.daemonStatus())?.pid).not.toBe(pid);
    }
    await client.stop();
  });
});

test("a second owner of a store is refused with the pid of the first", { timeout: SLOW_MS }, async () => {
  await withStorePath(async (storePath) => {
    const first = await spawnDaemon(storePath);
    const second = await spawnDaemon(storePath);
    expect(second.ready.error?.code).toBe("STORE_LOCKED");
    expect(second.ready.error?.message).toContain(String(first.child.pid));
    expect(await ended(second.child)).toBe(9);
    expect((await createClient({ storePath }).daemonStatus())?.pid).toBe(first.child.pid);
    await createClient({ storePath }).stop();
  });
});

test("a daemon waits for a predecessor that lets go of the store", { timeout: SLOW_MS }, async () => {
  await withStorePath(async (storePath) => {
    const { acquireLock } = await import("@smc/store/lock");
    await mkdir(join(storePath, "run"), { recursive: true, mode: 0o700 });
    const lock = await acquireLock(join(storePath, "run", "lock"));
    const starting = createClient({ storePath }).start();
    await until(() => existsSync(join(storePath, "run", "start.lock")));
    await lock.release();
    expect((await starting).storePath).toBe(storePath);
    await createClient({ storePath }).stop();
  });
});

test("a daemon works when the path of its socket would be too long", { timeout: SLOW_MS }, async () => {
  await withStorePath(async (storePath) => {
    const long = join(storePath, "x".repeat(120), "store");
    const client = createClient({ storePath: long });
    const { socket } = await client.start();
    expect(socket.startsWith(long)).toBe(false);
    expect(statSync(join(socket, "..")).mode & 0o777).toBe(0o700);
    expect(await client.call("repos", { at: { folder: "/" }, input: {} })).toEqual([]);
    expect(await client.stop()).toBe(true);
    expect(existsSync(socket)).toBe(false);
  });
});

test(
  "a daemon without work leaves by itself, and the next command starts another",
  { timeout: SLOW_MS },
  async () => {
    await withStorePath(async (storePath) => {
      for (const idleMs of ["1", "200"]) {
        const first = await spawnDaemon(storePath, { SMC_IDLE_MS: idleMs });
        expect(first.ready).toEqual({ ready: true });
        expect(await ended(first.child)).toBe(0);
        expect(first.log()).toContain('"reason":"idle"');
      }
      expect(existsSync(join(storePath, "run", "daemon.sock"))).toBe(false);
      const client = createClient({ storePath });
      expect(await client.call("repos", { at: { folder: "/" }, input: {} })).toEqual([]);
      await client.stop();
    });
  },
);

test(
  "commands that meet daemons in the middle of leaving are all answered",
  { timeout: SLOW_MS },
  async () => {
    await withStorePath(async (storePath) => {
      const client = createClient({ storePath });
      const seed = Math.floor(Math.random() * 2 ** 31);
      let state = seed;
      for (let round = 0; round < 6; round += 1) {
        const { child } = await spawnDaemon(storePath);
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
        child.kill("SIGTERM");
        await new Promise((resolve) => {
          setTimeout(resolve, state % 12);
        });
        const input = { action: "set", key: "user.name", value: `Round ${round}` } as const;
        await client.call("config", { at: { folder: "/" }, input });
        const read = await client.call("config", {
          at: { folder: "/" },
          input: { action: "get", key: "user.name" },
        });
        expect([seed, round, JSON.stringify(read)]).toEqual([
          seed,
          round,
          expect.stringContaining(`Round ${round}`),
        ]);
        await ended(child);
        await client.stop();
      }
    });
  },
);

test("a client that was asked for its body is answered by a daemon that leaves meanwhile", async () => {
  await withDaemonHere(async ({ daemon, socket }) => {
    const body = JSON.stringify({ at: { folder: "/" }, input: {} });
    const connection = connect(socket);
    let text = "";
    connection.setEncoding("utf8").on("data", (part: string) => (text += part));
    const closed = once(connection, "close");
    const head = `content-type: application/json\r\ncontent-length: ${body.length}\r\nexpect: 100-continue`;
    connection.write(`POST /v1/verbs/refs HTTP/1.1\r\nhost: localhost\r\nsmc-protocol: 1\r\n${head}\r\n\r\n`);
    await until(() => text.startsWith("HTTP/1.1 100 Continue"));
    const stopped = daemon.stop("test");
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    connection.write(body);
    await closed;
    expect(text).toContain("DAEMON_STOPPING");
    await stopped;
  });
});

test(
  "a stale socket is replaced; anything else in its place is left alone",
  { timeout: SLOW_MS },
  async () => {
    await withStorePath(async (storePath) => {
      const socket = join(storePath, "run", "daemon.sock");
      await mkdir(join(storePath, "run"), { recursive: true, mode: 0o700 });
      await leaveSocket(socket);
      const client = createClient({ storePath });
      await client.start();
      await client.stop();
      await writeFile(socket, "precious");
      await expect(client.start()).rejects.toMatchObject({ code: "UNSAFE_PATH" });
      expect(statSync(socket).size).toBe(8);
      await rm(socket);
      await symlink("/etc/passwd", socket);
      await expect(client.start()).rejects.toMatchObject({ code: "UNSAFE_PATH" });
      await rm(socket);
      await client.start();
      await client.stop();
    });
  },
);

/** A socket that nobody listens on, as kill -9 leaves it. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(`${path}.new`, () => resolve());
  });
  // Closing removes the path that was bound, so the socket is moved first.
  await rename(`${path}.new`, path);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}

test(
  "a daemon whose store was removed leaves, and does not touch the socket of the next",
  { timeout: SLOW_MS },
  async () => {
    await withStorePath(async (storePath) => {
      const old = await spawnDaemon(storePath);
      await rm(storePath, { recursive: true });
      const client = createClient({ storePath });
      const { pid } = await client.start();
      expect(await ended(old.child)).toBe(0);
      expect((await client.daemonStatus())?.pid).toBe(pid);
      await client.stop();
    });
  },
);

test("a store in a place where none can be is refused with what is wrong", { timeout: SLOW_MS }, async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, "file"), "");
    const start = (storePath: string): Promise<unknown> => createClient({ storePath }).start();
    await expect(start(join(folder, "file"))).rejects.toMatchObject({ exit: 3 });
    await expect(start(join(folder, "file", "below"))).rejects.toMatchObject({ exit: 3 });
    await expect(start("")).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});

test("a client that may not start a daemon says how to start one", async () => {
  await withStorePath(async (storePath) => {
    const call = createClient({ storePath, autostart: false }).call("repos", {
      at: { folder: "/" },
      input: {},
    });
    await expect(call).rejects.toMatchObject({
      code: "DAEMON_UNREACHABLE",
      hint: 'start it with "smc daemon start"',
    });
    expect(existsSync(storePath)).toBe(false);
  });
});

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { acquireLock, type LockHolder, readLockHolder } from "./lock.ts";
import { withFolder } from "../testing/folder.ts";

const BUILT = new URL("../../dist/lock/lock.js", import.meta.url).href;
const NONCE = "0123456789abcdef0123456789abcdef";

/** Waits for orders: takes the lock, says whether it got it, lets go of it. */
const CONTENDER = `
  import { acquireLock } from ${JSON.stringify(BUILT)};
  let lock;
  process.on("message", async ({ order, path }) => {
    if (order === "release") { await lock.release(); process.send({ released: true }); return; }
    try { lock = await acquireLock(path); process.send({ got: true }); }
    catch (error) { process.send({ got: false, code: error.code, pid: error.details?.pid, text: String(error) }); }
  });
`;

interface Answer {
  got?: boolean;
  code?: string;
  pid?: number;
  text?: string;
}

function startContender(): ChildProcess {
  return spawn(process.execPath, ["--input-type=module", "-e", CONTENDER], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

async function order(child: ChildProcess, message: object): Promise<Answer> {
  const answered = once(child, "message");
  child.send(message);
  const [answer] = (await answered) as [Answer];
  return answer;
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** This process as a holder, changed. */
async function holderLike(folder: string, change: Partial<LockHolder>): Promise<string> {
  await using lock = await acquireLock(join(folder, "sample"));
  return JSON.stringify({ ...lock.holder, nonce: NONCE, ...change });
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return child.pid ?? 0;
}

test("acquireLock() refuses a second owner and names the first", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    const first = await acquireLock(path);
    await expect(acquireLock(path)).rejects.toMatchObject({
      code: "STORE_LOCKED",
      message: expect.stringContaining(`process ${process.pid}`),
      details: { pid: process.pid, host: hostname() },
    });
    expect((await readLockHolder(path))?.nonce).toBe(first.holder.nonce);
    await first.release();
    expect(await readdir(folder)).toEqual([]);
    expect(await readLockHolder(path)).toBeUndefined();
    await using second = await acquireLock(path);
    expect(await readdir(folder)).toEqual(["lock"]);
    expect(second.holder.nonce).not.toBe(first.holder.nonce);
  }));

test("release() leaves the lock of another owner alone", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    const lock = await acquireLock(path);
    const other = await holderLike(folder, {});
    await writeFile(path, other);
    await lock.release();
    expect(await readFile(path, "utf8")).toBe(other);
  }));

test("acquireLock() takes over from a process that is gone", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    await writeFile(path, await holderLike(folder, { pid: await deadPid() }));
    await using lock = await acquireLock(path);
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual(lock.holder);
    expect(await readdir(folder)).toEqual(["lock"]);
  }));

test.runIf(process.platform === "linux")("acquireLock() knows that a pid was given to another program", () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, "lock"), await holderLike(folder, { startTime: "1" }));
    await using lock = await acquireLock(join(folder, "lock"));
    expect(lock.holder.pid).toBe(process.pid);
  }),
);

test.runIf(process.platform === "linux")("acquireLock() knows that the machine was started anew", () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, "lock"), await holderLike(folder, { bootId: "another boot" }));
    await using lock = await acquireLock(join(folder, "lock"));
    expect(lock.holder.bootId).not.toBe("another boot");
  }),
);

test("acquireLock() refuses to judge a holder on another machine", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    await writeFile(path, await holderLike(folder, { host: "elsewhere", bootId: "another boot", pid: 1 }));
    await expect(acquireLock(path)).rejects.toMatchObject({
      code: "STORE_LOCKED",
      message: expect.stringContaining("'elsewhere', another machine"),
      details: { pid: 1, host: "elsewhere" },
    });
    expect((await readdir(folder)).sort()).toEqual(["lock"]);
  }));

test.runIf(process.platform === "linux")("acquireLock() knows its own machine under a new name", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    await writeFile(path, await holderLike(folder, { host: "old-name", pid: await deadPid() }));
    await using lock = await acquireLock(path);
    expect(lock.holder.host).toBe(hostname());
  }),
);

test.each(["", "{", "null", "[]", '{"pid":-1}', "\0".repeat(200), "x".repeat(100_000)])(
  "acquireLock() takes over a file that a power cut left without a record: %j",
  (text) =>
    withFolder(async (folder) => {
      const path = join(folder, "lock");
      await writeFile(path, text);
      await using lock = await acquireLock(path);
      expect(JSON.parse(await readFile(path, "utf8"))).toEqual(lock.holder);
      expect(await readdir(folder)).toEqual(["lock"]);
    }),
);

test("acquireLock() follows a chain of empty files and sweeps what killed attempts left", () =>
  withFolder(async (folder) => {
    const path = join(folder, "lock");
    await writeFile(path, "");
    await using first = await acquireLock(path);
    await first.release();
    await writeFile(path, await holderLike(folder, { pid: await deadPid() }));
    await writeFile(`${path}.${NONCE}`, "");
    const dead = await holderLike(folder, { pid: await deadPid(), nonce: "f".repeat(32) });
    await writeFile(`${path}.${"f".repeat(32)}.tmp`, dead);
    await writeFile(`${path}.log`, dead);
    await using lock = await acquireLock(path);
    expect((await readdir(folder)).sort()).toEqual(["lock", "lock.log"]);
    expect((await readLockHolder(path))?.nonce).toBe(lock.holder.nonce);
  }));

test("acquireLock() says that a folder is in the place of the lock", () =>
  withFolder(async (folder) => {
    await mkdir(join(folder, "lock"));
    await expect(acquireLock(join(folder, "lock"))).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("is not a file"),
    });
    expect((await stat(join(folder, "lock"))).isDirectory()).toBe(true);
    expect(await readdir(folder)).toEqual(["lock"]);
  }));

test(
  "20 processes race for a lock that was free, empty, or of a killed owner: one gets it, 20 times",
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "lock");
      const children = Array.from({ length: 20 }, startContender);
      try {
        for (let round = 0; round < 20; round++) {
          if (round % 4 === 3) await writeFile(path, "");
          const answers = await Promise.all(children.map((child) => order(child, { order: "take", path })));
          const winners = answers.flatMap(({ got }, index) => (got === true ? [index] : []));
          expect({ round, answers, winners: winners.length }).toMatchObject({ winners: 1 });
          const winner = winners[0] ?? 0;
          const losers = answers.filter(({ got }) => got !== true);
          expect(new Set(losers.map(({ code }) => code))).toEqual(new Set(["STORE_LOCKED"]));
          const owner = children[winner];
          if (owner === undefined) continue;
          expect((await readLockHolder(path))?.pid).toBe(owner.pid);
          if (round % 2 === 0) {
            await order(owner, { order: "release" });
            continue;
          }
          await kill(owner);
          expect(await readLockHolder(path)).toBeUndefined();
          children[winner] = startContender();
        }
      } finally {
        await Promise.all(children.map(kill));
      }
    }),
  60_000,
);

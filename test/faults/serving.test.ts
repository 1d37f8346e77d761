/**
 * Pushing to a server and cloning from it while either side is killed: the next run goes on, and every byte arrives.
 */
import { randomFillSync, randomInt } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSandbox, Sandbox, sha256 } from "../e2e/sandbox.ts";
import { logIn, TeamServer } from "../e2e/team-server.ts";
import { seeded } from "../proof/starts.ts";

const SIZE_BYTES = 200 << 20;
/** What is moved again beside the packs that were on their way: commits, trees and lists. */
const SMALL_BYTES = 1 << 20;
const PACK_BYTES = 65 << 20;
const JOBS = 1;
const SEED = Number(process.env.KILL_SEED ?? randomInt(2 ** 31));
const KILLS = 4;

interface Pushed {
  readonly sentBytes: number;
  readonly resumed: { readonly objects: number } | null;
}

/** Sizes of the packs below a folder, or of all that is there; none when it is not there yet. */
function packsIn(folder: string, ending = ".pack"): number[] {
  try {
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
    return names.filter((name) => name.endsWith(ending)).map((name) => statSync(join(folder, name)).size);
  } catch (error) {
    // Also of a file that was there a moment ago.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return [];
  }
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

interface Race {
  readonly sandbox: Sandbox;
  readonly words: readonly string[];
  readonly isTime: () => boolean;
  readonly kill: () => Promise<void>;
}

/** Runs the words, and kills once `isTime()`. True when the words did not come to their end. */
async function killDuring({ sandbox, words, isTime, kill }: Race): Promise<boolean> {
  const progress = { ended: false };
  const running = sandbox.smc(words).then((ran) => {
    progress.ended = true;
    return ran;
  });
  while (!progress.ended && !isTime()) await new Promise(setImmediate);
  await kill();
  return (await running).code !== 0;
}

/** What kills the daemon of a sandbox, without a question that gives it time to end its work. */
async function killerOf(sandbox: Sandbox): Promise<() => Promise<void>> {
  const pid = await sandbox.daemonPid();
  return async () => {
    process.kill(pid, "SIGKILL");
  };
}

async function createModel(server: TeamServer): Promise<{ mine: Sandbox; bytes: Buffer; token: string }> {
  const token = await server.token("laptop");
  const mine = await createSandbox();
  const bytes = randomFillSync(Buffer.alloc(SIZE_BYTES));
  writeFileSync(mine.path("model.bin"), bytes);
  await mine.ok("add", "model.bin");
  await mine.ok("commit", "-q", "-m", "model");
  await logIn(mine, server.url, token);
  await mine.ok("remote", "add", "origin", server.repository());
  return { mine, bytes, token };
}

test("a push goes on after the server was killed, and after the pusher was", async () => {
  await using server = await TeamServer.start();
  const { mine, bytes, token } = await createModel(server);
  await using _ = mine;
  const quarantine = join(server.sandbox.home, "quarantine");
  const words = ["push", "--jobs", String(JOBS), "origin"];
  const isTime = (count: number) => (): boolean => packsIn(quarantine).length >= count;
  let killed = 0;
  if (await killDuring({ sandbox: mine, words, isTime: isTime(1), kill: () => server.kill() })) killed += 1;
  await server.run();
  expect(await mine.ok("ls-remote")).toBe("");
  const kill = await killerOf(mine);
  if (await killDuring({ sandbox: mine, words, isTime: isTime(2), kill })) killed += 1;
  expect(killed).toBe(2);
  const there = sum(packsIn(quarantine));
  expect(there).toBeGreaterThan(PACK_BYTES);

  const rest = await mine.json<Pushed>(...words);
  const total = sum(packsIn(join(mine.home, "packs")));
  expect(rest.sentBytes).toBeLessThanOrEqual(total - there + JOBS * PACK_BYTES + SMALL_BYTES);
  expect(rest.sentBytes).toBeLessThan(total - PACK_BYTES + SMALL_BYTES);
  expect(rest.resumed?.objects).toBeGreaterThan(0);
  expect(packsIn(quarantine)).toEqual([]);
  expect(await server.sandbox.ok("fsck", "--full", "-q")).toBe("");

  await using theirs = new Sandbox();
  await logIn(theirs, server.url, token);
  await theirs.ok("clone", server.repository(), "model");
  expect(sha256(readFileSync(theirs.path("model/model.bin")))).toBe(sha256(bytes));
});

test("a server that is killed while it takes a push over has all of it or no ref, and the rerun is small", async () => {
  await using server = await TeamServer.start();
  const { mine } = await createModel(server);
  await using _ = mine;
  const packs = join(server.sandbox.home, "packs");
  const isTime = (): boolean => packsIn(packs).length > 0;
  await killDuring({ sandbox: mine, words: ["push", "origin"], isTime, kill: () => server.kill() });
  await server.run();
  const refs = await mine.ok("ls-remote", "-q");
  expect(["", "refs/heads/main\n"]).toContain(refs);
  const rest = await mine.json<Pushed>("push", "origin");
  expect(rest.sentBytes).toBeLessThan(PACK_BYTES + SMALL_BYTES);
  expect(await mine.ok("ls-remote", "-q")).toBe("refs/heads/main\n");
  expect(await server.sandbox.ok("fsck", "--full", "-q")).toBe("");
});

test("a fetch goes on after the server was killed, and moves no ref before", async () => {
  await using server = await TeamServer.start();
  const { mine, bytes, token } = await createModel(server);
  await using _ = mine;
  await mine.ok("push", "origin");
  await using theirs = await createSandbox();
  await logIn(theirs, server.url, token);
  await theirs.ok("remote", "add", "origin", server.repository());
  const packs = join(theirs.home, "packs");
  const incoming = join(theirs.home, "incoming");
  const isTime = (): boolean => sum(packsIn(incoming)) + sum(packsIn(packs)) > PACK_BYTES / 2;
  const race = { sandbox: theirs, words: ["fetch", "origin"], isTime, kill: () => server.kill() };
  expect(await killDuring(race)).toBe(true);
  expect(await theirs.ok("refs")).not.toContain("refs/remotes/origin");
  const arrived = sum(packsIn(packs));
  await server.run();
  const rest = await theirs.json<{ receivedBytes: number }>("fetch", "origin");
  expect(rest.receivedBytes).toBeLessThanOrEqual(SIZE_BYTES - arrived + SMALL_BYTES);
  await theirs.ok("checkout", "--detach", "origin/main");
  expect(sha256(readFileSync(theirs.path("model.bin")))).toBe(sha256(bytes));
});

/** Kills one end after the other at random moments, each when some more of `total` lies in `folders`. */
async function killOften(
  words: readonly string[],
  { mine, server, folders, total }: { mine: Sandbox; server: TeamServer; folders: string[]; total: number },
  random: () => number,
): Promise<number> {
  const there = (): number => sum(folders.flatMap((folder) => packsIn(folder, "")));
  let killed = 0;
  for (let round = 0; round < KILLS; round += 1) {
    const left = Math.max(total - there(), 0);
    const until = there() + random() * left;
    const isOurs = random() < 0.5;
    const kill = isOurs ? await killerOf(mine) : (): Promise<void> => server.kill();
    if (await killDuring({ sandbox: mine, words, isTime: () => there() >= until, kill })) killed += 1;
    if (!isOurs) await server.run();
  }
  return killed;
}

test(`push and fetch end well after either end was killed at any moment (KILL_SEED=${SEED})`, async () => {
  const random = seeded(SEED);
  await using server = await TeamServer.start();
  const { mine, bytes, token } = await createModel(server);
  await using _ = mine;
  const total = sum(packsIn(join(mine.home, "packs")));
  const served = ["quarantine", "packs"].map((name) => join(server.sandbox.home, name));
  const push = ["push", "--jobs", String(JOBS), "origin"];
  expect(await killOften(push, { mine, server, folders: served, total }, random)).toBeGreaterThan(0);
  const kept = sum(served.flatMap((folder) => packsIn(folder)));
  const pushed = await mine.json<Pushed>(...push);
  expect(pushed.sentBytes).toBeLessThanOrEqual(total - kept + JOBS * PACK_BYTES + SMALL_BYTES);
  expect(await mine.ok("ls-remote", "-q")).toBe("refs/heads/main\n");

  await using theirs = await createSandbox();
  await logIn(theirs, server.url, token);
  await theirs.ok("remote", "add", "origin", server.repository());
  const taken = ["incoming", "packs"].map((name) => join(theirs.home, name));
  const fetch = { mine: theirs, server, folders: taken, total };
  expect(await killOften(["fetch", "origin"], fetch, random)).toBeGreaterThan(0);
  const arrived = sum(packsIn(join(theirs.home, "packs")));
  const fetched = await theirs.json<{ receivedBytes: number }>("fetch", "origin");
  expect(fetched.receivedBytes).toBeLessThanOrEqual(SIZE_BYTES - arrived + SMALL_BYTES);
  await theirs.ok("checkout", "--detach", "origin/main");
  expect(sha256(readFileSync(theirs.path("model.bin")))).toBe(sha256(bytes));
  for (const sandbox of [server.sandbox, theirs]) expect(await sandbox.ok("fsck", "--full", "-q")).toBe("");
});

/**
 * A team's server as its users see it: two machines push to it and clone from it, and it refuses what its rules say.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { CuttingProxy } from "./cutting-proxy.ts";
import { createSandbox, Sandbox, sha256 } from "./sandbox.ts";
import { logIn, TeamServer } from "./team-server.ts";

const SLOW_MS = 180_000;
const MIB = 1 << 20;

const server = await TeamServer.start();
afterAll(() => server[Symbol.asyncDispose]());
const pushing = await server.token("laptop", "--scope", "push");

/** A user with a repository of one commit whose remote `origin` is a repository of the server; nothing is pushed. */
async function createUser(repository: string, token = pushing, url = server.url): Promise<Sandbox> {
  const sandbox = await createSandbox();
  try {
    await sandbox.commit("first", { "a.txt": "1" });
    await logIn(sandbox, url, token);
    await sandbox.ok("remote", "add", "origin", `${url}/${repository}`);
    return sandbox;
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
}

/** Packs in quarantine. */
function waiting(): string[] {
  try {
    const names = readdirSync(join(server.sandbox.home, "quarantine"), { recursive: true, encoding: "utf8" });
    return names.filter((name) => name.includes(".pack"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

test("a model goes from A to the server and to B, changed back to A", { timeout: SLOW_MS }, async () => {
  await using a = await createUser("team/model");
  const weights = randomBytes(9 * MIB);
  a.write("w/model.bin", weights);
  await a.commit("weights");
  await a.ok("tag", "v1.0.0");
  const pushed = await a.ok("push", "--all", "--tags");
  expect(pushed).toContain(`To origin (${server.url}/team/model)\n`);
  expect(pushed).toMatch(/ {2}Verified {3}\d+ digests {2}ok\n/);
  expect(await a.ok("push", "--all", "--tags")).toBe("Everything up-to-date\n");

  await using b = new Sandbox();
  await logIn(b, server.url, pushing);
  await b.ok("clone", `${server.url}/team/model`, "model");
  expect(sha256(readFileSync(b.path("model/w/model.bin")))).toBe(sha256(weights));
  expect((await b.smc(["log", "--json"], { in: "work/model" })).stdout).toBe(await a.ok("log", "--json"));

  weights.fill(7, 4_000_000, 4_001_000);
  a.write("w/model.bin", weights);
  await a.commit("changed");
  const second = await a.json<{ sentBytes: number }>("push", "origin");
  expect(second.sentBytes).toBeLessThan(weights.length / 2);
  const pulled = await b.smc(["pull"], { in: "work/model" });
  expect(pulled).toMatchObject({ code: 0 });
  expect(sha256(readFileSync(b.path("model/w/model.bin")))).toBe(sha256(weights));
  expect((await b.smc(["verify", "v1.0.0", "--remote", "origin"], { in: "work/model" })).code).toBe(0);
  expect((await b.smc(["fsck", "--remote", "origin", "--full"], { in: "work/model" })).code).toBe(0);
  expect(await server.sandbox.ok("fsck", "--full", "-q")).toBe("");
  expect(waiting()).toEqual([]);
});

test(
  "an up-to-date push is one request; the head of a model is few of them and few bytes",
  {
    timeout: SLOW_MS,
  },
  async () => {
    await using proxy = await CuttingProxy.before(server.url);
    await using a = await createUser("header", pushing, proxy.url);
    const weights = randomBytes(16 * MIB);
    const write = (note: string): void => {
      const table = {
        __metadata__: { note },
        w: { dtype: "F32", shape: [4 * MIB], data_offsets: [0, 16 * MIB] },
      };
      const text = JSON.stringify(table);
      const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(head.length));
      a.write("model.safetensors", Buffer.concat([size, head, weights]));
    };
    write("one");
    await a.commit("one");
    await a.ok("push", "origin");
    proxy.requests.length = 0;
    expect(await a.ok("push", "origin")).toBe("Everything up-to-date\n");
    expect(proxy.requests).toEqual(["GET /v1/repositories/header/refs HTTP/1.1"]);
    write("two, and longer");
    await a.commit("two");
    proxy.requests.length = 0;
    proxy.upBytes = 0;
    await a.ok("push", "origin");
    const bulk = proxy.requests.findIndex((line) => line.startsWith("PUT "));
    expect(proxy.requests.slice(0, bulk).length, proxy.requests.join("\n")).toBeLessThanOrEqual(3);
    expect(proxy.upBytes).toBeLessThan(300_000);
  },
);

test(
  "connections that break again and again: push and clone come to their end",
  { timeout: SLOW_MS },
  async () => {
    await using proxy = await CuttingProxy.before(server.url);
    await using a = await createUser("cut", pushing, proxy.url);
    const weights = randomBytes(40 * MIB);
    a.write("model.bin", weights);
    await a.commit("weights");
    // More than a piece of a pack: each connection brings something, none brings all.
    proxy.cutAfterBytes = 50 * MIB;
    for (let run = 0; ; run += 1) {
      const ran = await a.smc(["push", "origin"]);
      if (ran.code === 0) break;
      expect(ran.code, ran.stderr).toBe(6);
      expect(run).toBeLessThan(5);
    }
    proxy.cutAfterBytes = 7 * MIB;
    proxy.cuts = 0;
    await using b = new Sandbox();
    await logIn(b, proxy.url, pushing);
    await b.ok("clone", `${proxy.url}/cut`, "model");
    expect(proxy.cuts).toBeGreaterThan(0);
    expect(sha256(readFileSync(b.path("model/model.bin")))).toBe(sha256(weights));
  },
);

test(
  "a token reads, or pushes, or nothing; the server knows none that was revoked",
  { timeout: SLOW_MS },
  async () => {
    await using a = await createUser("scopes");
    await a.ok("push", "origin");
    const reading = await server.token("reader", "--scope", "read");
    await using b = new Sandbox();
    expect(await b.smc(["clone", `${server.url}/scopes`, "none"])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining(`smc login ${server.url}`),
    });
    await logIn(b, server.url, reading);
    await b.ok("clone", "-q", `${server.url}/scopes`, "model");
    const refused = await b.smc(["push", "origin", "HEAD:refs/heads/mine"], { in: "work/model" });
    expect(refused).toMatchObject({ code: 7 });
    await server.sandbox.ok("token", "revoke", "reader");
    const gone = await b.smc(["fetch"], { in: "work/model" });
    expect(gone).toMatchObject({ code: 7 });
    for (const text of [refused, gone]) expect(text.stderr + text.stdout).not.toContain(reading);
    expect(await a.ok("ls-remote", "-q")).toBe("refs/heads/main\n");
    const logs = [a, b].map(({ home }) => readFileSync(join(home, "logs", "daemon.log"), "utf8"));
    expect(server.output).toContain("laptop");
    for (const log of [...logs, server.output]) expect(log).not.toContain("smc_");
  },
);

test("the rules of the server hold for every way to push", { timeout: SLOW_MS }, async () => {
  await using a = await createUser("rules");
  await a.ok("tag", "v1");
  await a.ok("push", "--all", "--tags");
  const before = await a.ok("ls-remote");
  const first = (await a.ok("rev-parse", "HEAD")).trim();
  await a.ok("commit", "--amend", "-m", "other");
  await a.ok("tag", "-f", "v1");
  const attempts = [
    ["push", "--force", "origin", "main"],
    ["push", "--force-with-lease", "origin", "main"],
    ["push", "origin", "+v1"],
    ["push", "--delete", "origin", "main"],
    ["push", "--delete", "origin", "v1"],
    ["push", "origin", "HEAD:refs/registry/champion"],
    ["push", "--mirror", "origin"],
    ["sync", "--mirror"],
  ];
  for (const words of attempts) {
    const ran = await a.smc(["--json", ...words]);
    expect({ words, code: ran.code }, ran.stdout).toEqual({ words, code: 5 });
    expect(ran.stdout).toContain("PUSH_FORBIDDEN");
  }
  expect(await a.ok("ls-remote")).toBe(before);
  // What is not protected moves as ever, and who may everything may this.
  await a.ok("push", "origin", `${first}:refs/heads/side`);
  await a.ok("push", "--force", "origin", "HEAD:refs/heads/side");
  await logIn(a, server.url, await server.token("chief", "--scope", "admin"));
  await a.ok("push", "--force", "origin", "main");
});

test(
  "64 who push to branches of their own lose nothing; on one branch exactly one wins",
  {
    timeout: SLOW_MS * 2,
  },
  async () => {
    await using a = await createUser("crowd");
    await a.ok("push", "origin");
    const names = Array.from({ length: 64 }, (_, index) => `b${String(index).padStart(2, "0")}`);
    const tree = (await a.ok("rev-parse", "HEAD")).trim();
    for (const name of names.slice(0, 8)) {
      a.write(`${name}.txt`, name);
      await a.commit(name);
      await a.ok("branch", name);
      await a.ok("reset", "-q", "--hard", tree);
    }
    for (const name of names.slice(8)) await a.ok("branch", name, names[Number(name.slice(1)) % 8] ?? "");
    const ran = await Promise.all(names.map((name) => a.smc(["push", "origin", name])));
    expect(ran.map(({ code, stderr }) => (code === 0 ? "0" : `${code} ${stderr}`))).toEqual(
      names.map(() => "0"),
    );
    const there = (await a.ok("ls-remote", "-q")).trim().split("\n");
    expect(there).toEqual([...names.map((name) => `refs/heads/${name}`), "refs/heads/main"]);
    const race = await Promise.all(
      names.slice(0, 8).map((name) => a.smc(["push", "--json", "origin", `${name}:refs/heads/race`])),
    );
    const won = race.filter(({ code }) => code === 0);
    expect(won).toHaveLength(1);
    for (const { code } of race) expect([0, 5]).toContain(code);
    const [winner] = await a
      .json<{ refs: { name: string; digest: string }[] }>("ls-remote")
      .then(({ refs }) => refs.filter(({ name }) => name === "refs/heads/race"));
    expect(won[0]?.stdout).toContain(winner?.digest ?? "none");
  },
);

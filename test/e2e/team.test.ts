/** A team with a server: one machine serves, two others push to it and fetch from it, each with a token of its own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "./sandbox.ts";

const READY_MS = 60_000;
const server = await createSandbox({ init: false });
const [a, b] = [await createSandbox(), await createSandbox({ init: false })];
const serving = server.smc(["daemon", "run", "--listen", "127.0.0.1:0"]);
afterAll(async () => {
  await server.smc(["daemon", "stop"]);
  await serving;
  for (const sandbox of [a, b, server]) await sandbox[Symbol.asyncDispose]();
});

/** The address of the server, once it answers. */
async function serverUrl(): Promise<string> {
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline) {
    const { stdout } = await server.smc(["daemon", "status", "--json"]);
    const { daemon } = JSON.parse(stdout) as { daemon?: { url: string | null } };
    if (typeof daemon?.url === "string") return daemon.url;
  }
  throw new Error("the server does not come up");
}
const origin = await serverUrl();
const url = `${origin}/team/model`;

async function makeToken(name: string, scope: string): Promise<string> {
  const { secret } = await server.json<{ secret: string }>("token", "create", name, "--scope", scope);
  return secret;
}

async function login(sandbox: Sandbox, token: string): Promise<void> {
  const ran = await sandbox.smc(["login", origin], { stdin: `${token}\n` });
  expect(ran.code, ran.stderr).toBe(0);
}

const tokens: string[] = [];

test("one pushes to the server, another one clones and pulls, byte by byte", async () => {
  tokens.push(await makeToken("ada", "push"), await makeToken("bob", "read"));
  await login(a, tokens[0] ?? "");
  expect(await a.ok("remote", "add", "origin", url)).toContain("ok, empty");
  const first = a.write("model.bin", Buffer.alloc(3_000_000, "weights"));
  await a.ok("add", "model.bin");
  await a.ok("commit", "-m", "one", "--tag", "v1.0.0");
  await a.ok("push", "--all", "--tags");
  expect(await b.refused("clone", url, "copy")).toMatchObject({ exit: 7, code: "AUTH_FAILED" });
  await login(b, tokens[1] ?? "");
  await b.ok("clone", url, "copy");
  const copy = join(b.work, "copy");
  const hash = async (): Promise<string> =>
    (await b.smc(["hash-object", "-q", "model.bin"], { in: "work/copy" })).stdout.trim();
  expect(await hash()).toBe(first);
  const second = a.write("model.bin", Buffer.alloc(3_000_000, "better weights"));
  await a.ok("commit", "-am", "two");
  await a.ok("push");
  const pulled = await b.smc(["pull"], { in: "work/copy" });
  expect(pulled.code, pulled.stderr).toBe(0);
  expect(await hash()).toBe(second);
  expect(readFileSync(join(copy, "model.bin")).length).toBe(3_000_000);
  expect(await a.ok("verify", "main", "--remote", "origin")).toContain("ok");
});

test("who may only read is told so, and nothing moves", async () => {
  const refs = await a.ok("ls-remote", "origin");
  await b.smc(["branch", "mine"], { in: "work/copy" });
  const ran = await b.smc(["push", "origin", "mine", "--json"], { in: "work/copy" });
  expect(ran.code).toBe(7);
  expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: "SCOPE_MISSING" } });
  expect(await a.ok("ls-remote", "origin")).toBe(refs);
});

test("tokens stand in no log and no list of remotes, and one that was taken back is worth nothing", async () => {
  for (const { home } of [a, b])
    for (const file of ["remotes.json", "logs/daemon.log"]) {
      const text = readFileSync(join(home, file), "utf8");
      for (const token of tokens) expect(text).not.toContain(token);
    }
  await server.ok("token", "revoke", "ada");
  const refused = await a.refused("fetch");
  expect(refused).toMatchObject({ exit: 7, code: "AUTH_FAILED" });
  expect(refused.stderr).toContain(`hint: smc login ${origin}\n`);
  await a.ok("logout", url);
  expect((await a.refused("fetch")).message).toContain("there is no token");
});

import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const TOKEN = `smc_${"Zt7_-".repeat(8)}end`;
const READER = `smc_${"r".repeat(43)}`;

/** A server that knows two tokens and has no repositories. */
const server = createServer((request, response) => {
  const { authorization } = request.headers;
  const isKnown = authorization === `Bearer ${TOKEN}` || authorization === `Bearer ${READER}`;
  const scopes = authorization === `Bearer ${TOKEN}` ? ["read", "push"] : ["read"];
  const found = { name: "ada\u001b[2J", scopes, expiresMs: Date.UTC(2030, 0, 2), version: "1", storeId: "0" };
  const result = request.url === "/v1/token" ? found : { refs: [] };
  const error = { code: "AUTH_FAILED", message: `no ${authorization}` };
  response.writeHead(isKnown ? 200 : 401, { "content-type": "application/json" });
  response.end(JSON.stringify(isKnown ? { result } : { error }));
});
await new Promise<void>((resolve) => {
  server.listen(0, "127.0.0.1", resolve);
});
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const sandbox = await createSandbox();
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
});
const credentials = join(sandbox.home, "credentials.json");

test("smc login keeps a token that the server takes; remotes of it are used with it", async () => {
  const refused = await sandbox.refused("remote", "add", "origin", `${origin}/team/model`);
  expect(refused).toMatchObject({ exit: 7, code: "AUTH_FAILED" });
  expect(refused.stderr).toContain(`hint: smc login ${origin}\n`);
  const ran = await sandbox.smc(["login", `${origin}/team/model`], { stdin: `${TOKEN}\n` });
  expect(ran).toEqual({
    code: 0,
    stdout: `Logged in to ${origin} as 'ada\\x1b[2J'\n  Scopes   read, push\n  Expires  2030-01-02\n`,
    stderr: "",
  });
  expect(readFileSync(credentials, "utf8")).toContain(TOKEN);
  expect(await sandbox.ok("remote", "add", "origin", `${origin}/team/model`)).toContain("http: ok, empty");
  for (const file of ["remotes.json", "logs/daemon.log"])
    expect(readFileSync(join(sandbox.home, file), "utf8")).not.toContain("smc_");
});

test("smc remote add says when the token may not push", async () => {
  const { code, stdout } = await sandbox.smc(["login", origin, "--json"], { stdin: READER });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ origin, scopes: ["read"], expiresMs: Date.UTC(2030, 0, 2) });
  const added = await sandbox.smc(["remote", "add", "reader", `${origin}/model`]);
  expect(added.stderr).toContain("may fetch from there and not push");
});

test.each([
  [["login", origin], `smc_${"x".repeat(43)}\n`, 7, "AUTH_FAILED"],
  [["login", origin], "hunter2\n", 2, "ARGUMENT_INVALID"],
  [["login", origin], "", 2, "USAGE"],
  [["login", origin], `${TOKEN}\n${READER}\n`, 2, "USAGE"],
  [["login", origin], "x".repeat(10_000), 5, "LIMIT_EXCEEDED"],
  [["login"], TOKEN, 2, "USAGE"],
  [["login", origin, TOKEN], TOKEN, 2, "USAGE"],
  [["login", `https://ada:hunter2@h`], TOKEN, 2, "URL_INVALID"],
  [["login", "http://models.lan:7433"], TOKEN, 2, "URL_INVALID"],
  [["login", "s3://models"], TOKEN, 2, "URL_INVALID"],
  [["login", "--ca-file", "absent.pem", origin], TOKEN, 3, "PATH_NOT_FOUND"],
  [["login", "--ca-file", "no.pem", origin], TOKEN, 2, "ARGUMENT_INVALID"],
  [["login", "https://127.0.0.1:1"], TOKEN, 6, "REMOTE_UNREACHABLE"],
])("smc %j is refused and keeps nothing", async (words, stdin, exit, code) => {
  writeFileSync(join(sandbox.work, "no.pem"), "no certificate\n");
  const before = readFileSync(credentials, "utf8");
  const ran = await sandbox.smc([...words, "--json"], { stdin });
  expect(ran.code).toBe(exit);
  expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code, exit } });
  expect(ran.stdout + ran.stderr).not.toMatch(/hunter2|smc_x/);
  expect(readFileSync(credentials, "utf8")).toBe(before);
});

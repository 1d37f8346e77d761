/** A server and those who use it, each a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { createAuthority } from "../../packages/daemon/src/remotes/certificates.ts";
import { createSandbox, type Sandbox } from "./sandbox.ts";
import { until } from "./until.ts";

const BIN = fileURLToPath(new URL("../../packages/cli/dist/bin.js", import.meta.url));

const host = await createSandbox({ init: false });
const ada = await createSandbox();
const bob = await createSandbox({ init: false });
const authority = createAuthority("smc e2e");
const { certPem, keyPem } = authority.issue({ hosts: ["127.0.0.1"] });
writeFileSync(host.path("cert.pem"), certPem);
writeFileSync(host.path("key.pem"), keyPem);
for (const { path } of [ada, bob].map((box) => ({ path: box.path("ca.pem") })))
  writeFileSync(path, authority.caPem);

const server: ChildProcess = spawn(
  process.execPath,
  [
    BIN,
    "daemon",
    "run",
    "--listen",
    "0.0.0.0:0",
    "--host-name",
    "127.0.0.1",
    "--tls-cert",
    "cert.pem",
    "--tls-key",
    "key.pem",
  ],
  { cwd: host.work, env: host.env, stdio: ["ignore", "ignore", "pipe"] },
);
let log = "";
server.stderr?.on("data", (part: Buffer) => (log += part.toString()));
afterAll(async () => {
  const left = once(server, "exit");
  server.kill("SIGTERM");
  await left;
  for (const box of [host, ada, bob]) await box[Symbol.asyncDispose]();
});
while ((await host.smc(["daemon", "status"])).code !== 0) expect(server.exitCode).toBe(null);
const { daemon } = await host.json<{ daemon: { url: string } }>("daemon", "status");
const { url } = daemon;

async function logIn(box: Sandbox, name: string, scope: string): Promise<void> {
  const token = await host.ok("token", "create", name, "--scope", scope, "-q");
  const ran = await box.smc(["login", "--ca-file", "ca.pem", url], { stdin: token });
  expect([ran.code, ran.stderr]).toEqual([0, ""]);
}

test("one pushes to a server, another clones, fetches, and may not push without the scope", async () => {
  expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  await logIn(ada, "ada", "push");
  await logIn(bob, "bob", "read");
  const weights = "weights of a model ".repeat(150_000);
  const head = await ada.commit("one", { "model.bin": weights });
  await ada.ok("remote", "add", "origin", `${url}/team/model`);
  await ada.ok("push");
  await bob.ok("clone", `${url}/team/model`, "model");
  expect(readFileSync(join(bob.work, "model", "model.bin"), "utf8") === weights).toBe(true);
  expect((await bob.smc(["-C", "model", "rev-parse", "HEAD"])).stdout).toBe(`${head}\n`);
  const more = await ada.commit("two", { "note.txt": "more" });
  await ada.ok("push");
  expect((await bob.smc(["-C", "model", "pull"])).code).toBe(0);
  expect((await bob.smc(["-C", "model", "rev-parse", "HEAD"])).stdout).toBe(`${more}\n`);
  writeFileSync(join(bob.work, "model", "mine.txt"), "x");
  await bob.ok("-C", "model", "add", ".");
  await bob.ok("-C", "model", "commit", "-m", "mine");
  expect(await bob.refused("-C", "model", "push")).toMatchObject({ exit: 7, code: "SCOPE_MISSING" });
  expect(await host.json("repos")).toMatchObject([{ name: "team/model", branchCount: 1 }]);
  expect(JSON.stringify(await host.json("audit", "--op", "push"))).toContain("ada <ada@server>");
});

/** SHA-256 of the certificate that a new connection is shown. */
async function shownCertificate(): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), ca: authority.caPem });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

test("SIGHUP has a server read its certificate and settings anew, and it goes on", async () => {
  const before = await host.json<{ daemon: { pid: number } }>("daemon", "status");
  const next = authority.issue({ hosts: ["127.0.0.1"] });
  writeFileSync(host.path("cert.pem"), next.certPem);
  writeFileSync(host.path("key.pem"), next.keyPem);
  await host.ok("config", "set", "log.level", "debug");
  server.kill("SIGHUP");
  await until(() => log.includes("read settings and certificate anew"));
  expect(log).toContain('"level":"debug"');
  expect(await shownCertificate()).toBe(new X509Certificate(next.certPem).fingerprint256);

  // What cannot be used is told, and changes nothing.
  writeFileSync(host.path("cert.pem"), "no certificate");
  writeFileSync(join(host.home, "config.json"), "{");
  server.kill("SIGHUP");
  await until(() => log.includes("those from before stay"));
  writeFileSync(join(host.home, "config.json"), "{}");
  server.kill("SIGHUP");
  await until(() => log.includes("the old one stays"));
  expect(await shownCertificate()).toBe(new X509Certificate(next.certPem).fingerprint256);
  const after = await host.json<{ daemon: { pid: number } }>("daemon", "status");
  expect(after.daemon.pid).toBe(before.daemon.pid);
});

test("a protected branch is not rewritten, and a token that was revoked opens nothing", async () => {
  await ada.ok("reset", "--hard", "HEAD~1");
  await ada.commit("another two", { "note.txt": "other" });
  expect(await ada.refused("push", "--force")).toMatchObject({
    exit: 5,
    code: "PUSH_FORBIDDEN",
    stderr: expect.stringContaining("hint: push to another name, or ask who runs the server"),
  });
  await host.ok("config", "set", "serve.protectedBranches", "release/*");
  await ada.ok("push", "--force");
  await host.ok("token", "revoke", "bob");
  expect(await bob.refused("-C", "model", "fetch")).toMatchObject({ exit: 7, code: "AUTH_FAILED" });
});

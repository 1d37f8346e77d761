/** Two hosts, each in a network of its own with a cable between them: a server with TLS on one, a user on the other. */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createAuthority } from "../../packages/daemon/src/remotes/certificates.ts";
import { ROOT } from "../source.ts";
import { type Ran, runProgram, Sandbox, sha256 } from "../e2e/sandbox.ts";

const BIN = join(import.meta.dirname, "..", "..", "packages", "cli", "dist", "bin.js");
const ADDRESSES = { a: "10.213.77.1", b: "10.213.77.2" };
const PORT = 7433;

const found = spawnSync(process.execPath, [join(ROOT, "scripts", "ip.mjs")], { encoding: "utf8" });
/** A program that can make network namespaces. */
const IP = found.stdout.trim();
/** Why there can be no second host here; empty when there can. */
const whyNot = found.stderr.trim();

const ip = (...words: string[]): void =>
  void execFileSync(IP, words, { stdio: ["ignore", "ignore", "pipe"] });

/** Two hosts that see only each other. */
class TwoHosts implements Disposable {
  readonly names = { a: `smc-a-${process.pid}`, b: `smc-b-${process.pid}` };

  constructor() {
    const { a, b } = this.names;
    for (const name of [a, b]) ip("netns", "add", name);
    ip("link", "add", "smc0", "netns", a, "type", "veth", "peer", "name", "smc0", "netns", b);
    for (const [host, name] of Object.entries(this.names)) {
      const address = ADDRESSES[host as keyof typeof ADDRESSES];
      ip("-n", name, "address", "add", `${address}/24`, "dev", "smc0");
      for (const link of ["lo", "smc0"]) ip("-n", name, "link", "set", link, "up");
    }
  }

  /** Runs `smc` on a host. */
  smc(host: "a" | "b", sandbox: Sandbox, words: readonly string[], stdin?: string): Promise<Ran> {
    const args = ["netns", "exec", this.names[host], process.execPath, BIN, ...words];
    return runProgram(IP, args, { cwd: sandbox.work, env: sandbox.env, stdin });
  }

  async ok(host: "a" | "b", sandbox: Sandbox, words: readonly string[], stdin?: string): Promise<string> {
    const ran = await this.smc(host, sandbox, words, stdin);
    if (ran.code === 0) return ran.stdout;
    throw new Error(`smc ${words.join(" ")} ended with ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
  }

  [Symbol.dispose](): void {
    for (const name of Object.values(this.names)) spawnSync(IP, ["netns", "delete", name]);
  }
}

test("a model goes over a network with TLS to another host and back", async ({ skip }) => {
  if (IP === "") {
    // A skipped test says nothing in most reports.
    process.stderr.write(`${whyNot}\n`);
    skip(whyNot);
  }
  using hosts = new TwoHosts();
  await using server = new Sandbox();
  await using user = new Sandbox();
  const authority = createAuthority("smc engines");
  const { certPem, keyPem } = authority.issue({ hosts: [ADDRESSES.b] });
  const [certFile, keyFile] = [join(server.root, "cert.pem"), join(server.root, "key.pem")];
  writeFileSync(certFile, certPem);
  writeFileSync(user.path("ca.pem"), authority.caPem);
  writeFileSync(keyFile, keyPem, { mode: 0o600 });
  const listen = ["--listen", `${ADDRESSES.b}:${PORT}`];
  const plain = await hosts.smc("b", server, ["daemon", "run", ...listen]);
  expect(plain).toMatchObject({ code: 2, stderr: expect.stringContaining("--tls-cert") });

  const running = hosts.smc("b", server, [
    "daemon",
    "run",
    ...listen,
    "--tls-cert",
    certFile,
    "--tls-key",
    keyFile,
  ]);
  let up = false;
  while (!up) up = (await hosts.smc("b", server, ["daemon", "status"])).code === 0;
  const token = (await hosts.ok("b", server, ["token", "create", "laptop", "-q"])).trim();

  const url = `https://${ADDRESSES.b}:${PORT}`;
  const on = (...words: string[]): Promise<string> => hosts.ok("a", user, words);
  await on("init");
  const bytes = randomBytes(30 << 20);
  writeFileSync(user.path("model.bin"), bytes);
  await on("add", "model.bin");
  await on("commit", "-q", "-m", "one");
  // Nobody has vouched for the certificate yet.
  const stranger = await hosts.smc("a", user, ["login", url], `${token}\n`);
  expect(stranger.code, stranger.stderr).toBe(6);
  await hosts.ok("a", user, ["login", url, "--ca-file", user.path("ca.pem")], `${token}\n`);
  await on("remote", "add", "origin", `${url}/team/model`);
  expect(await on("push", "origin")).toContain("Verified");
  await on("clone", `${url}/team/model`, "copy");
  expect(sha256(readFileSync(join(user.work, "copy/model.bin")))).toBe(sha256(bytes));
  await hosts.ok("b", server, ["fsck", "--full"]);
  await hosts.ok("b", server, ["daemon", "stop"]);
  expect((await running).code).toBe(0);
  const gone = await hosts.smc("a", user, ["ls-remote"]);
  expect(gone.code).toBe(6);
  await hosts.smc("a", user, ["daemon", "stop"]);
});

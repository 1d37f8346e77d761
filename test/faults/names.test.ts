/** Names that whoever owns them leads to where a machine of a cloud is told its own keys. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Ran, Sandbox } from "../e2e/sandbox.ts";
import { quoted } from "./running-daemon.ts";

const NEEDS_ROOT = "needs root, to give one process names of its own (unshare --mount)";

/** Runs words of bash where `keys.lan` is the address at which machines are told their keys. */
function withNames(sandbox: Sandbox, script: string): Promise<Ran> {
  const hosts = join(sandbox.root, "hosts");
  writeFileSync(hosts, "127.0.0.1 localhost\n169.254.169.254 keys.lan\n");
  const inside = `set -e\nmount --bind ${quoted(hosts)} /etc/hosts\nsmc() { "$SMC_TEST_NODE" "$SMC_TEST_BIN" "$@"; }\n${script}`;
  return sandbox.shell(`unshare --mount bash -c ${quoted(inside)}`);
}

test("C22: no remote is asked by a name that leads to where machines are told their keys", async ({
  skip,
}) => {
  skip(spawnSync("unshare", ["--mount", "true"]).status !== 0, NEEDS_ROOT);
  await using sandbox = new Sandbox();
  Object.assign(sandbox.env, { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" });
  const endpoints = ["https://keys.lan", "http://keys.lan&insecure=1"];
  const adds = endpoints.map((at, no) => `smc remote add r${no} ${quoted(`s3://bucket/p?endpoint=${at}`)}`);
  const words = [...adds, `smc login https://keys.lan:7433 <<< smc_${"A".repeat(43)}`];
  const tries = words.map((word) => `${word} && exit 1 || echo $?`);
  const script = `smc init >&2\n${tries.join("\n")}\nsmc remote list\nsmc daemon stop`;
  const ran = await withNames(sandbox, script);
  expect(ran.stdout.trim().split("\n").slice(0, words.length), ran.stderr).toEqual(["2", "2", "2"]);
  const told = ran.stderr.match(/'keys\.lan' is 169\.254\.169\.254: .*; it was not asked/g);
  expect(told).toHaveLength(3);
  expect(ran.stderr).toContain("smc config set network.metadataHosts keys.lan");
});

/** A folder of another machine that is not mounted. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Sandbox } from "../e2e/sandbox.ts";
import { quoted } from "./running-daemon.ts";

const NEEDS_ROOT = "needs root, to give one process mounts of its own (unshare --mount)";

test("S4.18 a backup goes to a folder of /etc/fstab only while something is mounted there", async ({
  skip,
}) => {
  skip(spawnSync("unshare", ["--mount", "true"]).status !== 0, NEEDS_ROOT);
  skip(!existsSync("/etc/fstab"), "needs /etc/fstab, to put another one in its place");
  await using sandbox = new Sandbox();
  const [fstab, nas] = [join(sandbox.root, "fstab"), join(sandbox.root, "nas")];
  writeFileSync(fstab, `none\t${nas}\ttmpfs\tnoauto\t0 0\n`);
  mkdirSync(nas);
  sandbox.write("best.pt", "weights");
  const script = [
    `mount --bind ${quoted(fstab)} /etc/fstab`,
    'smc() { "$SMC_TEST_NODE" "$SMC_TEST_BIN" "$@"; }',
    `ln -s ${quoted(nas)} link`,
    `smc backup best.pt one.pt --to ${quoted(nas)}/models; echo $?`,
    "smc backup best.pt one.pt --to link --to here >&2; echo $?",
    `ls -A ${quoted(nas)}`,
    `mount ${quoted(nas)}`,
    `smc backup best.pt one.pt --to ${quoted(nas)}/models >&2; echo $?`,
    `ls ${quoted(nas)}/models; ls here`,
    "smc daemon stop >&2",
  ].join("\n");
  const ran = await sandbox.shell(`unshare --mount bash -c ${quoted(script)}`);
  expect(ran.stdout, ran.stderr).toBe("3\n6\n0\none.pt\none.pt.json\none.pt\none.pt.json\n");
  expect(ran.stderr.match(/nothing is mounted on '[^']*\/nas'; nothing was written there/g)).toHaveLength(2);
});

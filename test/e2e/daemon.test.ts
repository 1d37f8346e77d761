import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";

interface Answer {
  readonly running: boolean;
  readonly daemon: { readonly pid: number; readonly storePath: string };
}

test("smc daemon status tells a daemon that runs, and ends with 1 when none does", async () => {
  const first = await box.json<Answer>("daemon", "status");
  expect(first).toMatchObject({ running: true, daemon: { storePath: box.home } });
  expect(await box.ok("daemon", "status")).toContain(`pid       ${first.daemon.pid}\n`);
  expect(await box.ok("daemon", "stop")).toBe("daemon stopped\n");
  const none = await box.smc(["daemon", "status"]);
  expect(none).toMatchObject({ code: 1, stdout: "no daemon runs\n" });
  expect(await box.ok("daemon", "stop")).toBe("no daemon runs\n");
});

test("verbs start a daemon when none runs, and use the one that does", async () => {
  await box.ok("daemon", "stop");
  await box.ok("status");
  const { daemon } = await box.json<Answer>("daemon", "status");
  await box.ok("refs");
  expect((await box.ok("daemon", "start", "-q")).trim()).toBe(String(daemon.pid));
  const restarted = await box.json<Answer>("daemon", "restart");
  expect(restarted.daemon.pid).not.toBe(daemon.pid);
});

test("a killed daemon leaves nothing to unlock", async () => {
  const { daemon } = await box.json<Answer>("daemon", "status");
  process.kill(daemon.pid, "SIGKILL");
  const head = await box.commit("after the kill", { "a.txt": "a" });
  expect(await box.ok("rev-parse", "HEAD")).toBe(`${head}\n`);
});

test("smc daemon logs prints the last lines", async () => {
  const lines = (await box.ok("daemon", "logs", "-n", "2")).trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(JSON.parse(lines[1] ?? "")).toHaveProperty("msg");
  expect(await box.json("daemon", "logs", "-n", "1")).toMatchObject({
    path: join(box.home, "logs", "daemon.log"),
  });
});

test("smc daemon run stays in the foreground until it is asked to leave", async () => {
  await box.ok("daemon", "stop");
  rmSync(join(box.home, "logs"), { recursive: true, force: true });
  const running = box.smc(["daemon", "run"]);
  while ((await box.smc(["daemon", "status"])).code !== 0);
  await box.ok("daemon", "stop");
  expect((await running).code).toBe(0);
  expect(existsSync(join(box.home, "run", "daemon.sock"))).toBe(false);
});

test("smc daemon run leaves in order when it is interrupted", async () => {
  await box.ok("daemon", "stop");
  const script = `
    "$SMC_TEST_NODE" "$SMC_TEST_BIN" daemon run 2> log & child=$!
    until smc daemon status -q; do :; done
    kill -INT $child; wait $child; echo "exit $?"; smc daemon status; tail -1 log`;
  const ran = await box.shell(`set -m;${script}`);
  expect(ran.stdout).toMatch(/^\d+\nexit 0\nno daemon runs\n.*"msg":"daemon left"/);
});

test.each([
  [["daemon"], 2],
  [["daemon", "strat"], 2],
  [["daemon", "logs", "-n", "0"], 2],
  [["daemon", "status", "-n", "3"], 2],
] as const)("smc %j is refused", async (words, exit) => {
  expect(await box.refused(...words)).toMatchObject({ exit });
});

test("smc daemon run --listen answers other machines, says where, and never leaves by itself", async () => {
  await box.ok("daemon", "stop");
  const script = `
    "$SMC_TEST_NODE" "$SMC_TEST_BIN" daemon run --listen 127.0.0.1:0 2> log & child=$!
    until smc daemon status -q > pid; do :; done
    smc daemon restart 2>&1; smc daemon status; kill -TERM $child; wait $child; echo "exit $?"; cat log`;
  const { stdout } = await box.shell(script);
  const url = /^url +(http:\/\/127\.0\.0\.1:\d+)$/m.exec(stdout)?.[1] ?? "";
  expect(url).not.toBe("");
  expect(stdout).toContain(`the daemon that runs serves ${url}; it was not restarted`);
  expect(stdout).toContain("leaves    never by itself");
  expect(stdout).toContain(`"url":"${url}"`);
  expect(stdout).toContain("exit 0");
});

test.each([
  [["daemon", "run", "--listen", "0.0.0.0:7433"], 2],
  [["daemon", "run", "--listen", "nonsense"], 2],
  [["daemon", "run", "--listen", "127.0.0.1:0", "--tls-cert", "none.pem", "--tls-key", "none.pem"], 3],
] as const)("smc %j ends at once and says why", async (words, exit) => {
  await box.ok("daemon", "stop");
  const ran = await box.smc([...words]);
  expect([ran.code, ran.stderr]).toEqual([exit, expect.stringContaining("daemon cannot start")]);
  expect((await box.smc(["daemon", "status"])).code).toBe(1);
});

test.each([
  [["daemon", "start", "--listen", "127.0.0.1:0"]],
  [["daemon", "run", "--host-name", "x"]],
  [["daemon", "run", "--listen", "127.0.0.1:0", "--tls-cert", "c.pem"]],
])("smc %j is refused as usage", async (words) => {
  expect(await box.refused(...words)).toMatchObject({ exit: 2, code: "USAGE" });
});

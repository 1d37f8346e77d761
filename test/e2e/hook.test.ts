import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";
import { until } from "./until.ts";

interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface HookRow {
  readonly id: string;
  readonly failed: number;
  readonly behind: number;
  readonly last: { readonly ok: boolean; readonly attempts: number; readonly message: string } | null;
}

/** Answers with these one after the other, then with 204. */
class Receiver implements AsyncDisposable {
  readonly got: Got[] = [];
  readonly #statuses: number[];
  readonly #server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      this.got.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      response.writeHead(this.#statuses.shift() ?? 204).end();
    });
  });

  constructor(...statuses: number[]) {
    this.#statuses = statuses;
  }

  async listen(port = 0): Promise<string> {
    await once(this.#server.listen(port, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

async function list(): Promise<HookRow[]> {
  return (await box.json<{ hooks: HookRow[] }>("hook", "list")).hooks;
}

test("smc hook tells a server, signed, again after 503, and remembers how it ended", async () => {
  await using receiver = new Receiver(503);
  const url = await receiver.listen();
  const { hooks, secret } = await box.json<{ hooks: HookRow[]; secret: string }>(
    "hook",
    "add",
    "ref.updated",
    url,
  );
  const id = hooks[0]?.id ?? "";
  expect(statSync(join(box.home, "hooks.json")).mode & 0o777).toBe(0o600);
  const commit = await box.commit("first", { "a.txt": "a" });
  await until(() => receiver.got.length === 2);
  const { headers, body } = receiver.got[1] as Got;
  const [, t = "", v1 = ""] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["smc-signature"])) ?? [];
  const expected = createHmac("sha256", secret).update(`${t}.${body}`).digest();
  expect(timingSafeEqual(Buffer.from(v1, "hex"), expected)).toBe(true);
  expect(Math.abs(Date.now() / 1000 - Number(t))).toBeLessThan(60);
  expect(JSON.parse(body)).toMatchObject({
    event: "ref.updated",
    repository: "work",
    op: "commit",
    actor: "Ada <ada@example.org>",
    reason: "commit (initial): first",
    refs: [{ name: "refs/heads/main", from: null, to: commit }],
  });
  expect(receiver.got[0]?.body).toBe(body);
  await until(async () => (await list())[0]?.last !== null);
  expect((await list())[0]).toMatchObject({
    id,
    failed: 0,
    last: { ok: true, attempts: 2, message: "it answered 204" },
  });
  const log = readFileSync(join(box.home, "logs", "daemon.log"), "utf8");
  expect(`${log}${await box.ok("hook", "list")}`).not.toContain(secret);
  expect(await box.ok("hook", "test", id)).toBe("told\nit answered 204\n");
  expect(JSON.parse(receiver.got[2]?.body ?? "")).toMatchObject({ event: "test", refs: [] });
  expect(await box.ok("hook", "rm", id)).toContain(`Removed hook ${id}`);
});

test("smc hook tells of the champion; what was not told before the daemon left is told by the next", async () => {
  const receiver = new Receiver(400);
  const url = await receiver.listen();
  await box.ok("hook", "add", "champion.changed", url);
  await box.ok("tag", "v1");
  await box.ok("promote", "v1", "--reason", "best", "--yes");
  await until(async () => (await list())[0]?.failed === 1);
  expect((await list())[0]?.last).toMatchObject({ ok: false, attempts: 1, message: "it answered 400" });
  await receiver[Symbol.asyncDispose]();
  await box.commit("second", { "a.txt": "b" });
  await box.ok("tag", "v2");
  await box.ok("promote", "v2", "--reason", "better", "--yes");
  await box.ok("daemon", "stop");
  await using again = new Receiver();
  await again.listen(Number(new URL(url).port));
  await box.ok("hook", "list");
  await until(() => again.got.length > 0);
  expect(JSON.parse(again.got[0]?.body ?? "")).toMatchObject({
    event: "champion.changed",
    reason: expect.stringContaining("better"),
    refs: [{ name: "refs/registry/champion" }],
  });
  await box.ok("hook", "rm", (await list())[0]?.id ?? "");
});

test("smc hook runs a program without a shell, with the event on stdin and nothing else of ours", async () => {
  const out = box.path("told.json");
  box.write("tell.sh", `#!/bin/sh\ncat > "$1"\nls -l /proc/self/fd > "$1.fd"\nenv > "$1.env"\necho done\n`);
  chmodSync(box.path("tell.sh"), 0o755);
  await box.ok("hook", "add", "ref.updated", "--exec", "./tell.sh", "--", out, "$(touch pwned)");
  await box.ok("tag", "v3");
  await until(async () => (await list())[0]?.last !== null);
  expect((await list())[0]?.last).toMatchObject({ ok: true, message: "it ended with 0: done" });
  expect(JSON.parse(readFileSync(out, "utf8"))).toMatchObject({ refs: [{ name: "refs/tags/v3" }] });
  expect(existsSync(box.path("pwned"))).toBe(false);
  expect(readFileSync(`${out}.fd`, "utf8")).toContain("/dev/null");
  expect(readFileSync(`${out}.fd`, "utf8")).not.toContain(box.home);
  expect(readFileSync(`${out}.env`, "utf8")).not.toContain("SMC_");
  await box.ok("hook", "rm", (await list())[0]?.id ?? "");
});

test("a hook goes on being told when how far it has come cannot be written for a while", async () => {
  const out = box.path("told");
  const kept = join(box.home, "hooks.json");
  // The first time it takes away what the daemon would write to.
  const first = `cp "$2" "$2.saved"; echo "{" > "$2"; cat > "$1.1"`;
  box.write("break.sh", `#!/bin/sh\nif [ -e "$1.1" ]; then cat > "$1.2"; else ${first}; fi\n`);
  chmodSync(box.path("break.sh"), 0o755);
  await box.ok("hook", "add", "ref.updated", "--exec", "./break.sh", "--", out, kept);
  await box.ok("tag", "v8");
  await until(async () => existsSync(`${out}.1`));
  await box.ok("tag", "v9");
  await until(async () => existsSync(`${out}.2`));
  copyFileSync(`${kept}.saved`, kept);
  await box.ok("hook", "rm", (await list())[0]?.id ?? "");
});

test("a clone, a worktree and its settings bring no hook", async () => {
  box.write(".smc/hooks.json", '{"version":1,"hooks":[]}');
  box.write(".smc/config.json", '{"hook.exec":"x"}');
  expect(await list()).toEqual([]);
  box.write(".smc/config.json", "{}");
});

test.each([
  [["hook", "add", "job.begun", "https://example.org/"], 2, "ARGUMENT_INVALID"],
  [["hook", "add", "ref.updated", "http://example.org/"], 2, "URL_INVALID"],
  [["hook", "add", "ref.updated", "https://a:b@example.org/"], 2, "URL_INVALID"],
  [["hook", "add", "ref.updated", "--exec", "./nope"], 3, "PATH_NOT_FOUND"],
  [["hook", "add", "ref.updated"], 2, "USAGE"],
  [["hook", "rm", "12345678"], 2, "ARGUMENT_INVALID"],
  [["hook", "frob"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

test("C22 smc hook, remote and login lead nowhere where a machine is told its keys", async () => {
  const url = "https://169.254.169.254/latest";
  const refused = { code: "URL_INVALID", exit: 2, message: expect.stringContaining("169.254.169.254") };
  expect(await box.refused("hook", "add", "champion.changed", url)).toMatchObject(refused);
  expect(await box.refused("remote", "add", "keys", url)).toMatchObject(refused);
  const endpoint = "s3://models/demo?endpoint=https://169.254.169.254";
  expect(await box.refused("remote", "add", "keys", endpoint)).toMatchObject(refused);
  expect((await box.smc(["login", url], { stdin: `smc_${"a".repeat(43)}\n` })).code).toBe(2);
  expect(await box.ok("remote")).toBe("");
  await box.ok("config", "set", "network.metadataHosts", "169.254.169.254");
  await box.ok("hook", "add", "champion.changed", url);
});

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { flip } from "@smc/store/testing";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";
import { until } from "./until.ts";

const BIN = fileURLToPath(new URL("../../packages/cli/dist/bin.js", import.meta.url));
const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Event {
  readonly event: string;
  readonly seq: number;
  readonly reason: string;
}

function follow(...words: string[]): { child: ChildProcess; text: () => string } {
  const child = spawn(process.execPath, [BIN, "events", "-f", ...words], { cwd: box.work, env: box.env });
  let text = "";
  child.stdout.on("data", (part: Buffer) => {
    text += part.toString();
  });
  return { child, text: () => text };
}

test("smc events lists what happened, oldest first", async () => {
  const commit = await box.commit("one", { "a.txt": "1" });
  await box.ok("tag", "v1");
  await box.ok("promote", "v1", "--reason", "best", "--yes");
  const { events } = await box.json<{ events: Event[] }>("events");
  expect(events.map(({ event, reason }) => [event, reason.split(/[ :]/)[0]])).toEqual([
    ["ref.updated", "commit"],
    ["ref.updated", "tag"],
    ["ref.updated", "promote"],
    ["champion.changed", "promote"],
  ]);
  expect(await box.ok("events", "-1")).toContain(`refs/registry/champion absent -> ${commit.slice(0, 9)}`);
  expect(
    (await box.json<{ events: Event[] }>("events", "--event", "ref.updated", "-n", "2")).events,
  ).toHaveLength(2);
  expect(await box.refused("events", "--event", "job.begun")).toMatchObject({
    code: "ARGUMENT_INVALID",
    exit: 2,
  });
});

test("smc events -f --json prints a line for each event as it happens, and ends with the daemon", async () => {
  const { child, text } = follow("--json", "-n", "1");
  const exited = once(child, "exit");
  await until(() => text().split("\n").length === 2);
  await box.commit("two", { "a.txt": "2" });
  await until(() => text().split("\n").length === 3);
  const lines = text().trimEnd().split("\n");
  const [before, after] = lines.map((line): Event => JSON.parse(line));
  expect(before).toMatchObject({ event: "champion.changed" });
  expect(after).toMatchObject({ event: "ref.updated", reason: "commit: two" });
  await box.ok("daemon", "stop");
  expect((await exited)[0]).toBe(0);
});

test("smc events tells of damage that fsck found", async () => {
  await box.commit("three", { "b.txt": "x".repeat(5000) });
  await box.ok("daemon", "stop");
  const packs = join(box.home, "packs");
  const names = readdirSync(packs, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".pack"));
  for (const name of names) flip(join(packs, name), 140);
  expect((await box.smc(["fsck", "--full"])).code).toBe(4);
  const { events } = await box.json<{ events: Event[] }>("events", "--event", "integrity.failed");
  expect(events.at(-1)?.reason).toMatch(/^fsck: \d+ problems: /);
  expect(await box.ok("audit", "--op", "integrity.failed")).toContain("fsck: ");
});

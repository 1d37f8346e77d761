/** What is kept of a training, and where it is found again: log, audit, history, folder, and who is told. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, expect, test } from "vitest";
import type { AuditResult, JobsResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";
import { until } from "./until.ts";

const box = await createSandbox();
const told: { event: string; reason: string }[] = [];
const receiver = createServer((request, response) => {
  request.setEncoding("utf8");
  let body = "";
  request.on("data", (part: string) => (body += part));
  request.on("end", () => {
    told.push(JSON.parse(body) as (typeof told)[number]);
    response.writeHead(204).end();
  });
});
await once(receiver.listen(0, "127.0.0.1"), "listening");
const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
afterAll(async () => {
  await box[Symbol.asyncDispose]();
  receiver.close();
});

const SLOW_MS = 120_000;
const NODE = process.execPath;
/** Two epochs and a model; or an exception, when its rate is too large. */
const SCRIPT = `
import { writeFileSync } from "node:fs";
const lr = Number(process.argv[3]);
for (const epoch of [1, 2]) console.log(JSON.stringify({ epoch, metrics: { loss: lr / epoch, val_acc: epoch / 4 } }));
console.log("saving at " + lr);
if (lr > 1) throw new Error("the rate is too large");
writeFileSync(process.env.SMC_OUTPUT + "/model.bin", "weights " + lr);
`;
const first = await box.commit("script", { "train.mjs": SCRIPT });
await box.ok("hook", "add", "job.finished", url);

async function train(name: string, lr: string, ...words: string[]): Promise<number> {
  return (await box.smc(["train", "--name", name, ...words, "--", NODE, "train.mjs", "--lr", lr])).code;
}

async function cardOf(name: string): Promise<JobsResult["jobs"][number]> {
  const [card] = (await box.json<JobsResult>("jobs", "show", name)).jobs;
  if (card === undefined) throw new Error("no job");
  return card;
}

test(
  "S1.10 S1.11 audit --job has the change of the configuration, the commit and the end; logs of all ends are kept",
  { timeout: SLOW_MS },
  async () => {
    expect(await train("run", "0.5")).toBe(0);
    expect(await train("run", "0.25", "--yes")).toBe(0);
    expect(await train("bad", "2")).toBe(10);
    const { id } = await cardOf("run");
    const { entries } = await box.json<AuditResult>("audit", "--job", "run");
    expect(new Set(entries.map(({ op }) => op))).toEqual(new Set(["train", "train.config", "job.finished"]));
    const change = entries.find(({ op }) => op === "train.config")?.reason ?? "";
    expect(change).toContain(`job ${id} run: `);
    expect(change).toMatch(/"--lr","0\.5"\] -> .*"--lr","0\.25"/);
    for (const { reason } of entries) expect(reason).toContain(id);
    expect(await box.ok("jobs", "logs", "run")).toContain("saving at 0.25");
    expect(await box.ok("jobs", "logs", "bad")).toContain("Error: the rate is too large");
    // Its id is in the journal for ever, its name went with it.
    const bad = await cardOf("bad");
    await box.ok("jobs", "rm", "bad");
    expect((await box.json<AuditResult>("audit", "--job", bad.id)).entries).toMatchObject([
      { op: "job.finished" },
    ]);
    expect(await box.refused("audit", "--job", "bad")).toMatchObject({ code: "JOB_NOT_FOUND", exit: 3 });
  },
);

test("S1.12 log --type train lists what jobs made; it is compared and checked out", async () => {
  const rows = await box.json<{ digest: string }[]>("log", "--all", "--type", "train");
  const made = await box.json<{ digest: string }[]>("log", "jobs/run");
  expect(rows.map(({ digest }) => digest)).toEqual(made.slice(0, 2).map(({ digest }) => digest));
  expect(await box.json("log", "--type", "commit", "jobs/run")).toMatchObject([{ digest: first }]);
  expect(await box.ok("compare", "jobs/run~1", "jobs/run")).toMatch(/loss.*0\.25.*0\.125/);
  await box.ok("checkout", "jobs/run~1");
  expect(box.read("model.bin")).toBe("weights 0.5");
  await box.ok("switch", "main");
});

test("S1.15 the states of a job are in jobs show, each with time and reason", async () => {
  const { transitions } = await cardOf("run");
  const states = ["queued", "preparing", "ready", "running", "finished"];
  expect(transitions.map(({ state }) => state)).toEqual(states);
  const times = transitions.map(({ atMs }) => atMs);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(transitions.every(({ why }) => why !== "")).toBe(true);
});

test("S1.18 a job has a folder: its record, its log, its curve, how it ended, and what it wrote", async () => {
  const { id, folder, outputFolder } = await cardOf("run");
  expect(folder).toBe(join(box.home, "jobs", id));
  for (const name of ["job.json", "history.jsonl", "end.json", "log", "work"])
    expect(existsSync(join(folder, name)), name).toBe(true);
  expect(readdirSync(outputFolder)).toEqual(["model.bin"]);
  const log = readdirSync(join(folder, "log")).map((piece) =>
    readFileSync(join(folder, "log", piece), "utf8"),
  );
  expect(log.join("")).toContain("saving at 0.25");
  expect((await box.ok("ls-tree", "-q", "jobs/run")).trim().split("\n")).toHaveLength(2);
});

test("S1.19 ask 18 who is told of the end gets metrics, best epoch and commit, or the error", async () => {
  await until(() => told.length === 3);
  const [, done, bad] = told;
  const { commit } = await cardOf("run");
  expect(done?.event).toBe("job.finished");
  expect(done?.reason).toMatch(
    /run finished: committed on jobs\/run; epoch 2: loss 0\.125, val_acc 0\.5; best epoch 2, val_acc 0\.5; commit /,
  );
  expect(done?.reason).toContain(`commit ${commit}`);
  expect(bad?.reason).toMatch(/bad failed: exit status 1: .*; epoch 2: loss 1, val_acc 0\.5; best epoch 2/);
});

test(
  "jobs commit: what could not be committed is committed later, and what a program that failed has written",
  { timeout: SLOW_MS },
  async () => {
    // Where this is a branch, jobs/late can be none.
    await box.ok("branch", "jobs/late/in-the-way");
    expect(await train("late", "0.5")).toBe(10);
    expect(await cardOf("late")).toMatchObject({ state: "failed", commit: null });
    expect(await box.refused("jobs", "commit", "late")).toMatchObject({ code: "REF_CONFLICT", exit: 5 });
    expect(await cardOf("late")).toMatchObject({ state: "failed", commit: null });
    await box.ok("branch", "-D", "jobs/late/in-the-way");
    await box.ok("jobs", "commit", "late");
    const late = await cardOf("late");
    expect(late).toMatchObject({ state: "finished", commit: expect.any(String) as string });
    expect((await box.ok("rev-parse", "challenger", "jobs/late")).trim().split("\n")).toEqual([
      late.commit,
      late.commit,
    ]);
    // Again is fine, and changes nothing.
    await box.ok("jobs", "commit", "late");
    expect((await cardOf("late")).transitions).toHaveLength(late.transitions.length);
    const script =
      "require('fs').writeFileSync(process.env.SMC_OUTPUT + '/half.bin', 'half'); process.exit(3)";
    await box.smc(["train", "--name", "broken", "--", NODE, "-e", script]);
    await box.ok("jobs", "commit", "broken");
    expect(await cardOf("broken")).toMatchObject({ state: "failed", commit: expect.any(String) as string });
    expect(await box.ok("cat", "jobs/broken:half.bin")).toBe("half");
    expect((await box.ok("rev-parse", "challenger")).trim()).toBe(late.commit);
  },
);

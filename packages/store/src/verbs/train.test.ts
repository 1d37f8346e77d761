import { expect, test } from "vitest";
import { paramsOf } from "../jobs/train-spec.ts";
import { idlePlace } from "../testing/jobs.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { train } from "./train.ts";

test("train() makes a job of HEAD that waits, with params of its words", async () => {
  await withWorktree(async (bench) => {
    const { digest } = await bench.commit({ "a.txt": "a" });
    const place = idlePlace(bench);
    const { job } = await train(
      place,
      { argv: ["python", "t.py", "--lr", "0.1"], environment: { A: "b" } },
      QUIET,
    );
    expect(job).toMatchObject({ state: "queued", input: digest, name: job?.id, commit: null, priority: 0 });
    expect(job?.spec).toMatchObject({
      params: { lr: 0.1 },
      variables: ["A"],
      graceMs: 30_000,
      timeoutMs: null,
    });
    expect(place.records.get(job?.id ?? "")?.spec.environment).toEqual({ A: "b" });
  });
});

test.each([
  ["no program", { argv: [] }],
  ["a NUL in a word", { argv: ["a", "b\0c"] }],
  ["100,000 words", { argv: Array.from({ length: 100_000 }, () => "x") }],
  ["a word that no kernel takes", { argv: ["a", "x".repeat(200_000)] }],
  ["a negative time", { argv: ["a"], timeout: "-1s" }],
  ["no time at all", { argv: ["a"], timeout: "0s" }],
  ["a time of another age", { argv: ["a"], timeout: "400 days" }],
  ["a variable that loads code", { argv: ["a"], environment: { NODE_OPTIONS: "--require x" } }],
  ["a variable of our own", { argv: ["a"], environment: { SMC_JOB_ID: "x" } }],
  ["a name that is none", { argv: ["a"], environment: { "A B": "x" } }],
  ["an output outside", { argv: ["a"], output: "../x" }],
  ["an absolute output", { argv: ["a"], output: "/tmp" }],
  ["a name that is no branch", { argv: ["a"], name: "a..b" }],
  ["a priority out of range", { argv: ["a"], priority: 1001 }],
])("train() refuses %s and makes no job", async (_, options) => {
  await withWorktree(async (bench) => {
    await bench.commit({ "a.txt": "a" });
    const place = idlePlace(bench);
    await expect(train(place, options, QUIET)).rejects.toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
    expect(place.records.size).toBe(0);
  });
});

test("paramsOf() reads long options, and nothing that looks like a secret", () => {
  const words = [
    "p",
    "--lr",
    "1e-3",
    "--epochs=3",
    "--amp",
    "--name",
    "x",
    "--api-key",
    "hush",
    "-v",
    "--shift",
    "-2",
  ];
  expect(paramsOf(words)).toEqual({ lr: 0.001, epochs: 3, amp: true, name: "x", shift: -2 });
});

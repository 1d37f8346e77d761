/** The engine that comes with smc, on real digits. */
import { afterAll, expect, test } from "vitest";
import type { JobsResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 180_000;
const OWN = ["train", "--engine", "tfjs", "--data", "digits", "--backbone", "tiny-cnn", "--seed", "1"];
await box.commit("begin", { "notes.txt": "digits" });

test(
  "S1.1 S1.5 a training that was stopped goes on at the next epoch and ends with the weights of one that was not",
  { timeout: SLOW_MS },
  async () => {
    const words = [...OWN, "--set", "data.samples=500"];
    // More than it can learn before it is stopped; how many it shall have in the end is said when it goes on.
    await box.ok(...words, "--epochs", "5000", "-d", "--name", "cut");
    while (!(await box.ok("jobs", "logs", "cut")).includes('"epoch":1,'));
    await box.ok("jobs", "stop", "cut");
    await box.smc(["jobs", "wait", "cut"]);
    const [stopped] = (await box.json<JobsResult>("jobs", "show", "cut")).jobs;
    expect(stopped).toMatchObject({ state: "stopped" });
    expect((await box.ok("jobs", "checkpoints", "cut", "-q")).trim()).not.toBe("");
    const learned = (await box.ok("jobs", "epochs", "cut", "-q")).trim().split("\n").length;
    const epochs = learned + 3;
    await box.ok("jobs", "retry", "--resume", "cut", "--epochs", String(epochs));
    expect((await box.smc(["jobs", "wait", "cut"])).code).toBe(0);
    const numbers = Array.from({ length: epochs }, (_, at) => `${at + 1}\n`);
    expect(await box.ok("jobs", "epochs", "cut", "-q")).toBe(numbers.join(""));
    expect(await box.ok("jobs", "logs", "cut")).toContain("step data");
    const whole = await box.ok(...words, "--epochs", String(epochs), "--name", "whole");
    expect(whole).toMatch(new RegExp(`^Epoch +${epochs} {2}loss .* val_acc `, "m"));
    const digest = async (name: string) =>
      (await box.json<{ digest: string }>("cat", `jobs/${name}:model.safetensors`)).digest;
    expect(await digest("cut")).toBe(await digest("whole"));
    const { commit } = await box.json<{ commit: { params: object } }>("show", "challenger");
    expect(commit.params).toMatchObject({ epochs, seed: 1, "backbone.name": "tiny-cnn", lr: 0.001 });
  },
);

test(
  "S1.9 all that is wrong with the settings is told at once, and no job is made",
  { timeout: SLOW_MS },
  async () => {
    const refused = await box.refused(
      ...OWN,
      "--epochs",
      "0",
      "--set",
      "lr=abc",
      "--set",
      "optimizer.name=nope",
    );
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
    for (const field of ["epochs", "lr", "optimizer.name"]) expect(refused.message).toContain(field);
    expect(await box.refused("train", "--epochs", "3", "--", "true")).toMatchObject({
      code: "CONFIG_INVALID",
      exit: 2,
    });
    expect(await box.refused(...OWN, "--", "true")).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
    expect((await box.json<JobsResult>("jobs")).jobs).toHaveLength(2);
  },
);

test("a training that ends before its first epoch is whole has failed and is no challenger", async () => {
  const few = ["--set", "data.samples=300", "--epochs", "1"];
  const before = await box.ok("rev-parse", "challenger");
  const ran = await box.smc([...OWN, ...few, "--set", "timeLimitMs=1", "--name", "short"]);
  expect(ran.code).toBe(10);
  expect(ran.stdout).toContain(
    "the time limit of 1 ms is reached: no epoch was learned whole, so there is no model",
  );
  expect((await box.smc(["rev-parse", "jobs/short"])).code).toBe(3);
  expect(await box.ok("rev-parse", "challenger")).toBe(before);
});

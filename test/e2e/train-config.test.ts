/** What a training is configured with: flags over a file over defaults, and what changed since the last time. */
import { afterAll, expect, test } from "vitest";
import type { JobsResult, TrainResult } from "@smc/store";
import { createSandbox, runProgram } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 120_000;
const SAVE = `require("node:fs").writeFileSync(process.env.SMC_OUTPUT + "/m", process.argv.slice(2).join())`;
await box.commit("script", { "save.cjs": SAVE });
box.write(
  "own.yaml",
  "engine: tfjs\nname: own\nsettings:\n  data: {kind: digits}\n  epochs: 4\n  lr: 0.01\n",
);
box.write(
  "command.yaml",
  `name: run\nargv: [${process.execPath}, save.cjs, --lr, 0.010]\nenvironment: {API_TOKEN: hush}\n`,
);

test(
  "S1.2 --config and --print-config: every value with its origin, in YAML that can be read again",
  { timeout: SLOW_MS },
  async () => {
    const words = ["train", "--config", "own.yaml", "--lr", "0.5", "--batch", "16", "--optimizer", "sgd"];
    const text = await box.ok(...words, "--print-config");
    expect(text).toContain("name: own # file, line 2");
    expect(text).toMatch(/^ {2}epochs: 4 # file, line 5$/m);
    expect(text).toMatch(/^ {2}lr: 0\.5 # flag$/m);
    expect(text).toMatch(/^ {4}name: sgd # flag$/m);
    expect(text).toMatch(/^ {2}validation: 0\.2 # default$/m);
    box.write("printed.yaml", text);
    const { job, config } = await box.json<TrainResult>(
      "train",
      "--config",
      "printed.yaml",
      "--print-config",
    );
    expect(job).toBeNull();
    expect(config).toContainEqual({
      key: "settings.lr",
      value: 0.5,
      origin: "file",
      line: expect.any(Number) as number,
    });
    expect((await box.json<JobsResult>("jobs")).jobs).toEqual([]);
  },
);

test(
  "S1.9 faults of file, flags and settings are told together, with their lines",
  { timeout: SLOW_MS },
  async () => {
    box.write(
      "bad.yaml",
      "engine: tfjs\nepoch: 3\ntimeout: soon\nsettings:\n  data: {kind: digits}\n  epochs: 0\n",
    );
    const refused = await box.refused(
      "train",
      "--config",
      "bad.yaml",
      "--lr",
      "abc",
      "--batch",
      "0",
      "--optimizer",
      "nope",
      "--grace",
      "x",
      "--",
      "true",
    );
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
    const parts = [
      "epoch (line 2)",
      "timeout (line 3)",
      "epochs (line 6)",
      "lr: ",
      "batch: ",
      "optimizer.name: ",
    ];
    for (const part of [...parts, "--grace", "takes no program", "no job was made"])
      expect(refused.message).toContain(part);
    expect(await box.refused("train", "--config", "none.yaml")).toMatchObject({
      code: "PATH_NOT_FOUND",
      exit: 3,
    });
    expect((await box.json<JobsResult>("jobs")).jobs).toEqual([]);
  },
);

test(
  "S1.10 a job of a name that was configured otherwise asks; yes, no and the change are in the audit log",
  { timeout: SLOW_MS },
  async () => {
    const run = ["train", "-q", "--config", "command.yaml"];
    await box.ok(...run);
    // The same again asks nothing; the words are those of the file, as they were typed.
    await box.ok(...run);
    expect(await box.ok("cat", "jobs/run:m")).toBe("--lr,0.010");
    const other = [...run, "--", process.execPath, "save.cjs", "--lr", "0.2"];
    const refused = await box.refused(...other);
    expect(refused).toMatchObject({ code: "CONFIRMATION_NEEDED", exit: 8 });
    expect(refused.message).toContain("argv");
    const env = { ...box.env, SMC_TEST_NODE: process.execPath, SMC_TEST_BIN: box.bin };
    const line = `"$SMC_TEST_NODE" "$SMC_TEST_BIN" ${run.join(" ")} --env API_TOKEN=other --timeout 1h`;
    const type = (stdin: string) =>
      runProgram("script", ["-qec", line, "/dev/null"], { cwd: box.work, env, stdin });
    const no = await type("n\n");
    expect(no.code).toBe(8);
    expect(no.stdout).toMatch(/timeout {2}null -> 3600s\s+environment\.API_TOKEN {2}\*\*\* -> \*\*\*/);
    expect((await box.json<JobsResult>("jobs")).jobs).toHaveLength(2);
    expect((await type("y\n")).code).toBe(0);
    await box.ok("--yes", ...other);
    const audit = await box.ok("audit", "--op", "train.config");
    expect(audit.match(/declined/g)).toHaveLength(2);
    expect(audit).toContain('"0.010"] -> ');
    expect(audit).toContain("timeout 3600s -> null");
    expect(audit).not.toContain("hush");
    expect((await box.json<JobsResult>("jobs")).jobs).toHaveLength(4);
  },
);

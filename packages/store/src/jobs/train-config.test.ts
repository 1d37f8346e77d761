import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/testing.ts";
import { type ConfigFile, readConfigFile } from "./config-file.ts";
import { configText } from "./config-text.ts";
import { configChanges, configOf, labelFault, mergeConfig } from "./train-config.ts";
import { checkSpec } from "./train-spec.ts";

function read(text: string): Promise<ConfigFile> {
  return withFolder((folder) => {
    const path = join(folder, "train.yaml");
    writeFileSync(path, text);
    return readConfigFile(path);
  });
}

const FILE = `# night run
engine: tfjs
name: 007
timeout: 90s
environment: {A: 1e-3, B: }
params:
  note: x.y
settings:
  lr: 1e-3
  optimizer: {name: sgd}
  classWeights: &w {cat: 2}
  augment.flip: true
`;

test("readConfigFile() gives values by key with their lines, words as they were typed", async () => {
  const { values, lines, faults } = await read(FILE);
  expect(faults).toEqual([]);
  expect(Object.fromEntries(values)).toEqual({
    engine: "tfjs",
    name: "007",
    timeout: "90s",
    "environment.A": "1e-3",
    "environment.B": "",
    "params.note": "x.y",
    "settings.lr": 0.001,
    "settings.optimizer.name": "sgd",
    "settings.classWeights.cat": 2,
    "settings.augment.flip": true,
  });
  expect([lines.get("name"), lines.get("settings.optimizer.name")]).toEqual([3, 10]);
  const argv = await read('argv: [python, t.py, --lr, 0.10, "--x"]');
  expect(argv.values.get("argv")).toEqual(["python", "t.py", "--lr", "0.10", "--x"]);
});

test("readConfigFile() tells every key that is wrong", async () => {
  const { faults } = await read(
    "epoch: 3\nargv: x\npriority: 1.5\nparams: [1]\nsettings: {a: [1]}\nname: {a: 1}\n",
  );
  expect(faults.map(({ key }) => key)).toEqual(["epoch", "argv", "priority", "params", "settings.a", "name"]);
});

test.each([
  ["no YAML", "a: [1", /line 1: not YAML/],
  ["a key twice", "name: a\nname: b\n", /line 2/],
  ["a list", "- a\n", /not a map/],
  ["nothing", "", /not a map/],
  ["no text", "name: \0\n", /not text/],
  ["deep brackets", `a: ${"[".repeat(100)}`, /nested deeper/],
])("readConfigFile() refuses %s", async (_, text, message) => {
  await expect(read(text)).rejects.toMatchObject({
    code: "FILE_MALFORMED",
    message: expect.stringMatching(message),
  });
});

const flags = { argv: [], settings: { lr: 0.5 }, grace: "5s", inherited: { PATH: "/bin", A: "inherited" } };

test("mergeConfig() puts flags over the file over defaults, and knows the origin of each value", async () => {
  const { options, settings, origins } = mergeConfig(flags, await read(FILE));
  expect(settings).toMatchObject({ lr: 0.5, "optimizer.name": "sgd" });
  expect(options).toMatchObject({
    name: "007",
    grace: "5s",
    environment: { PATH: "/bin", A: "1e-3", B: "" },
  });
  const { spec } = checkSpec(options, JSON.stringify({ lr: 0.5, optimizer: { name: "sgd", momentum: 0.9 } }));
  const text = configText(configOf({ spec, origins }));
  expect(text).toContain("timeout: 90s # file, line 4");
  expect(text).toContain("grace: 5s # flag");
  expect(text).toContain("output: null # default");
  expect(text).toContain("    momentum: 0.9 # default");
  expect(text).toContain("# environment, without its values: A (file, line 5), B (file, line 5)");
  // What is printed is read again.
  const again = await read(text);
  expect(again.faults).toEqual([]);
  expect(again.values.get("settings.optimizer.name")).toBe("sgd");
});

test("configChanges() tells before and after, of variables only that they changed", () => {
  const of = (argv: string[], environment: Record<string, string>) => {
    const { options, origins } = mergeConfig(
      { argv, environment, inherited: { LANG: argv[1] ?? "" } },
      undefined,
    );
    return { spec: checkSpec(options).spec, origins };
  };
  const before = of(["p", "1"], { KEY: "hush" });
  expect(configChanges(before, of(["p", "1"], { KEY: "hush" }))).toEqual([]);
  expect(configChanges(before, of(["p", "2"], { KEY: "other", NEW: "1" }))).toEqual([
    { key: "argv", before: ["p", "1"], after: ["p", "2"] },
    { key: "environment.KEY", before: "***", after: "***" },
    { key: "environment.NEW", after: "***" },
  ]);
});

test("labelFault() names the option, or the key and its line", () => {
  const origins = { metricsFile: { origin: "flag" }, "settings.lr": { origin: "file", line: 4 } } as const;
  const label = (key: string): string => labelFault({ key, message: "is wrong" }, { origins });
  expect(label("metricsFile")).toBe("--metrics-file: is wrong");
  expect(label("settings.lr")).toBe("lr (line 4): is wrong");
  expect(label("settings.epochs")).toBe("epochs: is wrong");
});

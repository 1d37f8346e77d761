import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/folder.ts";
import { readMetricsFiles, readParamsFiles } from "./values-file.ts";

/** Runs with the path of a file of this text. */
async function withText<T>(name: string, text: string | Uint8Array, run: (path: string) => Promise<T>) {
  return withFolder(async (folder) => {
    await writeFile(join(folder, name), text);
    return run(join(folder, name));
  });
}

const ULTRALYTICS = [
  "                  epoch,         train/box_loss,       metrics/mAP50(B)",
  "                      0,                 1.2518,                0.61",
  "                      1,                 1.1017,                0.712",
  "",
].join("\n");

test.each([
  [
    "nested.json",
    '{"train": {"loss": 0.25, "deep": {"f1": 1}}, "acc": 0.9}',
    { "train.loss": 0.25, "train.deep.f1": 1, acc: 0.9 },
  ],
  ["dvc.yaml", "train:\n  loss: 0.25\nacc: 9e-1\n", { "train.loss": 0.25, acc: 0.9 }],
  ["results.csv", ULTRALYTICS, { epoch: 1, "train/box_loss": 1.1017, "metrics/mAP50(B)": 0.712 }],
  ["keras.csv", 'epoch;"acc";loss\r\n0;0.5;1.25\r\n1;0.75;1\r\n', { epoch: 1, acc: 0.75, loss: 1 }],
  ["pandas.csv", ",loss\n0,3.5\n", { loss: 3.5 }],
  ["bom.tsv", "\ufeffloss\tacc\n1\t.5", { loss: 1, acc: 0.5 }],
])("readMetricsFiles() reads %s", async (name, text, metrics) => {
  expect(await withText(name, text, (path) => readMetricsFiles([path]))).toEqual({ metrics, leftOut: [] });
});

test("readMetricsFiles() leaves out what is no finite number, and says so", async () => {
  const read = (name: string, text: string) =>
    withText(name, text, async (path) => {
      const { metrics, leftOut } = await readMetricsFiles([path]);
      return { metrics, leftOut: leftOut.map((line) => line.slice(path.length)) };
    });
  expect(await read("keras.csv", 'epoch,loss,lr,note\n3,NaN,NA,"a, b"\n')).toEqual({
    metrics: { epoch: 3 },
    leftOut: [": loss", ": lr", ": note"],
  });
  expect(await read("m.yaml", "a: 1\nb: .inf\nc: [1, 2]\nd: text\n")).toEqual({
    metrics: { a: 1 },
    leftOut: [": b", ": c", ": d"],
  });
});

test("readMetricsFiles() takes the value of the later file", async () => {
  await withFolder(async (folder) => {
    const [one, two] = [join(folder, "1.json"), join(folder, "2.json")];
    await writeFile(one, '{"a": 1, "b": 1}');
    await writeFile(two, '{"b": 2}');
    expect((await readMetricsFiles([one, two])).metrics).toEqual({ a: 1, b: 2 });
  });
});

test("readParamsFiles() keeps every plain value, and lists as text", async () => {
  const text = "task: detect\nlr0: 0.01\namp: true\nclasses: null\nimgsz: [640, 480]\nmodel:\n  depth: 3\n";
  expect(await withText("args.yaml", text, (path) => readParamsFiles([path]))).toEqual({
    task: "detect",
    lr0: 0.01,
    amp: true,
    classes: null,
    imgsz: "[640,480]",
    "model.depth": 3,
  });
});

const BOMB = `a: &a [1,1,1,1,1,1,1,1,1,1]\n${"bcdefgh"
  .split("")
  .map((key, index) => `${key}: &${key} [${Array(10).fill(`*${"abcdefgh"[index]}`).join(",")}]`)
  .join("\n")}\n`;

test.each([
  ["m.json", '{\n"a": 1,\n"b": NaN}', "FILE_MALFORMED", /line 3: not JSON: Unresolved plain scalar/],
  ["m.json", "[1]", "FILE_MALFORMED", /outermost/],
  ["m.json", '{"a": "x"}', "FILE_MALFORMED", /no number/],
  ["m.json", '{"__proto__": {"a": 1}}', "FILE_MALFORMED", /not allowed/],
  ["m.json", '{"a.b": 1, "a": {"b": 2}}', "FILE_MALFORMED", /twice/],
  ["m.json", `${'{"a":'.repeat(1000)}1${"}".repeat(1000)}`, "FILE_MALFORMED", /nested deeper/],
  ["m.json", "", "FILE_MALFORMED", /./],
  ["m.yaml", "a: 1\n b: 2\n", "FILE_MALFORMED", /line \d: not YAML/],
  ["m.yaml", "a: 1\na: 2\n", "FILE_MALFORMED", /unique/],
  ["m.yaml", BOMB, "FILE_MALFORMED", /aliases/],
  ["m.yaml", "[".repeat(60_000), "FILE_MALFORMED", /nested deeper/],
  ["m.yaml", "- ".repeat(30_000), "FILE_MALFORMED", /nested deeper/],
  ["m.yaml", "? ".repeat(30_000), "FILE_MALFORMED", /nested deeper/],
  ["m.csv", "a,b\n", "FILE_MALFORMED", /no row/],
  ["m.csv", "a,b\n1,2\n3\n", "FILE_MALFORMED", /line 3: 1 cells below 2 names/],
  ["m.csv", "a,a\n1,2\n", "FILE_MALFORMED", /line 1: .*twice/],
  ["m.csv", 'a,b\n"1"x,2\n', "FILE_MALFORMED", /line 2: text behind/],
  ["m.csv", Buffer.from([0x61, 0x0a, 0xff]), "FILE_MALFORMED", /UTF-8/],
  ["m.txt", "a", "ARGUMENT_INVALID", /does not end in/],
  ["m.yaml", " ".repeat(70_000), "LIMIT_EXCEEDED", /larger/],
])("readMetricsFiles() refuses %s %#", async (name, text, code, message) => {
  await withText(name, text, async (path) => {
    const read = readMetricsFiles([path]);
    await expect(read).rejects.toMatchObject({ code });
    await expect(read).rejects.toThrow(message);
  });
});

test("readMetricsFiles() refuses a file that is not there, and a path that is not absolute", async () => {
  await expect(readMetricsFiles(["/nowhere/m.json"])).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  await expect(readMetricsFiles(["m.json"])).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
});

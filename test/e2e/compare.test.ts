import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

beforeAll(async () => {
  const values = (mag: string, azi: string, lr: string) =>
    ["--metric", `mag=${mag}`, "--metric", `azi=${azi}`, "--param", `lr=${lr}`, "--param", "seed=1"] as const;
  await box.commit(
    "one",
    { "m.bin": "1", same: "=" },
    ...values("98.36", "50.66", "0.001"),
    "--tag",
    "v1.0.0",
  );
  await box.commit("two", { "m.bin": "22" }, ...values("97.63", "71.28", "0.0005"), "--tag", "v1.0.1");
});

test("S3.21 smc compare prints what was won and lost", async () => {
  const text = await box.ok("compare", "v1.0.0", "v1.0.1");
  expect(text).toMatch(/^azi +50\.66 +71\.28 +\+20\.62 ▲$/m);
  expect(text).toMatch(/^mag +98\.36 +97\.63 +-0\.73 ▼$/m);
  expect(text).toMatch(/^lr +0\.001 +0\.0005$/m);
  expect(text).toContain("1 of 2 params differ");
  expect(text).toMatch(/^m\.bin +1 B +2 B$/m);
  expect(text).not.toMatch(/^same/m);
  expect(await box.ok("compare", "v1.0.0", "v1.0.1", "--all")).toMatch(/^same +1 B +1 B +same$/m);
});

test("S3.11 smc compare --json answers by version without the v", async () => {
  expect(await box.json("compare", "1.0.0", "1.0.1", "--tensors")).toMatchObject({
    versions: [{ label: "v1.0.0" }, { label: "v1.0.1" }],
    metrics: [
      { name: "azi", deltas: [0, 20.62], best: [1] },
      { name: "mag", deltas: [0, -0.73], best: [0] },
    ],
    tensors: [null, { changed: 0 }],
  });
});

test("ask 10 smc compare --only-changed, --md and --csv", async () => {
  expect(await box.ok("compare", "v1.0.0", "v1.0.1", "--md", "--only-changed")).toContain(
    "| Metric | v1.0.0 | v1.0.1 | Change |\n| --- | ---: | ---: | ---: |\n| azi | 50.66 | 71.28 | +20.62 ▲ |\n",
  );
  const csv = (await box.ok("compare", "v1.0.0", "v1.0.1", "--csv")).split("\n");
  expect(csv.slice(0, 4)).toEqual([
    "kind,name,v1.0.0,v1.0.1",
    "metric,azi,50.66,71.28",
    "metric,mag,98.36,97.63",
    "param,lr,0.001,0.0005",
  ]);
});

test.each([
  [["compare", "v1.0.0"], 2, "ARGUMENT_INVALID"],
  [["compare", "v1.0.0", "v9"], 3, "REVISION_NOT_FOUND"],
  [["compare", "v1.0.0", "v1.0.1", "--md", "--csv"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

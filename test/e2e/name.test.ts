import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const BAD = "data/models/trained/best.pt";
box.write(BAD, "weights");

test("S4.19 a bad name below data/models is a warning, with --strict-names status 2 and nothing changed", async () => {
  expect(await box.refused("add", "--strict-names", BAD)).toMatchObject({
    exit: 2,
    code: "ARGUMENT_INVALID",
    message: expect.stringContaining(`'${BAD}'; nothing was changed`),
  });
  const added = await box.smc(["add", BAD]);
  expect(added).toMatchObject({ code: 0, stdout: "1 file staged\n" });
  expect(added.stderr).toBe(`warning: '${BAD}' is not named by name.pattern; see "smc name suggest"\n`);
  expect(await box.refused("commit", "-m", "one", "--strict-names")).toMatchObject({ exit: 2 });
  const committed = await box.smc(["commit", "-m", "one"]);
  expect(committed).toMatchObject({ code: 0, stderr: expect.stringContaining("warning: ") });
});

test("S4.19 smc name suggest and check follow name.pattern", async () => {
  expect(await box.ok("name", "suggest", "--type", "yolo11s", BAD)).toMatch(/^yolo11s_v1\.0\.0_\d{8}\.pt\n$/);
  const names = ["name", "check", "yolo11s_v1_20231201.pt", "best.pt"];
  const checked = await box.smc(names);
  expect(checked).toMatchObject({
    code: 1,
    stdout: "yolo11s_v1_20231201.pt: good\nbest.pt: it is not of the form {model_type}_{version}_{date}.pt\n",
  });
  await box.ok("config", "set", "name.pattern", "{date}-{version}");
  expect(await box.ok("name", "suggest", "--version", "v3", BAD)).toMatch(/^\d{8}-v3\.pt\n$/);
  const { names: rows } = await box.json<{ names: unknown }>("name", "check", "x/20260115-v3.gguf");
  expect(rows).toEqual([{ name: "x/20260115-v3.gguf", fault: null }]);
});

test.each([
  [["config", "set", "name.pattern", "{kind}.pt"], "CONFIG_INVALID"],
  [["name", "invent"], "USAGE"],
  [["name", "check"], "USAGE"],
  [["name", "check", "--type", "x", "y"], "USAGE"],
  [["name", "suggest", "--version", "newest"], "ARGUMENT_INVALID"],
] as const)("smc %j is refused", async (words, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit: 2, code });
});

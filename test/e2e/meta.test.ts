import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, expect, test } from "vitest";
import { ROOT } from "../source.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const schema: object = JSON.parse(
  readFileSync(join(ROOT, "docs", "reference", "metadata.schema.json"), "utf8"),
);
const isMetadata = new Ajv2020().compile(schema);

test("S3.5 S3.12 smc meta create writes a metadata.json that its schema allows, and cat gives it back", async () => {
  await box.commit("one", { m: "1" }, "--metric", "azi=71.28", "--param", "lr=0.001", "--tag", "v1.0.0");
  await box.ok(
    "meta",
    "create",
    "metadata.json",
    "--from",
    "v1.0.0",
    "--set",
    "data.events=5",
    "--set",
    "version=v1.0.1",
  );
  await box.ok("meta", "edit", "metadata.json", "--set", "status=challenger");
  await box.commit("two", {}, "--tag", "v1.0.1");
  const document: unknown = JSON.parse(await box.ok("cat", "v1.0.1:metadata.json"));
  expect(isMetadata(document), JSON.stringify(isMetadata.errors)).toBe(true);
  expect(document).toMatchObject({
    version: "v1.0.1",
    status: "challenger",
    training: { lr: 0.001 },
    data: { events: 5 },
    metrics: { azi: 71.28 },
  });
  for (const wrong of [{ status: "best" }, { metrics: { a: "x" } }, { colour: 1 }, { schema: 2 }])
    expect(isMetadata({ ...(document as object), ...wrong })).toBe(false);
});

test("smc meta set and get", async () => {
  await box.ok("meta", "set", "v1.0.0", "site=3", "metrics.azi=70");
  expect(await box.ok("meta", "get", "v1.0.0", "metrics.azi", "-q")).toBe("70\n");
  expect(await box.ok("meta", "get", "v1.0.0")).toMatch(
    /^site +3 +note [0-9a-f]{9} by Ada <ada@example\.org>, /m,
  );
});

test.each([
  [["meta"], 2, "USAGE"],
  [["meta", "get", "v1.0.0", "azimuth"], 3, "CONFIG_NOT_FOUND"],
  [["meta", "set", "v1.0.0"], 2, "USAGE"],
  [["meta", "set", "v1.0.0", "metrics.azi=low"], 2, "ARGUMENT_INVALID"],
  [["meta", "create", "metadata.json"], 5, "ALREADY_EXISTS"],
  [["meta", "edit", "metadata.json", "--set", "status=best"], 2, "FILE_MALFORMED"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

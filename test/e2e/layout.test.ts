import { existsSync, readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

await box.commit("one", { "model.bin": "weights 1" }, "--tag", "v1.0.0", "--metric", "azi=50.66");
await box.commit("two", { "model.bin": "weights 2" }, "--tag", "v1.0.1", "--metric", "azi=71.28");
await box.ok("promote", "v1.0.1", "--reason", "better", "--yes");
await box.ok("archive", "v1.0.0", "--reason", "azi low");

test("S3.1 smc layout sync writes champion, challenger and archive with metadata.json", async () => {
  const plan = await box.ok("layout", "sync", "-n", "models");
  expect(plan).toMatch(/^champion +would be written +v1\.0\.1 +1 file +9 B$/m);
  expect(existsSync(box.path("models"))).toBe(false);
  const text = await box.ok("layout", "sync", "models");
  expect(text).toMatch(/^challenger +absent$/m);
  expect(box.read("models/champion/model.bin")).toBe("weights 2");
  expect(box.read("models/archive/v1.0.0/model.bin")).toBe("weights 1");
  expect(JSON.parse(box.read("models/champion/metadata.json"))).toMatchObject({
    status: "champion",
    metrics: { azi: 71.28 },
  });
  expect(JSON.parse(box.read("models/archive/v1.0.0/metadata.json"))).toMatchObject({ reason: "azi low" });
  const again = await box.json<{ folders: { action: string }[] }>("layout", "sync", "models");
  expect(again.folders.map(({ action }) => action)).toEqual(["unchanged", "absent", "unchanged"]);
  // The copies are not for committing.
  expect(await box.ok("add", "-n", "-q", "models")).toBe("models/.smcignore\n");
});

test("S3.1 a file that smc did not write is never lost: status 5", async () => {
  box.write("models/champion/mine.txt", "1");
  await box.ok("promote", "v1.0.0", "--reason", "back", "--yes");
  expect(await box.refused("layout", "sync", "models")).toMatchObject({
    exit: 5,
    code: "WOULD_OVERWRITE",
    message: expect.stringContaining("models/champion/mine.txt"),
  });
  expect(box.read("models/champion/model.bin")).toBe("weights 2");
  expect(await box.refused("layout", "sync")).toMatchObject({ exit: 2, code: "USAGE" });
});

test("S3.1 smc checkout champion --to DIR writes the files, and HEAD stays", async () => {
  const before = await box.ok("status");
  expect(await box.ok("checkout", "champion", "--to", "../served")).toMatch(
    /^1 file of \w{9}, 9 B, written to /,
  );
  expect(readFileSync(box.path("../served/model.bin"), "utf8")).toBe("weights 1");
  expect(await box.ok("checkout", "champion", "--to", "../served")).toContain("already\n");
  expect(await box.ok("status")).toBe(before);
});

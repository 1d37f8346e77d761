import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("S4.20 smc tag --bump and smc changelog: Markdown from notes and commits", async () => {
  await box.commit("one", { m: "1" }, "--metric", "azi=50.66", "--tag", "v1.0.0");
  await box.commit("two", { m: "2" }, "--metric", "azi=71.28");
  expect(await box.ok("tag", "--bump", "minor")).toContain("v1.1.0");
  await box.ok("note", "v1.1.0", "-m", "better at the edges");
  await box.commit("three", { m: "3" });
  expect(await box.ok("changelog", "--md")).toMatch(
    /^# Changelog\n\n## Unreleased\n\n- three \([0-9a-f]+\)\n\n## v1\.1\.0 \(\d{4}-\d\d-\d\d\)\n\n- azi 71\.28 \(\+20\.62\)\n- Note: better at the edges\n- two \([0-9a-f]+\)\n\n## v1\.0\.0 \([-0-9]+\)\n\n- azi 50\.66\n- one \([0-9a-f]+\)\n$/,
  );
  expect(await box.ok("changelog", "--since", "v1.0.0", "-q")).toBe("v1.1.0\n");
  expect(await box.ok("changelog", "v1.0.0")).toMatch(/^v1\.0\.0 \([-0-9]+\)\n {2}azi 50\.66\n {2}one \(/);
  expect(await box.refused("changelog", "v9")).toMatchObject({ exit: 3, code: "REVISION_NOT_FOUND" });
});

test("S4.20 smc changelog of a model file: when it came, and its notes", async () => {
  box.write("my_model.pt", "weights");
  await box.ok("note", "my_model.pt", "-m", "for nights");
  await box.ok("note", "my_model.pt", "-m", "fewer misses");
  expect(await box.ok("changelog", "my_model.pt", "--md")).toMatch(
    /^# Changelog\n\n## my_model\.pt \(\d{4}-\d\d-\d\d\)\n\n- Note: for nights\n- Note: fewer misses\n$/,
  );
  expect(await box.refused("changelog", "my_model.pt", "--since", "v1.0.0")).toMatchObject({
    exit: 2,
    code: "ARGUMENT_INVALID",
  });
});

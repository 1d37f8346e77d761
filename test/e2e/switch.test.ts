import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc switch -c makes a branch and goes to it", async () => {
  await box.commit("one", { "a.txt": "one" });
  expect(await box.ok("switch", "-c", "experiment")).toMatch(
    /^Switched to a new branch 'experiment' \([0-9a-f]{9}\)\n/,
  );
  await box.commit("two", { "a.txt": "two" });
  expect(await box.ok("switch", "-q", "main")).toBe("main\n");
  expect(box.read("a.txt")).toBe("one");
});

test("smc switch --json tells branch and digest", async () => {
  const head = (await box.ok("rev-parse", "experiment")).trim();
  expect(await box.json("switch", "experiment")).toMatchObject({ branch: "experiment", digest: head });
  expect(await box.json("switch", "--detach", "main")).toMatchObject({ branch: null });
  await box.ok("switch", "main");
});

test("smc switch - goes back to the branch before, smc checkout - as well", async () => {
  await box.ok("switch", "experiment");
  expect(await box.ok("switch", "-q", "-")).toBe("main\n");
  expect(await box.ok("rev-parse", "--abbrev-ref", "@{-1}")).toBe("experiment\n");
  expect(await box.json("checkout", "-")).toMatchObject({ branch: "experiment" });
  expect(await box.ok("switch", "-q", "@{-1}")).toBe("main\n");
});

test("smc switch refuses to overwrite changes", async () => {
  box.write("a.txt", "local");
  expect(await box.refused("switch", "experiment")).toMatchObject({ exit: 5, code: "WOULD_OVERWRITE" });
  expect(box.read("a.txt")).toBe("local");
  await box.ok("switch", "-f", "experiment");
  expect(box.read("a.txt")).toBe("two");
});

test.each([
  [["switch"], 2, "USAGE"],
  [["switch", "absent"], 3, "REVISION_NOT_FOUND"],
  [["switch", "-c", "main"], 5, "ALREADY_EXISTS"],
  [["switch", "-c", "a b"], 2, "REF_NAME_INVALID"],
  [["switch", "-c", "x", "--detach", "main"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

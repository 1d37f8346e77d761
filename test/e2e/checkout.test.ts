import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc checkout brings back the bytes of a tag, and the branch again", async () => {
  const old = box.write("weights/best.pt", "release one");
  box.write("only-one.txt", "x");
  await box.commit("one");
  await box.ok("tag", "v1.0.0");
  await box.ok("rm", "-q", "only-one.txt");
  const young = box.write("weights/best.pt", "release two, which is longer");
  const two = await box.commit("two");
  expect(await box.ok("checkout", "v1.0.0")).toMatch(/^HEAD is now at [0-9a-f]{9}/);
  expect(box.digest("weights/best.pt")).toBe(old);
  expect(box.read("only-one.txt")).toBe("x");
  expect(await box.json("status")).toMatchObject({
    branch: null,
    staged: [],
    modified: [],
    deleted: [],
    untracked: [],
  });
  expect(await box.ok("checkout", "-q", "main")).toBe(`${two}\n`);
  expect(box.digest("weights/best.pt")).toBe(young);
  expect(() => box.read("only-one.txt")).toThrow();
});

test("smc checkout never overwrites local changes or untracked files, and lists them", async () => {
  box.write("weights/best.pt", "local");
  box.write("only-one.txt", "mine");
  const ran = await box.smc(["checkout", "1.0.0"]);
  expect(ran).toMatchObject({ code: 5, stdout: "" });
  expect(ran.stderr).toContain("weights/best.pt");
  expect(ran.stderr).toContain("only-one.txt");
  expect(box.read("weights/best.pt") + box.read("only-one.txt")).toBe("localmine");
  expect(await box.refused("checkout", "v1.0.0")).toMatchObject({ code: "WOULD_OVERWRITE", exit: 5 });
  await box.ok("checkout", "-f", "v1.0.0");
  expect(box.read("weights/best.pt")).toBe("release one");
  await box.ok("checkout", "main");
});

test("smc checkout REV -- path takes files and leaves HEAD", async () => {
  await box.ok("checkout", "v1.0.0", "--", "weights");
  expect(box.read("weights/best.pt")).toBe("release one");
  expect(await box.json("status")).toMatchObject({ branch: "main" });
  await box.ok("reset", "--hard");
});

test("smc checkout -b makes a branch; --detach leaves it", async () => {
  await box.ok("checkout", "-b", "fix", "v1.0.0");
  expect(await box.ok("rev-parse", "--abbrev-ref", "HEAD")).toBe("fix\n");
  await box.ok("checkout", "--detach", "main");
  expect(await box.ok("rev-parse", "--abbrev-ref", "HEAD")).toBe("HEAD\n");
  await box.ok("checkout", "main");
});

test.each([
  [["checkout"], 2, "USAGE"],
  [["checkout", "v9"], 3, "REVISION_NOT_FOUND"],
  [["checkout", "v1.0.0", "--", "absent"], 3, "PATH_NOT_FOUND"],
  [["checkout", "-b", "-f", "main"], 2, "REF_NAME_INVALID"],
  [["checkout", "-b", "main"], 5, "ALREADY_EXISTS"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

test("smc checkout -- --output=x takes it as a path", async () => {
  expect((await box.refused("checkout", "--", "--output=x")).exit).toBe(3);
});

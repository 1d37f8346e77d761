import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc tag names commits, with and without a text", async () => {
  const one = await box.commit("one", { "a.txt": "1" });
  expect(await box.ok("tag", "v1.0.0")).toBe(`Tagged ${one.slice(0, 9)} as v1.0.0\n`);
  await box.ok("tag", "-m", "second release", "v1.1.0", "HEAD");
  expect(await box.json("tag")).toMatchObject({
    tags: [
      { name: "v1.0.0", annotated: false, digest: one, commit: one },
      {
        name: "v1.1.0",
        annotated: true,
        commit: one,
        subject: "second release",
        tagger: "Ada <ada@example.org>",
      },
    ],
  });
  expect(await box.ok("cat-file", "-t", "v1.1.0")).toBe("tag\n");
});

test("smc tag --bump makes the next version", async () => {
  expect(await box.ok("tag", "-q", "--bump", "patch")).toBe("v1.1.1\n");
  expect(await box.ok("tag", "-q", "--bump", "minor")).toBe("v1.2.0\n");
  expect(await box.ok("tag", "-q", "--bump", "major")).toBe("v2.0.0\n");
});

test("smc tag -l lists by pattern, versions by number", async () => {
  await box.ok("tag", "v1.10.0");
  expect(await box.ok("tag", "-q", "-l", "v1.*")).toBe("v1.0.0\nv1.1.0\nv1.1.1\nv1.2.0\nv1.10.0\n");
  expect(await box.ok("tag", "-l", "v2.*")).toMatch(/^v2\.0\.0 {2}[0-9a-f]{9} {2}one\n$/);
});

test("smc tag -d deletes; -f replaces", async () => {
  expect(await box.ok("tag", "-d", "v1.10.0", "v2.0.0")).toBe("Deleted tag v1.10.0\nDeleted tag v2.0.0\n");
  const two = await box.commit("two", { "a.txt": "2" });
  await box.ok("tag", "-f", "v1.0.0");
  expect(await box.ok("rev-parse", "1.0.0")).toBe(`${two}\n`);
});

test.each([
  [["tag", "v1.0.0"], 5, "ALREADY_EXISTS"],
  [["tag", "x", "v9"], 3, "REVISION_NOT_FOUND"],
  [["tag", "-d", "absent"], 3, "REVISION_NOT_FOUND"],
  [["tag", "a..b"], 2, "REF_NAME_INVALID"],
  [["tag", "-m", " ", "x"], 2, "MESSAGE_INVALID"],
  [["tag", "--bump", "huge"], 2, "ARGUMENT_INVALID"],
  [["tag", "-d", "-l"], 2, "USAGE"],
  [["tag", "-m", "text"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

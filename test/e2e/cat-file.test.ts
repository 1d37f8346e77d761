import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc cat-file -t, -s, -e, -p tell an object", async () => {
  const digest = box.write("a.txt", "hello");
  const commit = await box.commit("one", {}, "--metric", "acc=0.5");
  expect(await box.ok("cat-file", "-t", "HEAD")).toBe("commit\n");
  expect(await box.ok("cat-file", "-t", digest)).toBe("blob\n");
  expect(await box.ok("cat-file", "-s", digest)).toBe("5\n");
  expect(await box.ok("cat-file", "-e", commit)).toBe("");
  expect(await box.ok("cat-file", "-p", digest)).toBe("hello");
  expect(await box.ok("cat-file", "-p", "HEAD:")).toBe(`100644 ${digest} a.txt\n`);
  expect(JSON.parse(await box.ok("cat-file", "-p", "HEAD"))).toMatchObject({
    type: "commit",
    message: "one",
    meta: { metrics: { acc: 0.5 } },
  });
  expect(await box.ok("cat-file", "--cid", "HEAD")).toMatch(/^bafyrei[a-z2-7]+\n$/);
});

test("smc cat-file --json and -q", async () => {
  const digest = box.digest("a.txt");
  expect(await box.json("cat-file", digest)).toMatchObject({
    exists: true,
    digest,
    kind: "blob",
    sizeBytes: 5,
    content: null,
  });
  expect(await box.ok("cat-file", "-q", "-t", digest)).toBe(`${digest}\n`);
});

test("smc cat-file -e of what is not there ends with 1", async () => {
  expect(await box.smc(["cat-file", "-e", "f".repeat(64)])).toEqual({ code: 1, stdout: "", stderr: "" });
});

test.each([
  [["cat-file", "-p", "f".repeat(64)], 3],
  [["cat-file", "-t", "-s", "HEAD"], 2],
  [["cat-file"], 2],
] as const)("smc %j is refused", async (words, exit) => {
  expect((await box.refused(...words)).exit).toBe(exit);
});

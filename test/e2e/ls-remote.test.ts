import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" }, clone: false });
afterAll(() => two[Symbol.asyncDispose]());
const { a, b, url } = two;

test("smc ls-remote lists what is there, by name and by URL", async () => {
  expect(await a.ok("ls-remote")).toBe("");
  const head = (await a.ok("rev-parse", "HEAD")).trim();
  await a.ok("tag", "v1.0.0");
  await a.ok("push", "-q", "--all", "--tags");
  const [main, tag] = [`${head}\trefs/heads/main\n`, `${head}\trefs/tags/v1.0.0\n`];
  expect(await a.ok("ls-remote")).toBe(main + tag);
  expect(await a.ok("ls-remote", "origin", "main")).toBe(main);
  expect(await a.ok("ls-remote", "--tags")).toBe(tag);
  expect(await a.ok("ls-remote", "--heads", "origin")).toBe(main);
  expect(await a.ok("ls-remote", "-q", "origin", "v1.*")).toBe("refs/tags/v1.0.0\n");
  // B has no repository at all.
  expect(await b.ok("ls-remote", url)).toBe(main + tag);
  expect(await b.json("ls-remote", url, "nothing")).toEqual({ url, refs: [] });
});

test.each([
  [["ls-remote", "nope"], 3, "REMOTE_NOT_FOUND"],
  [["ls-remote", "ext::sh -c id"], 2, "URL_INVALID"],
  [["ls-remote", `${url}-absent`], 3, "REMOTE_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await a.refused(...words)).toMatchObject({ exit, code });
});

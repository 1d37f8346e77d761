/** What is said of versions goes where the versions go. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

test("S3.3 archive reasons travel by push and clone; the champion of a remote is 'origin/champion'", async () => {
  await using two = await createTwo({ files: { "a.bin": "0" }, clone: false });
  const { a } = two;
  await a.commit("one", { "a.bin": "1" }, "--tag", "v1.0.0", "--metric", "azi=50.66");
  await a.ok("promote", "v1.0.0", "--reason", "first", "--yes");
  await a.commit("two", { "a.bin": "2" }, "--tag", "v1.0.1", "--metric", "azi=71.28");
  await a.ok("promote", "v1.0.1", "--reason", "azi", "--yes");
  expect(await a.ok("push", "origin", "main", "champion")).toMatch(/\[new ref\] +archive\/v1\.0\.0/);
  mkdirSync(two.b.root, { recursive: true });
  await two.b.ok("clone", "-q", two.url, join(two.b.root, "clone"));
  expect(await two.inClone("rev-parse", "origin/champion")).toBe(await a.ok("rev-parse", "v1.0.1"));
  expect(await two.inClone("show", "archive/v1.0.0")).toContain("azi");
  expect(await two.inClone("branch", "-r")).not.toContain("champion");
  // What is live there is not live here until somebody says so.
  expect(await two.ranInClone("champion")).toMatchObject({ code: 1 });
  await two.inClone("promote", "origin/champion", "--reason", "as there", "--yes");
  expect(await two.inClone("champion", "-q")).toBe(await a.ok("champion", "-q"));
  expect(await a.ok("push", "origin", "main", "champion")).toBe("Everything up-to-date\n");
});

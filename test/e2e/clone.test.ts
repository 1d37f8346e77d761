import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1", "w/model.bin": "weights" } });
afterAll(() => two[Symbol.asyncDispose]());
const { a, b, url } = two;

test("smc clone gives the bytes, the branch and the remote", async () => {
  const head = (await a.ok("rev-parse", "HEAD")).trim();
  expect(readFileSync(two.clonePath("w/model.bin"), "utf8")).toBe("weights");
  expect(JSON.parse(await two.inClone("status", "--json"))).toMatchObject({
    branch: "main",
    head,
    modified: [],
    untracked: [],
    upstream: { ref: "refs/remotes/origin/main", ahead: 0, behind: 0 },
  });
  expect(await two.inClone("remote", "-v")).toBe(`origin  ${url}\n`);
});

test("smc clone takes the folder's name from the URL, a release, and no files", async () => {
  await a.ok("tag", "v1.0.0");
  await a.ok("push", "-q", "--tags");
  const name = url.slice(url.lastIndexOf("/") + 1);
  const text = await b.ok("clone", url);
  expect(text).toContain(`Cloned ${url} into ${b.path(name)}\n`);
  expect(text).toMatch(/On branch main at [0-9a-f]{9}, 2 files written\n$/);
  expect(await b.ok("clone", "--ref", "v1.0.0", url, "release")).toContain("HEAD is detached at ");
  expect(b.read("release/a.txt")).toBe("1");
  expect(await b.json("clone", "-n", "--name", "acme/bare", url, "bare")).toMatchObject({
    repository: "acme/bare",
    written: 0,
  });
  expect(existsSync(b.path("bare/a.txt"))).toBe(false);
  await b.ok("-C", b.path("bare"), "restore", ".");
  expect(b.read("bare/a.txt")).toBe("1");
});

test.each([
  [["clone", url, "full"], 5, "ALREADY_EXISTS"],
  [["clone", "--name", "clone", url, "new"], 5, "ALREADY_EXISTS"],
  [["clone", "--name", "../x", url, "new"], 2, "REPOSITORY_NAME_INVALID"],
  [["clone", "--ref", "v9", url, "new"], 3, "REVISION_NOT_FOUND"],
  [["clone", `${url}-absent`, "new"], 3, "REMOTE_NOT_FOUND"],
  [["clone", "ext::sh -c id", "new"], 2, "URL_INVALID"],
  [["clone", "file:///"], 2, "USAGE"],
  [["clone"], 2, "USAGE"],
] as const)("smc %j is refused and leaves nothing", async (words, exit, code) => {
  mkdirSync(b.path("full"), { recursive: true });
  writeFileSync(b.path("full/mine"), "mine");
  expect(await b.refused(...words)).toMatchObject({ exit, code });
  expect(existsSync(b.path("new"))).toBe(false);
  expect(await b.ok("repos", "-q", "new")).toBe("");
});

test("smc clone that fails can be run again", async () => {
  const lost = two.files(".pack").map((path) => ({ path, aside: `${path}.aside` }));
  expect(lost.length).toBeGreaterThan(0);
  // A store of its own: what B has already would not be fetched.
  const own = { env: { SMC_HOME: join(b.root, "fresh") } };
  for (const { path, aside } of lost) renameSync(path, aside);
  const failed = await b.smc(["clone", "--json", url, "again"], own);
  expect(failed.code).toBe(6);
  for (const { path, aside } of lost) renameSync(aside, path);
  expect((await b.smc(["refs", "--repo", "again"], { ...own, in: "." })).stdout).toBe("");
  expect(existsSync(b.path("again"))).toBe(false);
  const ran = await b.smc(["clone", url, "again"], own);
  expect(ran.code, ran.stderr).toBe(0);
  expect(b.read("again/w/model.bin")).toBe("weights");
  await b.smc(["daemon", "stop"], own);
});

test("smc checkout -f HEAD writes the files of a clone that has none", async () => {
  await a.ok("push", "-q", "origin", "main:refs/heads/blocked");
  const own = { env: { SMC_HOME: join(b.root, "store-of-stopped") } };
  const clone = ["clone", "--json", "--ref", "blocked", url, "stopped"];
  expect((await b.smc([...clone, "-n"], own)).code).toBe(0);
  expect(existsSync(b.path("stopped/a.txt"))).toBe(false);
  // What an interrupted clone leaves: branch and stage are there, files are not.
  const mend = await b.smc(["-C", b.path("stopped"), "checkout", "-f", "HEAD"], own);
  expect(mend.code, mend.stderr).toBe(0);
  expect(b.read("stopped/w/model.bin")).toBe("weights");
  const status = await b.smc(["-C", b.path("stopped"), "status", "--json"], own);
  expect(JSON.parse(status.stdout)).toMatchObject({ branch: "blocked", deleted: [], modified: [] });
  await b.smc(["daemon", "stop"], own);
});

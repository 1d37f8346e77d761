/** Pushing to real servers of S3 and cloning from them, by the command line. */
import { readFileSync, writeFileSync } from "node:fs";
import { randomFillSync } from "node:crypto";
import { expect, test } from "vitest";
import { createSandbox, Sandbox, sha256 } from "../e2e/sandbox.ts";
import { startServer } from "./servers.ts";

const SIZE_BYTES = 80 << 20;

test.for(["minio", "versitygw"] as const)(
  "a model goes to %s and comes back on another machine; an edit moves little",
  async (name) => {
    await using server = await startServer(name);
    const url = server.freshUrl();
    await using mine = new Sandbox();
    Object.assign(mine.env, server.credentials);
    await mine.ok("init");
    const bytes = randomFillSync(Buffer.alloc(SIZE_BYTES));
    writeFileSync(mine.path("model.bin"), bytes);
    await mine.ok("add", "model.bin");
    await mine.ok("commit", "-q", "-m", "one");
    await mine.ok("tag", "v1.0.0");
    await mine.ok("remote", "add", "origin", url);
    const pushed = await mine.ok("push", "origin", "main", "v1.0.0");
    expect(pushed).toContain("* [new tag]");
    expect(await mine.ok("push", "origin")).toContain("Everything up-to-date");
    bytes.fill(0, 0, 64);
    writeFileSync(mine.path("model.bin"), bytes);
    await mine.ok("add", "model.bin");
    await mine.ok("commit", "-q", "-m", "two");
    const second = await mine.json<{ sentBytes: number }>("push", "origin");
    expect(second.sentBytes).toBeLessThan(SIZE_BYTES / 8);

    await using theirs = new Sandbox();
    Object.assign(theirs.env, server.credentials);
    await theirs.ok("clone", url, "model");
    expect(sha256(readFileSync(theirs.path("model/model.bin")))).toBe(sha256(bytes));
    const listed = await theirs.smc(["ls-remote", url]);
    expect(listed.stdout).toMatch(/refs\/heads\/main\n.*refs\/tags\/v1\.0\.0/s);
  },
);

test("wrong credentials are told as such, and nothing is sent", async () => {
  await using server = await startServer("minio");
  await using sandbox = await createSandbox();
  Object.assign(sandbox.env, { ...server.credentials, AWS_SECRET_ACCESS_KEY: "wrong-password" });
  await sandbox.ok("daemon", "restart");
  await sandbox.commit("one", { a: "a" });
  const ran = await sandbox.smc(["remote", "add", "origin", server.freshUrl()]);
  expect(ran).toMatchObject({ code: 7 });
  expect(ran.stderr).not.toContain("wrong-password");
});

test("on a server that ignores conditions two who push one branch both keep what they pushed", async () => {
  await using server = await startServer("s3rver");
  const url = server.freshUrl();
  await using mine = new Sandbox();
  Object.assign(mine.env, server.credentials);
  await mine.ok("init");
  await mine.commit("one", { a: "a" });
  expect(await mine.smc(["remote", "add", "origin", url])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("lets a second writer replace"),
  });
  await mine.ok("push", "origin");
  await using theirs = new Sandbox();
  Object.assign(theirs.env, server.credentials);
  await theirs.ok("clone", url, "copy");
  const copy = { in: "work/copy" };
  expect(readFileSync(theirs.path("copy/a"), "utf8")).toBe("a");
  writeFileSync(theirs.path("copy/a"), "theirs");
  for (const words of [
    ["add", "a"],
    ["commit", "-q", "-m", "theirs"],
  ])
    expect(await theirs.smc(words, copy)).toMatchObject({ code: 0 });
  await mine.commit("mine", { b: "mine" });
  const ended = await Promise.all([mine.smc(["push", "origin"]), theirs.smc(["push", "origin"], copy)]);
  const heads = [await mine.ok("rev-parse", "main"), (await theirs.smc(["rev-parse", "main"], copy)).stdout];
  const there = (await mine.ok("ls-remote")).split("\n").map((line) => line.split(/\s+/)[0]);
  const lost = heads.filter((head) => !there.includes(head.trim()));
  // One at most was told "done"; who was told that it stands beside is there; who came too late to write was told so.
  expect(ended.filter(({ code }) => code === 0).length).toBeLessThanOrEqual(1);
  const late = ended.filter(({ code, stderr }) => code !== 0 && !stderr.includes("diverged-"));
  expect(late).toHaveLength(lost.length);
  expect(await mine.smc(["gc", "--remote", "origin"])).toMatchObject({ code: 6 });
});

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

test("a server that ignores conditions is refused, or used by one writer who says so", async () => {
  await using server = await startServer("s3rver");
  const url = server.freshUrl();
  await using sandbox = new Sandbox();
  Object.assign(sandbox.env, server.credentials);
  await sandbox.ok("init");
  await sandbox.commit("one", { a: "a" });
  expect(await sandbox.smc(["remote", "add", "origin", url])).toMatchObject({
    code: 6,
    stderr: expect.stringContaining("ignores conditional writes"),
  });
  expect(await sandbox.ok("remote")).toBe("");
  await sandbox.ok("remote", "add", "--no-test", "origin", url);
  expect(await sandbox.smc(["push", "origin"])).toMatchObject({ code: 6 });
  expect(await sandbox.ok("ls-remote")).toBe("");
  await sandbox.ok("remote", "remove", "origin");
  await sandbox.ok("remote", "add", "--single-writer", "origin", url);
  await sandbox.ok("push", "origin");
  await using theirs = new Sandbox();
  Object.assign(theirs.env, server.credentials);
  await theirs.ok("clone", url, "copy");
  expect(readFileSync(theirs.path("copy/a"), "utf8")).toBe("a");
  // Who cloned has said nothing of being alone.
  expect(await theirs.smc(["push", "origin", "main:next"], { in: "work/copy" })).toMatchObject({
    code: 6,
    stderr: expect.stringContaining("ignores conditional writes"),
  });
});

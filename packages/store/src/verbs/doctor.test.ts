import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findMount, mountFault, parseMounts } from "../mounts.ts";
import { withDesk } from "../testing-history.ts";
import { QUIET } from "../testing.ts";
import { config, type ConfigOptions } from "./config.ts";
import { doctor } from "./doctor.ts";
import { env } from "./env.ts";
import { repos } from "./repos.ts";

test("doctor() finds nothing wrong with a new store", async () => {
  await withDesk(async (desk) => {
    await desk.commit({ a: "1" });
    const result = await doctor(desk.history.store, { folder: desk.root }, QUIET);
    expect(result.checks.filter((row) => row.state === "fail")).toEqual([]);
    expect(result.ok).toBe(true);
    expect(result.checks.map((row) => row.check)).toEqual([
      "node",
      "store",
      "space",
      "file system",
      "refs",
      "config",
      "worktree",
    ]);
    expect(result.checks.at(-1)?.message).toContain("on main, 1 files tracked");
  });
});

test("doctor() tells of open modes, settings that are ignored, broken files, and goes on", async () => {
  await withDesk(async (desk) => {
    const { store } = desk.history;
    await desk.commit({ a: "1" });
    const rows = async () => (await doctor(store, { folder: desk.root }, QUIET)).checks;
    await chmod(store.path, 0o777);
    expect(await rows()).toContainEqual(
      expect.objectContaining({ check: "store", state: "fail", hint: expect.stringContaining("chmod") }),
    );
    await chmod(store.path, 0o700);
    await writeFile(
      join(desk.root, ".smc/config.json"),
      '{\n"remote.cmd": "rm",\n"hooks": "x",\n"user.name": "Eve"\n}',
    );
    const warned = (await rows()).filter((row) => row.check === "config" && row.message.includes("ignored"));
    expect(warned).toHaveLength(3);
    expect(warned[0]).toMatchObject({
      state: "warn",
      message: expect.stringContaining("line 2: 'remote.cmd'"),
    });
    await writeFile(join(desk.root, ".smc/config.json"), "{");
    expect(await rows()).toContainEqual(expect.objectContaining({ check: "config", state: "fail" }));
    await writeFile(join(desk.root, ".smc/stage"), "not a stage");
    const result = await doctor(store, { folder: desk.root }, QUIET);
    expect(result.ok).toBe(false);
    expect(result.checks).toContainEqual(expect.objectContaining({ check: "worktree", state: "fail" }));
    expect((await doctor(store, {}, QUIET)).checks.at(-1)).toMatchObject({ message: "not in a worktree" });
  });
});

test("mounts: the longest wins, escapes are read, kinds are judged", () => {
  const mounts = parseMounts(
    "/dev/sda / ext4 rw 0 0\nhost:/x /data nfs4 rw 0 0\nt /data/my\\040tmp tmpfs rw 0 0\nbroken\n\n",
  );
  expect(findMount(mounts, "/home/a")?.type).toBe("ext4");
  expect(findMount(mounts, "/data/store")?.type).toBe("nfs4");
  expect(findMount(mounts, "/database")?.type).toBe("ext4");
  expect(findMount(mounts, "/data/my tmp/x")?.type).toBe("tmpfs");
  expect(findMount([], "/x")).toBeUndefined();
  for (const type of ["ext4", "xfs", "btrfs", "apfs"]) expect(mountFault(type)).toBeUndefined();
  for (const type of ["nfs", "cifs", "fuse.sshfs", "overlay", "tmpfs", "vfat", "fuse.x", "novel"])
    expect(mountFault(type), type).toBeDefined();
});

test("config() gets, sets, unsets and lists with origins", async () => {
  await withDesk(async (desk) => {
    const { store } = desk.history;
    const run = (options: ConfigOptions) => config(store, { folder: desk.root, ...options }, QUIET);
    await expect(run({ action: "get", key: "user.name" })).rejects.toMatchObject({
      code: "CONFIG_NOT_FOUND",
    });
    const set = await run({ action: "set", key: "user.name", value: "Ada" });
    expect(set).toMatchObject({
      file: join(store.path, "config.json"),
      entries: [{ key: "user.name", value: "Ada", origin: "store" }],
    });
    await run({ action: "set", key: "checkout.symlinks", value: "safe", layer: "worktree" });
    const listed = await run({ action: "list", environment: { SMC_LOG: "debug" } });
    expect(listed.entries.map(({ key, value, origin }) => `${key}=${value} ${origin}`)).toEqual([
      "checkout.symlinks=safe worktree",
      "daemon.idleMinutes=15 default",
      "init.defaultBranch=main default",
      "log.level=debug environment",
      "names.allowNonportable=false default",
      "names.caseConflicts=refuse default",
      "user.email=null default",
      "user.name=Ada store",
    ]);
    expect(await run({ action: "get", key: "init.defaultBranch" })).toMatchObject({
      entries: [{ value: "main" }],
    });
    await run({ action: "unset", key: "user.name" });
    await expect(run({ action: "unset", key: "user.name" })).rejects.toMatchObject({
      code: "CONFIG_NOT_FOUND",
    });
    await expect(run({ action: "set", key: "user.nam", value: "x" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      hint: "did you mean: user.name",
    });
    await expect(run({ action: "set", key: "remote.cmd", value: "x" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
    await expect(
      run({ action: "set", key: "user.name", value: "x", layer: "worktree" }),
    ).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(run({ action: "set", key: "daemon.idleMinutes", value: "-1" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
    await expect(run({ action: "get" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(
      config(store, { action: "set", key: "checkout.symlinks", value: "safe", layer: "worktree" }, QUIET),
    ).rejects.toMatchObject({
      code: "WORKTREE_NOT_FOUND",
    });
  });
});

test("env() tells what a report needs and masks secrets", async () => {
  await withDesk(async (desk) => {
    const environment = { SMC_HOME: "/x", SMC_TOKEN: "hunter2", AWS_SECRET_ACCESS_KEY: "s", PATH: "/bin" };
    const result = await env(desk.history.store, { folder: desk.root, environment }, QUIET);
    expect(result.environment).toEqual({ SMC_HOME: "/x", SMC_TOKEN: "********" });
    expect(JSON.stringify(result)).not.toContain("hunter2");
    expect(result).toMatchObject({
      node: process.versions.node,
      store: { id: desk.history.store.id, readOnlyReason: null },
    });
    expect(result.version).toMatch(/^\d+\.\d+\.\d+/);
  });
});

test("repos() lists repositories with branches, last commit and worktrees", async () => {
  await withDesk(async (desk) => {
    const { store } = desk.history;
    await store.refs.createRepository("ada/empty", {
      op: "init",
      reason: "init",
      actor: "Ada <ada@example.org>",
    });
    const commit = await desk.history.commit();
    await desk.history.point("refs/heads/main", commit);
    await desk.history.point("refs/tags/v1", commit);
    expect(await repos(store, {}, QUIET)).toMatchObject([
      { name: "ada/empty", branchCount: 0, worktrees: [], lastCommit: null },
      {
        name: "demo",
        branchCount: 1,
        tagCount: 1,
        worktrees: [desk.root],
        lastCommit: expect.stringMatching(/^20\d\d-/),
      },
    ]);
    expect(await repos(store, { match: "emp" }, QUIET)).toHaveLength(1);
  });
});

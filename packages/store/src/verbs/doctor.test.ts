import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { flip } from "../testing/damage.ts";
import { placeOf } from "../testing/files-place.ts";
import { withWorktree } from "../testing/worktree.ts";
import { backup } from "./backup.ts";
import { findMount, mountFault, parseMounts } from "../mounts.ts";
import { withDesk } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";

import { doctor } from "./doctor.ts";

test("doctor() finds nothing wrong with a new store", async () => {
  await withDesk(async (desk) => {
    await desk.commit({ a: "1" });
    const result = await doctor(desk.history.store, { folder: desk.root }, QUIET);
    expect(result.checks.filter((row) => row.state === "fail")).toEqual([]);
    expect(result.ok).toBe(true);
    expect(result.checks.map((row) => row.check)).toEqual([
      "node",
      "clock",
      "store",
      "space",
      "file system",
      "refs",
      "scrub",
      "config",
      "worktree",
      "size",
      "digest",
      "permissions",
    ]);
    expect(result.checks.find(({ check }) => check === "worktree")?.message).toContain(
      "on main, 1 file tracked",
    );
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
    expect((await doctor(store, {}, QUIET)).checks).toContainEqual(
      expect.objectContaining({ check: "worktree", message: "not in a worktree" }),
    );
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

test("S4.24 doctor() tells of files that are empty or cut off, of digests that differ, of folders that are none", async () => {
  await withWorktree(async (bench) => {
    const place = placeOf(bench);
    const rows = async (files: readonly string[] = []) => {
      const { checks } = await doctor(bench.store, { folder: bench.root, files }, QUIET);
      return checks.filter(({ state }) => state === "fail").map(({ check, message }) => [check, message]);
    };
    await writeFile(join(bench.root, "best.bin"), "weights");
    const { places } = await backup(place, { target: "best.bin", name: "copy.bin" }, QUIET);
    expect(await rows(["best.bin"])).toEqual([]);
    await mkdir(join(place.models, "downloads"));
    await writeFile(join(place.models, "downloads", "a.bin"), "");
    await writeFile(join(place.models, "downloads", "b.safetensors"), "<html>not found</html>");
    await symlink("nowhere", join(place.models, "active"));
    await writeFile(join(place.models, "trained"), "no folder");
    flip(places[0]?.path ?? "", 2);
    expect(await rows(["nope.bin"])).toEqual([
      ["size", expect.stringContaining("cannot look at 'nope.bin'")],
      ["digest", expect.stringContaining("cannot look at 'nope.bin'")],
      ["permissions", expect.stringContaining("nope.bin")],
      ["permissions", expect.stringContaining("trained' is no folder")],
    ]);
    expect(await rows()).toEqual([
      ["size", expect.stringMatching(/b\.safetensors', 22 bytes: /)],
      ["size", expect.stringContaining("a.bin' is empty")],
      ["digest", expect.stringContaining("SHA-256")],
      ["permissions", expect.stringContaining("trained' is no folder")],
    ]);
  });
});

test("S4.24 doctor() tells of folders that may not be written", async () => {
  if (process.getuid?.() === 0) return;
  await withWorktree(async (bench) => {
    await mkdir(join(bench.root, "data", "models"), { recursive: true, mode: 0o500 });
    const { checks } = await doctor(bench.store, { folder: bench.root }, QUIET);
    expect(checks.at(-1)).toMatchObject({ check: "permissions", state: "fail" });
  });
});

test("doctor() tells of a clock that goes behind the last change", async () => {
  await withDesk(async (desk) => {
    await desk.commit({ a: "1" });
    const { now } = Date;
    Date.now = () => now() - 86_400_000;
    try {
      const { checks } = await doctor(desk.history.store, {}, QUIET);
      expect(checks.find(({ check }) => check === "clock")).toMatchObject({ state: "warn" });
    } finally {
      Date.now = now;
    }
  });
});

import { chmod, mkdir, realpath, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { isSafeFolder, presenceOf, readRecord, SOCKET_PATH_BYTES_MAX, socketToKnock } from "./presence.ts";

const LONG = "a-folder-with-a-long-name/".repeat(6);

test("presenceOf() puts the socket into run/ of the store", async () => {
  await withFolder(async (folder) => {
    const { socket, storePath, runFolder } = presenceOf(join(folder, "store"));
    expect(storePath).toBe(join(folder, "store"));
    expect(runFolder).toBe(join(folder, "store", "run"));
    expect(socket).toBe(join(folder, "store", "run", "daemon.sock"));
  });
});

test("presenceOf() follows links, also above a store that does not exist yet", async () => {
  await withFolder(async (folder) => {
    await mkdir(join(folder, "real"));
    await symlink(join(folder, "real"), join(folder, "link"));
    expect(presenceOf(join(folder, "link", "new", "store"))).toEqual(
      presenceOf(join(folder, "real", "new", "store")),
    );
  });
});

test("presenceOf() finds a short path for the socket of a store with a long one", async () => {
  await withFolder(async (folder) => {
    const store = join(folder, LONG);
    const { socket } = presenceOf(store, { XDG_RUNTIME_DIR: folder });
    expect(Buffer.byteLength(join(store, "run", "daemon.sock"))).toBeGreaterThan(SOCKET_PATH_BYTES_MAX);
    expect(socket).toMatch(new RegExp(`^${folder}/smc-${process.getuid?.()}/[0-9a-f]{16}\\.sock$`));
    expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(SOCKET_PATH_BYTES_MAX);
    expect(presenceOf(`${store}x`, { XDG_RUNTIME_DIR: folder }).socket).not.toBe(socket);
    expect(presenceOf(store, { XDG_RUNTIME_DIR: store }).socket).not.toContain(LONG);
  });
});

test("presenceOf() counts bytes, not characters, and takes a path that just fits", async () => {
  await withFolder(async (folder) => {
    const rest = SOCKET_PATH_BYTES_MAX - Buffer.byteLength(join(folder, "x", "run", "daemon.sock")) + 1;
    const fits = join(folder, "x".repeat(rest));
    expect(Buffer.byteLength(presenceOf(fits).socket)).toBe(SOCKET_PATH_BYTES_MAX);
    expect(presenceOf(join(folder, "é".repeat(rest))).socket).not.toContain("é");
  });
});

test("presenceOf() refuses an empty path", () => {
  expect(() => presenceOf("")).toThrow("the path of the store is empty");
});

test("isSafeFolder() refuses a link, a file, and a folder that is open to others", async () => {
  await withFolder(async (folder) => {
    expect(isSafeFolder(join(folder, "absent"))).toBe(false);
    await mkdir(join(folder, "private"), { mode: 0o700 });
    expect(isSafeFolder(join(folder, "private"))).toBe(true);
    await symlink(join(folder, "private"), join(folder, "link"));
    expect(() => isSafeFolder(join(folder, "link"))).toThrow("is not a folder");
    await writeFile(join(folder, "file"), "");
    expect(() => isSafeFolder(join(folder, "file"))).toThrow("is not a folder");
    await chmod(join(folder, "private"), 0o750);
    expect(() => isSafeFolder(join(folder, "private"))).toThrow("open to other users");
  });
});

test("readRecord() takes the record of this store only, and nothing that is broken", async () => {
  await withFolder(async (folder) => {
    const presence = presenceOf(await realpath(folder));
    expect(readRecord(presence)).toBeUndefined();
    await mkdir(presence.runFolder, { mode: 0o700 });
    const record = {
      pid: 1,
      socket: "/tmp/x.sock",
      version: "1",
      protocol: "1",
      storeId: "0",
      storePath: presence.storePath,
      startedMs: 0,
    };
    await writeFile(presence.recordFile, JSON.stringify(record));
    expect(readRecord(presence)).toEqual(record);
    // A record that came along when the store was copied leads to the daemon of the other store.
    await writeFile(presence.recordFile, JSON.stringify({ ...record, storePath: "/elsewhere" }));
    expect(readRecord(presence)).toBeUndefined();
    for (const broken of ["", "{", "null", "[]", '{"pid":1}']) {
      await writeFile(presence.recordFile, broken);
      expect(readRecord(presence)).toBeUndefined();
    }
  });
});

test("socketToKnock() takes what the daemon wrote down when the path depends on the environment", async () => {
  await withFolder(async (folder) => {
    const presence = presenceOf(join(folder, LONG), { XDG_RUNTIME_DIR: join(folder, "a") });
    expect(socketToKnock(presence)).toBeUndefined();
    await mkdir(presence.runFolder, { mode: 0o700, recursive: true });
    await mkdir(join(folder, "b"), { mode: 0o700 });
    const socket = join(folder, "b", "x.sock");
    const { storePath } = presence;
    const record = { pid: 1, socket, version: "1", protocol: "1", storeId: "0", storePath, startedMs: 0 };
    await writeFile(presence.recordFile, JSON.stringify(record));
    expect(socketToKnock(presence)).toBe(socket);
    await chmod(join(folder, "b"), 0o777);
    expect(() => socketToKnock(presence)).toThrow("open to other users");
  });
});

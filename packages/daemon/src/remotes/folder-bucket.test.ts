import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { interceptCalls } from "@smc/store/fs";
import { QUIET, withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import type { Bucket } from "./bucket.ts";
import { codeOf, keysOf, readWhole, testBucket } from "./bucket-suite.ts";
import { openBucket } from "./bucket-url.ts";

testBucket("a folder", async () => {
  const folder = await mkdtemp(join(tmpdir(), "smc bucket-"));
  const bucket = await openBucket(pathToFileURL(folder).href);
  bucket[Symbol.asyncDispose] = () => rm(folder, { recursive: true });
  return bucket;
});

async function withBucket(run: (bucket: Bucket, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => run(await openBucket(`file://${folder}`), folder));
}

/** Fails every call of this name with this errno. */
async function failing(what: string, errno: string, run: () => Promise<void>): Promise<void> {
  interceptCalls((name) => {
    if (name === what) throw Object.assign(new Error(errno), { code: errno, syscall: name });
  });
  try {
    await run();
  } finally {
    interceptCalls(undefined);
  }
}

test("a folder that is not there is not found", async () => {
  await withFolder(async (folder) => {
    expect(await codeOf(() => openBucket(`file://${folder}/none`))).toBe("REMOTE_NOT_FOUND");
    writeFileSync(join(folder, "file"), "");
    expect(await codeOf(() => openBucket(`file://${folder}/file`))).toBe("UNSAFE_PATH");
  });
});

test("a folder in whose place another one is now is not read as empty", async () => {
  await withBucket(async (bucket, folder) => {
    await bucket.create("a", { bytes: randomBytes(1) }, QUIET);
    renameSync(folder, `${folder}-away`);
    try {
      for (const there of [false, true]) {
        if (there) mkdirSync(folder);
        expect(await codeOf(() => bucket.stat("a", QUIET))).toBe("REMOTE_UNREACHABLE");
        expect(await codeOf(() => keysOf(bucket, ""))).toBe("REMOTE_UNREACHABLE");
        expect(await codeOf(() => bucket.create("b", { bytes: randomBytes(1) }, QUIET))).toBe(
          "REMOTE_UNREACHABLE",
        );
      }
    } finally {
      await rm(`${folder}-away`, { recursive: true });
    }
  });
});

test("symbolic links in the place of objects and folders are refused", async () => {
  await withBucket(async (bucket, folder) => {
    await withFolder(async (other) => {
      writeFileSync(join(other, "secret"), "secret");
      symlinkSync(other, join(folder, "packs"));
      symlinkSync(join(other, "secret"), join(folder, "link"));
      for (const key of ["packs/secret", "link"]) {
        expect(await codeOf(() => bucket.stat(key, QUIET))).toBe("UNSAFE_PATH");
        expect(await codeOf(() => readWhole(bucket.read(key, QUIET)))).toBe("UNSAFE_PATH");
        expect(await codeOf(() => bucket.create(key, { bytes: randomBytes(1) }, QUIET))).toBe("UNSAFE_PATH");
        expect(await codeOf(() => bucket.remove(key, QUIET))).toBe("UNSAFE_PATH");
      }
      expect(await codeOf(() => bucket.create("packs/new", { bytes: randomBytes(1) }, QUIET))).toBe(
        "UNSAFE_PATH",
      );
      for (const prefix of ["", "packs/", "packs/sec", "link"]) {
        expect(await codeOf(() => keysOf(bucket, prefix)), prefix).toBe("UNSAFE_PATH");
      }
      expect(readdirSync(other)).toEqual(["secret"]);
    });
  });
});

test("a temporary that is a link is not written through", async () => {
  await withBucket(async (bucket, folder) => {
    await withFolder(async (other) => {
      symlinkSync(other, join(folder, ".tmp"));
      expect(await codeOf(() => bucket.create("a", { bytes: randomBytes(1) }, QUIET))).toBe("UNSAFE_PATH");
      expect(readdirSync(other)).toEqual([]);
    });
  });
});

test("what a writer left is not listed, and removed after a day", async () => {
  await withBucket(async (bucket, folder) => {
    mkdirSync(join(folder, ".tmp"));
    for (const name of ["old", "new"]) writeFileSync(join(folder, ".tmp", name), name);
    const longAgo = Date.now() / 1000 - 25 * 60 * 60;
    utimesSync(join(folder, ".tmp", "old"), longAgo, longAgo);
    expect(await keysOf(bucket, "")).toEqual([]);
    await bucket.create("a", { bytes: randomBytes(1) }, QUIET);
    expect(readdirSync(join(folder, ".tmp"))).toEqual(["new"]);
    expect(await keysOf(bucket, "")).toEqual(["a"]);
  });
});

test.for(["EPERM", "ENOTSUP"])("a file system without hard links (%s) is unsuitable", async (errno) => {
  await withBucket(async (bucket, folder) => {
    await failing("link", errno, async () => {
      expect(await codeOf(() => bucket.create("a/b", { bytes: randomBytes(9) }, QUIET))).toBe(
        "REMOTE_UNSUITABLE",
      );
      expect(await codeOf(() => bucket.probe(QUIET))).toBe("REMOTE_UNSUITABLE");
    });
    expect(await keysOf(bucket, "")).toEqual([]);
    expect(readdirSync(join(folder, ".tmp"))).toEqual([]);
  });
});

test.for(["create", "write", "sync"])("a %s that fails leaves no object and no temporary", async (what) => {
  await withBucket(async (bucket, folder) => {
    mkdirSync(join(folder, ".tmp"));
    await failing(what, "ENOSPC", async () => {
      expect(await codeOf(() => bucket.create("a", { bytes: randomBytes(9) }, QUIET))).toBe("DISK_FULL");
    });
    expect(existsSync(join(folder, "a"))).toBe(false);
    expect(readdirSync(join(folder, ".tmp"))).toEqual([]);
    expect(await bucket.create("a", { bytes: randomBytes(9) }, QUIET)).toBe(true);
  });
});

test("a folder that became read-only says so, not that a temporary cannot be removed", async () => {
  await withBucket(async (bucket, folder) => {
    mkdirSync(join(folder, ".tmp"));
    const run = (): Promise<boolean> => bucket.create("a", { bytes: randomBytes(9) }, QUIET);
    interceptCalls((name) => {
      if (name === "create" || name === "remove")
        throw Object.assign(new Error("EROFS"), { code: "EROFS", syscall: name });
    });
    try {
      await expect(run()).rejects.toMatchObject({
        code: "READ_ONLY",
        message: expect.stringMatching(/^cannot create /),
      });
    } finally {
      interceptCalls(undefined);
    }
  });
});

test("create() says false only when the object's name is durable", async () => {
  await withBucket(async (bucket) => {
    await bucket.create("a/b", { bytes: randomBytes(9) }, QUIET);
    await failing("sync", "EIO", async () => {
      expect(await codeOf(() => bucket.create("a/b", { bytes: randomBytes(9) }, QUIET))).toBe("IO_FAILED");
    });
  });
});

import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "./objects/digest.ts";
import { isSmcError } from "./errors.ts";
import { encodeTree } from "./objects/objects.ts";
import type { OwnedStore } from "./open-store.ts";
import { packPath } from "./pack/folder.ts";
import { QUIET, withStore } from "./testing/testing.ts";
import type { Digest } from "./objects/digest.ts";

const MIB = 1024 * 1024;

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return "nothing thrown";
  } catch (error) {
    return isSmcError(error) ? error.code : String(error);
  }
}

/** Files of every size that takes another way: none, small, one chunk, many chunks, constant, text, parts. */
function makeFiles(folder: string): string[] {
  mkdirSync(folder);
  const contents: Buffer[] = [
    Buffer.alloc(0),
    Buffer.from("x"),
    randomBytes(4096),
    randomBytes(256 * 1024),
    randomBytes(256 * 1024 + 1),
    Buffer.alloc(9 * MIB),
    Buffer.from("some words again ".repeat(400_000)),
    randomBytes(20 * MIB),
    randomBytes(40 * MIB + 17),
    randomBytes(32 * MIB + 17),
  ];
  for (let small = 0; small < 300; small++) contents.push(randomBytes(1 + small));
  return contents.map((bytes, index) => {
    const path = join(folder, `f${index}`);
    writeFileSync(path, bytes);
    return path;
  });
}

async function add(store: OwnedStore, paths: readonly string[]): Promise<Digest[]> {
  await using session = store.write("add");
  const files = await session.addFiles(
    paths.map((path) => ({ path })),
    QUIET,
  );
  await session.finish();
  return files.map(({ digest }) => digest);
}

test("blobs come back byte for byte, named by their SHA-256, by export and by stream", async () => {
  await withStore(async (store, folder) => {
    const paths = makeFiles(join(folder, "in"));
    const digests = await add(store, paths);
    expect(digests).toEqual(paths.map(sha256));
    mkdirSync(join(folder, "out"));
    const files = digests.map((digest, index) => ({
      digest,
      path: join(folder, "out", `${index}`),
      executable: index % 2 === 1,
    }));
    const stats = await store.objects.exportFiles(files, QUIET);
    for (const [index, { path, executable }] of files.entries()) {
      expect(sha256(path)).toBe(digests[index]);
      expect((statSync(path).mode & 0o100) !== 0).toBe(executable);
      expect(stats[index]?.sizeBytes).toBe(statSync(path).size);
      expect(stats[index]?.mtimeNs).toBe(statSync(path, { bigint: true }).mtimeNs);
    }
    for (const [index, digest] of digests.slice(0, 12).entries()) {
      const hash = createHash("sha256");
      for await (const piece of store.objects.readBlob(digest, QUIET)) {
        expect(piece.length).toBeLessThanOrEqual(4 * MIB);
        hash.update(piece);
      }
      expect(hash.digest("hex"), `file ${index}`).toBe(digest);
    }
    expect((await store.objects.hashFiles(paths, QUIET)).map(({ digest }) => digest)).toEqual(digests);
  });
}, 240_000);

test("what is stored already is not stored again", async () => {
  await withStore(async (store, folder) => {
    const paths = makeFiles(join(folder, "in"));
    await add(store, paths);
    const packs = store.index.packs().length;
    const again = join(folder, "again");
    writeFileSync(again, readFileSync(paths[7] ?? ""));
    await add(store, [...paths, again]);
    expect(store.index.packs()).toHaveLength(packs);
    const changed = readFileSync(paths[8] ?? "");
    changed.write("a new header");
    writeFileSync(again, changed);
    await add(store, [again]);
    const last = store.index.packs().at(-1);
    expect(last?.sizeBytes).toBeLessThan(6 * MIB);
  });
}, 240_000);

test("nothing of a session that was not finished is visible or left behind", async () => {
  await withStore(async (store, folder) => {
    const file = join(folder, "f");
    writeFileSync(file, randomBytes(70 * MIB));
    {
      await using session = store.write("add");
      await session.addFiles([{ path: file }], QUIET);
      await session.putObject("tree", encodeTree([]));
    }
    expect(store.index.packs()).toEqual([]);
    expect(readdirSync(join(store.path, "incoming"))).toEqual([]);
    expect(await store.objects.stat(hashBytes(encodeTree([])))).toBeUndefined();
  });
}, 240_000);

test("files that cannot be stored are refused by kind, and the session with them", async () => {
  await withStore(async (store, folder) => {
    const good = join(folder, "good");
    writeFileSync(good, "good");
    symlinkSync(good, join(folder, "link"));
    const cases: [string, string][] = [
      [folder, "FILE_UNSUPPORTED"],
      ["/dev/zero", "FILE_UNSUPPORTED"],
      [join(folder, "link"), "UNSAFE_PATH"],
      [join(folder, "none"), "PATH_NOT_FOUND"],
      ["/proc/self/status", "FILE_CHANGED"],
    ];
    for (const [path, code] of cases) {
      await using session = store.write("add");
      expect(await codeOf(session.addFiles([{ path: good }, { path }], QUIET)), path).toBe(code);
    }
    expect(store.index.packs()).toEqual([]);
  });
});

test("a stopped command throws CANCELED and leaves nothing", async () => {
  await withStore(async (store, folder) => {
    const file = join(folder, "f");
    writeFileSync(file, randomBytes(64 * MIB));
    const stop = new AbortController();
    {
      await using session = store.write("add");
      const call = { signal: stop.signal, onProgress: () => stop.abort() };
      expect(
        await codeOf(
          session.addFiles(
            Array.from({ length: 8 }, () => ({ path: file })),
            call,
          ),
        ),
      ).toBe("CANCELED");
    }
    expect(readdirSync(join(store.path, "incoming"))).toEqual([]);
  });
}, 240_000);

test("a damaged record is never delivered: stream, export and read say OBJECT_CORRUPT", async () => {
  await withStore(async (store, folder) => {
    const file = join(folder, "f");
    writeFileSync(file, randomBytes(3 * MIB));
    const [digest] = await add(store, [file]);
    if (digest === undefined) throw new Error("no digest");
    const [pack] = store.index.packs();
    const path = packPath(store.path, pack?.name ?? digest);
    chmodSync(path, 0o600);
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(MIB) ^ 4, MIB);
    writeFileSync(path, bytes);
    const stream = async (): Promise<void> => {
      for await (const piece of store.objects.readBlob(digest, QUIET))
        expect(piece.length).toBeGreaterThan(0);
    };
    expect(await codeOf(stream())).toBe("OBJECT_CORRUPT");
    const target = { digest, path: join(folder, "out"), executable: false };
    expect(await codeOf(store.objects.exportFiles([target], QUIET))).toBe("OBJECT_CORRUPT");
  });
});

test("an export of many files that fails at the first ends as one error, with no writer left behind", async () => {
  await withStore(async (store, folder) => {
    const paths = makeFiles(join(folder, "in"));
    const digests = await add(store, paths);
    const missing = join(folder, "no", "such", "folder");
    const files = digests.map((digest, index) => ({
      digest,
      path: join(missing, `${index}`),
      executable: false,
    }));
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      expect(await codeOf(store.objects.exportFiles(files, QUIET))).toBe("PATH_NOT_FOUND");
      const none = hashBytes(Buffer.from("not stored"));
      const last = [...files, { digest: none, path: join(folder, "none"), executable: false }];
      expect(await codeOf(store.objects.exportFiles(last, QUIET))).toMatch(/^(OBJECT|PATH)_NOT_FOUND$/);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    } finally {
      process.off("unhandledRejection", note);
    }
    expect(unhandled).toEqual([]);
  });
});

test("objects are read by their kind only", async () => {
  await withStore(async (store) => {
    await using session = store.write("commit");
    const tree = await session.putObject("tree", encodeTree([]));
    const { digest: blob } = await session.putBlob(Buffer.from("hello"));
    await session.finish();
    expect(await store.objects.stat(tree)).toEqual({ kind: "tree", sizeBytes: encodeTree([]).length });
    expect(await store.objects.stat(blob)).toEqual({ kind: "blob", sizeBytes: 5 });
    expect(Buffer.from(await store.objects.read(tree, "tree"))).toEqual(Buffer.from(encodeTree([])));
    expect(await codeOf(store.objects.read(blob, "tree"))).toBe("OBJECT_INVALID");
    expect(await codeOf(store.objects.read(hashBytes(Buffer.from("no")), "commit"))).toBe("OBJECT_NOT_FOUND");
    expect(await store.objects.findPrefix(tree.slice(0, 7), 5)).toEqual([{ digest: tree, kind: "tree" }]);
  });
});

const FOLDER = encodeTree([{ name: "a", mode: "100644", digest: hashBytes(Buffer.from("a")), sizeBytes: 1 }]);

test("a file that has the bytes of a folder's record is refused, and the folder stays readable", async () => {
  await withStore(async (store, folder) => {
    await using session = store.write("commit");
    const tree = await session.putObject("tree", FOLDER);
    await session.finish();
    const path = join(folder, "tree.bin");
    writeFileSync(path, FOLDER);
    expect(await codeOf(add(store, [path]))).toBe("FILE_UNSUPPORTED");
    expect(Buffer.from(await store.objects.read(tree, "tree")).equals(FOLDER)).toBe(true);
  });
});

test("a folder whose record's bytes are stored as a file is refused, not taken for stored", async () => {
  await withStore(async (store, folder) => {
    const path = join(folder, "tree.bin");
    writeFileSync(path, FOLDER);
    await add(store, [path]);
    await using later = store.write("commit");
    expect(await codeOf(later.putObject("tree", FOLDER))).toBe("OBJECT_INVALID");
    await using both = store.write("commit");
    await both.putBlob(Buffer.from("b"));
    expect(await codeOf(both.putObject("tree", Buffer.from("b")))).toBe("OBJECT_INVALID");
  });
});

import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, makeSocket, withWorktree } from "../testing/worktree.ts";
import { readStage } from "../worktree/stage.ts";
import { add, type AddOptions } from "./add.ts";

function addAll(bench: Bench, options: Partial<AddOptions> = {}) {
  return add(bench.repository, { paths: ["."], ...options }, QUIET);
}

async function stagedPaths(bench: Bench): Promise<string[]> {
  return [...((await readStage(bench.root))?.entries.keys() ?? [])];
}

test("add() stages new, changed and deleted files and says which", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1", "b/c": "2", "b/d": "3" });
    expect(await addAll(bench)).toEqual({
      added: ["a", "b/c", "b/d"],
      modified: [],
      deleted: [],
      dryRun: false,
      badNames: [],
    });
    await bench.write({ a: "changed" });
    await rm(join(bench.root, "b/c"));
    expect(await addAll(bench)).toEqual({
      added: [],
      modified: ["a"],
      deleted: ["b/c"],
      dryRun: false,
      badNames: [],
    });
    expect(await stagedPaths(bench)).toEqual(["a", "b/d"]);
  });
});

test("add() keeps digest, mode and size of each file", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ run: "#!", empty: "" });
    await chmod(join(bench.root, "run"), 0o755);
    await addAll(bench);
    const stage = await readStage(bench.root);
    expect(stage?.entries.get("run")).toMatchObject({
      mode: "100755",
      digest: hashBytes(Buffer.from("#!")),
      sizeBytes: 2,
    });
    expect(stage?.entries.get("empty")).toMatchObject({ mode: "100644", digest: hashBytes(Buffer.alloc(0)) });
  });
});

test("add() takes paths from where the user stands, absolute ones, folders and patterns", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ "x/a.bin": "1", "x/b.txt": "2", "y/c.bin": "3", top: "4" });
    const inX = await bench.at("x");
    await add(inX, { paths: ["a.bin"] }, QUIET);
    expect(await stagedPaths(bench)).toEqual(["x/a.bin"]);
    await add(inX, { paths: ["../*.bin"] }, QUIET);
    expect(await stagedPaths(bench)).toEqual(["x/a.bin", "y/c.bin"]);
    await add(inX, { paths: [join(bench.root, "top")] }, QUIET);
    await add(inX, { paths: ["."] }, QUIET);
    expect(await stagedPaths(bench)).toEqual(["top", "x/a.bin", "x/b.txt", "y/c.bin"]);
  });
});

test("add() with -u leaves untracked files, with -A takes everything from anywhere", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", gone: "2" });
    await bench.write({ a: "changed", new: "3", "sub/x": "4" });
    await rm(join(bench.root, "gone"));
    expect(await add(bench.repository, { paths: [], update: true }, QUIET)).toMatchObject({
      added: [],
      modified: ["a"],
      deleted: ["gone"],
    });
    expect(await add(await bench.at("sub"), { paths: [], all: true }, QUIET)).toMatchObject({
      added: ["new", "sub/x"],
    });
  });
});

test("add() with dryRun stages nothing", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1" });
    expect(await addAll(bench, { dryRun: true })).toMatchObject({ added: ["a"], dryRun: true });
    expect(await stagedPaths(bench)).toEqual([]);
  });
});

test("add() refuses no path, an empty path, an unknown path and one outside", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1" });
    const attempt = (...paths: string[]) => add(bench.repository, { paths }, QUIET);
    await expect(attempt()).rejects.toMatchObject({ code: "USAGE" });
    await expect(attempt("")).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(attempt("a", "nothing")).rejects.toMatchObject({
      code: "PATH_NOT_FOUND",
      details: { path: "nothing" },
    });
    await expect(attempt("*.zip")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(attempt("../x")).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    await expect(attempt("/etc/passwd")).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    await expect(attempt("/proc/self/mem")).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    await expect(attempt(".smc/HEAD")).rejects.toMatchObject({ code: "PATH_INVALID" });
    await expect(attempt("a\0b")).rejects.toMatchObject({ code: "PATH_INVALID" });
    await expect(attempt("p".repeat(5000))).rejects.toMatchObject({ code: "PATH_INVALID" });
    await expect(attempt("n".repeat(256))).rejects.toMatchObject({ code: "PATH_INVALID" });
    expect(await stagedPaths(bench)).toEqual([]);
  });
});

test("add() names devices, fifos and sockets by kind and does not hang", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1" });
    const attempt = (path: string) => add(bench.repository, { paths: [path] }, QUIET);
    await expect(attempt("/dev/zero")).rejects.toMatchObject({
      code: "FILE_UNSUPPORTED",
      message: expect.stringContaining("character device"),
    });
    execFileSync("mkfifo", [join(bench.root, "pipe")]);
    await expect(attempt("pipe")).rejects.toMatchObject({
      code: "FILE_UNSUPPORTED",
      details: { kind: "fifo" },
    });
    await expect(attempt(".")).rejects.toMatchObject({ code: "FILE_UNSUPPORTED", details: { kind: "fifo" } });
    await rm(join(bench.root, "pipe"));
    makeSocket(join(bench.root, "socket"));
    await expect(attempt(".")).rejects.toMatchObject({
      code: "FILE_UNSUPPORTED",
      details: { kind: "socket" },
    });
    expect(await stagedPaths(bench)).toEqual([]);
  });
});

test("add() leaves a fifo alone that .smcignore names", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ ".smcignore": "pipe\n", a: "1" });
    execFileSync("mkfifo", [join(bench.root, "pipe")]);
    expect(await addAll(bench)).toMatchObject({ added: [".smcignore", "a"] });
  });
});

test("add() refuses an ignored path by name, takes it with force, and keeps tracking it", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ ".smcignore": "*.log\ncache/\n", "a.log": "1", "cache/x": "2" });
    await expect(add(bench.repository, { paths: ["a.log"] }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await expect(add(bench.repository, { paths: ["cache/x"] }, QUIET)).rejects.toMatchObject({
      details: { path: "cache" },
    });
    await add(bench.repository, { paths: ["a.log", "cache/x"], force: true }, QUIET);
    await bench.write({ "a.log": "changed" });
    expect(await add(bench.repository, { paths: ["a.log"] }, QUIET)).toMatchObject({ modified: ["a.log"] });
  });
});

test("add() takes thousands of paths by name as it takes their folder, and stops at the first that is wrong", async () => {
  await withWorktree(async (bench) => {
    const names = Array.from({ length: 5000 }, (_, index) => `d${index % 7}/${index}.bin`);
    await bench.write(Object.fromEntries(names.map((name) => [name, ""])));
    await bench.write({ ".smcignore": "*.log\n", "d3/x.log": "1" });
    const attempt = (...paths: string[]) => add(bench.repository, { paths, dryRun: true }, QUIET);
    expect((await attempt(...names)).added).toEqual(names.toSorted());
    expect((await attempt("d0", "d1", "d2", "d3", "d4", "d5", "d6")).added).toEqual(names.toSorted());
    const [last = ""] = names.splice(-1);
    await expect(attempt(...names, "d3/x.log", "absent", last)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
      details: { path: "d3/x.log" },
    });
    await expect(attempt(...names, "absent", last)).rejects.toMatchObject({
      code: "PATH_NOT_FOUND",
      details: { path: "absent" },
    });
  });
});

test("add() stores a link as a link, never what it points to", async () => {
  await withWorktree(async (bench, folder) => {
    await writeFile(join(folder, "secret"), "secret");
    await symlink("../secret", join(bench.root, "link"));
    await symlink("loop", join(bench.root, "loop"));
    await addAll(bench);
    const entry = (await readStage(bench.root))?.entries.get("link");
    expect(entry).toMatchObject({
      mode: "120000",
      digest: hashBytes(Buffer.from("../secret")),
      sizeBytes: 9,
    });
  });
});

test("add() refuses a path below a link", async () => {
  await withWorktree(async (bench, folder) => {
    await mkdir(join(folder, "outside"));
    await writeFile(join(folder, "outside", "x"), "1");
    await symlink("../outside", join(bench.root, "out"));
    await expect(add(bench.repository, { paths: ["out/x"] }, QUIET)).rejects.toMatchObject({
      code: "UNSAFE_PATH",
      message: "'out' is a symlink, not followed",
    });
  });
});

test("add() stages nothing when one file cannot be read", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1", closed: "2", z: "3" });
    await chmod(join(bench.root, "closed"), 0o000);
    await asNobody(bench, async () => {
      await expect(addAll(bench)).rejects.toMatchObject({
        code: "PERMISSION_DENIED",
        message: expect.stringContaining("closed"),
      });
    });
    expect(await stagedPaths(bench)).toEqual([]);
  });
});

test("add() stages nothing when a folder cannot be entered", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1", "closed/x": "2" });
    await chmod(join(bench.root, "closed"), 0o600);
    await asNobody(bench, async () => {
      await expect(addAll(bench)).rejects.toMatchObject({
        code: "PERMISSION_DENIED",
        message: expect.stringContaining("closed"),
      });
    });
    await chmod(join(bench.root, "closed"), 0o700);
    expect(await stagedPaths(bench)).toEqual([]);
  });
});

/** Root may read everything; the rules for others hold for another user. */
async function asNobody(bench: Bench, run: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return run();
  const nobody = 65534;
  execFileSync("chown", ["-R", `${nobody}`, join(bench.root, "..")]);
  await chown(bench.root, nobody, nobody);
  process.seteuid?.(nobody);
  try {
    await run();
  } finally {
    process.seteuid?.(0);
    execFileSync("chown", ["-R", "0", join(bench.root, "..")]);
  }
}

test("add() refuses a name that is not UTF-8 with its bytes", async () => {
  await withWorktree(async (bench) => {
    await writeFile(Buffer.concat([Buffer.from(`${bench.root}/`), Buffer.from([0xff, 0xfe])]), "x");
    await expect(addAll(bench)).rejects.toMatchObject({
      code: "PATH_INVALID",
      message: expect.stringContaining("not valid UTF-8 (bytes ff fe)"),
    });
  });
});

test.each(["con", "aux.txt", "a.", "a ", "a:b", "*"])(
  "add() refuses the name %j unless it is allowed",
  async (name) => {
    await withWorktree(async (bench) => {
      await bench.write({ [name]: "1" });
      await expect(addAll(bench)).rejects.toMatchObject({ code: "NAME_NOT_PORTABLE" });
      expect(await addAll(bench, { allowNonportable: true })).toMatchObject({ added: [name] });
    });
  },
);

test.each([".SMC/x", ".smc./x", "a\\b", "a\nb", "smc~1"])(
  "add() refuses the name %j always",
  async (name) => {
    await withWorktree(async (bench) => {
      await bench.write({ [name]: "1" });
      await expect(addAll(bench, { allowNonportable: true })).rejects.toMatchObject({ code: "PATH_INVALID" });
    });
  },
);

test("add() refuses names that are one elsewhere, in files and in folders", async () => {
  for (const [a, b] of [
    ["Model", "model"],
    ["Dir/x", "dir/y"],
  ]) {
    await withWorktree(async (bench) => {
      await bench.write({ [a ?? ""]: "1" });
      await addAll(bench);
      await bench.write({ [b ?? ""]: "2" });
      await expect(addAll(bench)).rejects.toMatchObject({ code: "NAME_COLLISION" });
      expect(await stagedPaths(bench)).toEqual([a]);
    });
  }
});

test("add() takes a rename that changes only the case", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ Model: "1" });
    await rename(join(bench.root, "Model"), join(bench.root, "model"));
    expect(await addAll(bench)).toMatchObject({ added: ["model"], deleted: ["Model"] });
  });
});

test("add() keeps names in normal form C", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ "e\u0301": "1" });
    expect(await addAll(bench)).toMatchObject({ added: ["\u00e9"] });
    expect(await add(bench.repository, { paths: ["e\u0301"] }, QUIET)).toMatchObject({
      added: [],
      modified: [],
    });
    expect((await bench.status()).untracked).toEqual([]);
  });
});

test("add() lets a file take the place of a folder and the other way round", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "x/a": "1", y: "2" });
    await rm(join(bench.root, "x"), { recursive: true });
    await rm(join(bench.root, "y"));
    await bench.write({ x: "file", "y/b": "in folder" });
    expect(await addAll(bench)).toMatchObject({ added: ["x", "y/b"], deleted: ["x/a", "y"] });
    expect(await stagedPaths(bench)).toEqual(["x", "y/b"]);
  });
});

test("add() stages nothing of a file that changes while it is read", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ small: "1", big: Buffer.alloc(64 * 1024 * 1024, 1) });
    const path = join(bench.root, "big");
    const state: { error?: unknown } = {};
    const adding = addAll(bench).catch((error: unknown) => {
      state.error = error;
    });
    for (let size = 32 * 1024 * 1024; state.error === undefined; size += 1) {
      await truncate(path, size);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await adding;
    expect(state.error).toMatchObject({ code: "FILE_CHANGED" });
    expect(await stagedPaths(bench)).toEqual([]);
    expect(await readFile(join(bench.root, "small"), "utf8")).toBe("1");
  });
});

test("add() stores the same content once and reads unchanged files not at all", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "same", b: "same" });
    await bench.age();
    await addAll(bench);
    // The change times are young: the first one after 2 s reads the files again, and says nothing changed.
    expect(await addAll(bench)).toEqual({
      added: [],
      modified: [],
      deleted: [],
      dryRun: false,
      badNames: [],
    });
  });
});

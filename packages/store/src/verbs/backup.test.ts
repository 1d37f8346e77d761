import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import { interceptCalls } from "../fs.ts";
import { hashBytes } from "../objects/digest.ts";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { backup, type BackupOptions, type BackupResult } from "./backup.ts";

interface Manifest {
  readonly kind: string;
  readonly createdBy: string;
  readonly source: { readonly path?: string; readonly commit?: string; readonly meta?: unknown };
  readonly files: readonly { readonly path: string; readonly sha256: string; readonly md5: string }[];
  readonly links: readonly unknown[];
}

function run(bench: Bench, options: BackupOptions): Promise<BackupResult> {
  return backup(placeOf(bench), options, QUIET);
}

test("backup() of a file makes a copy with date and time in its name, and tells all about it beside", async () => {
  await withWorktree(async (bench) => {
    const bytes = randomBytes(3_000_000);
    await bench.write({ "runs/exp/best.pt": bytes });
    const [first, second] = await Promise.all([
      run(bench, { target: "runs/exp/best.pt" }),
      run(bench, { target: "runs/exp/best.pt" }),
    ]);
    expect(first.name).toMatch(/^best_backup_\d{8}_\d{6}\.pt$/);
    expect(second.name).toMatch(/^best_backup_\d{8}_\d{6}\.pt$/);
    expect(second.name).not.toBe(first.name);
    const path = first.places[0]?.path ?? "";
    expect(path).toBe(join(bench.root, "data/models/backups", first.name));
    expect(readFileSync(path).equals(bytes)).toBe(true);
    const manifest = JSON.parse(readFileSync(`${path}.json`, "utf8")) as Manifest;
    expect(manifest).toMatchObject({
      kind: "file",
      createdBy: "Ada <ada@example.org>",
      source: { path: join(bench.root, "runs/exp/best.pt") },
      files: [{ path: "best.pt", sizeBytes: bytes.length, sha256: hashBytes(bytes), executable: false }],
    });
    const md5 = execFileSync("md5sum", [path], { encoding: "utf8" }).slice(0, 32);
    expect(manifest.files[0]?.md5).toBe(md5);
    expect(first).toMatchObject({ sha256: hashBytes(bytes), md5, contentBytes: bytes.length });
    expect(readdirSync(join(bench.root, "data/models/backups"))).toHaveLength(4);
  });
});

test("backup() takes a name of the user once", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ "best.pt": "one" });
    expect((await run(bench, { target: "best.pt", name: "mine.pt" })).name).toBe("mine.pt");
    await bench.write({ "best.pt": "two" });
    expect(await codeOf(() => run(bench, { target: "best.pt", name: "mine.pt" }))).toBe("WOULD_OVERWRITE");
    expect(await bench.read("data/models/backups/mine.pt")).toBe("one");
  });
});

test("backup() of a revision is a tar file that GNU tar reads, the manifest first", async () => {
  await withWorktree(async (bench, folder) => {
    const long = `${"folder/".repeat(20)}${"name".repeat(30)}.bin`;
    const bytes = randomBytes(2_000_000);
    const files = { "model.bin": bytes, [long]: "deep", "weights/größe.txt": "1", empty: "", "run.sh": "#!" };
    await bench.write(files);
    execFileSync("chmod", ["+x", join(bench.root, "run.sh")]);
    execFileSync("ln", ["-s", "model.bin", join(bench.root, "latest")]);
    const { digest } = await bench.commit({}, { metrics: { accuracy: 0.93 } });
    const made = await run(bench, { target: "HEAD" });
    expect(made).toMatchObject({ kind: "revision", files: 5, source: { commit: digest } });
    const { path = "", sizeBytes = 0 } = made.places[0] ?? {};
    expect(basename(path)).toMatch(/^model_HEAD_backup_\d{8}_\d{6}\.tar$/);
    expect(readFileSync(path)).toHaveLength(sizeBytes);
    const listed = execFileSync("tar", ["-tf", path], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C.UTF-8" },
    });
    expect(listed.split("\n").slice(0, 1)).toEqual(["manifest.json"]);
    const out = join(folder, "out");
    mkdirSync(out);
    execFileSync("tar", ["-xf", path, "-C", out]);
    const manifest = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8")) as Manifest;
    expect(manifest).toMatchObject({
      source: { commit: digest, meta: { metrics: { accuracy: 0.93 } } },
      links: [{ path: "latest", target: "model.bin" }],
    });
    for (const { path: name, sha256 } of manifest.files)
      expect(hashBytes(readFileSync(join(out, "files", name))), name).toBe(sha256);
    expect(manifest.files.map((file) => file.path).sort()).toEqual(Object.keys(files).sort());
    expect(execFileSync("stat", ["-c", "%a", join(out, "files/run.sh")], { encoding: "utf8" })).toMatch(/^7/);
  });
});

test("backup() keeps the copy of the place that has room", async () => {
  await withWorktree(async (bench, folder) => {
    await bench.write({ "best.pt": randomBytes(100_000) });
    const full = join(folder, "full");
    const other = join(folder, "other");
    interceptCalls((what, path) => {
      if (what === "write" && path.startsWith(full)) throw new SmcError("DISK_FULL", "no space left");
    });
    try {
      const made = await run(bench, { target: "best.pt", to: [full, other] });
      expect(made.places).toMatchObject([{ error: { code: "DISK_FULL" } }, { error: null }]);
      expect(readdirSync(full)).toEqual([]);
      expect(readdirSync(other)).toHaveLength(2);
      expect(await codeOf(() => run(bench, { target: "best.pt", to: [full] }))).toBe("DISK_FULL");
      const tar = await run(bench, { store: true, to: [full, other] });
      expect(tar.places).toMatchObject([{ error: { code: "DISK_FULL" } }, { error: null }]);
    } finally {
      interceptCalls(undefined);
    }
    expect(readdirSync(full)).toEqual([]);
  });
});

const REFUSED: readonly (readonly [BackupOptions, string])[] = [
  [{}, "USAGE"],
  [{ target: "best.pt", store: true }, "USAGE"],
  [{ target: "nope.pt" }, "REVISION_NOT_FOUND"],
  [{ target: "best.pt", name: "../up.pt" }, "PATH_INVALID"],
  [{ target: "best.pt", name: "a/b.pt" }, "PATH_INVALID"],
  [{ target: "best.pt", name: "best.json" }, "PATH_INVALID"],
  [{ target: "best.pt", to: [""] }, "PATH_INVALID"],
];

test("backup() refuses what names nothing, or no file", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "best.pt": "1" });
    for (const [options, code] of REFUSED)
      expect(await codeOf(() => run(bench, options)), JSON.stringify(options)).toBe(code);
    expect(existsSync(join(bench.root, "data"))).toBe(false);
  });
});

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { openStore } from "../open-store.ts";
import { flip } from "../testing/damage.ts";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { backup, type BackupOptions } from "./backup.ts";
import { fsck } from "./fsck.ts";
import { gc } from "./gc.ts";
import { restoreBackup, type RestoreBackupOptions, type RestoreBackupResult } from "./restore-backup.ts";

async function save(bench: Bench, options: BackupOptions): Promise<string> {
  const { places } = await backup(placeOf(bench), options, QUIET);
  return places[0]?.path ?? "";
}

function bring(bench: Bench, options: RestoreBackupOptions): Promise<RestoreBackupResult> {
  return restoreBackup(placeOf(bench), options, QUIET);
}

test("restoreBackup() brings a file back to trained/, to a folder, or under another name", async () => {
  await withWorktree(async (bench) => {
    const bytes = randomBytes(2_500_000);
    await bench.write({ "best.pt": bytes });
    await save(bench, { target: "best.pt", name: "mine.pt" });
    const first = await bring(bench, { backup: "mine.pt" });
    expect(first).toMatchObject({
      kind: "file",
      path: join(bench.root, "data/models/trained/mine.pt"),
      written: true,
    });
    expect(readFileSync(first.path).equals(bytes)).toBe(true);
    expect(await bring(bench, { backup: "mine.pt" })).toMatchObject({ written: false });
    expect((await bring(bench, { backup: "mine.pt", destination: "there/" })).path).toBe(
      join(bench.root, "there/mine.pt"),
    );
    const named = await bring(bench, { backup: "data/models/backups/mine.pt", destination: "there/x.pt" });
    expect(hashBytes(readFileSync(named.path))).toBe(hashBytes(bytes));
    writeFileSync(named.path, "other");
    expect(await codeOf(() => bring(bench, { backup: "mine.pt", destination: "there/x.pt" }))).toBe(
      "WOULD_OVERWRITE",
    );
    expect(readFileSync(named.path, "utf8")).toBe("other");
    await bring(bench, { backup: "mine.pt", destination: "there/x.pt", force: true });
    expect(readFileSync(named.path).equals(bytes)).toBe(true);
  });
});

test("restoreBackup() brings the files of a version back into a new folder", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "a/model.bin": randomBytes(1_500_000), "config.json": "{}", empty: "" });
    const path = await save(bench, { target: "main", name: "release" });
    const restored = await bring(bench, { backup: "release.tar" });
    expect(restored).toMatchObject({
      kind: "revision",
      files: 3,
      path: join(bench.root, "data/models/trained/release"),
    });
    for (const name of ["a/model.bin", "config.json", "empty"])
      expect(readFileSync(join(restored.path, name)).equals(readFileSync(join(bench.root, name))), name).toBe(
        true,
      );
    expect(await codeOf(() => bring(bench, { backup: path }))).toBe("WOULD_OVERWRITE");
    expect(await codeOf(() => bring(bench, { backup: path, destination: "config.json" }))).toBe(
      "WOULD_OVERWRITE",
    );
    mkdirSync(join(bench.root, "hollow"));
    await bring(bench, { backup: path, destination: "hollow" });
    expect(readdirSync(join(bench.root, "hollow")).sort()).toEqual(["a", "config.json", "empty"]);
  });
});

test("restoreBackup() makes a whole store of the backup of a store that was in use", async () => {
  await withWorktree(async (bench, folder) => {
    const bytes = randomBytes(5_000_000);
    const { digest } = await bench.commit({ "model.bin": bytes });
    await bench.commit({ "other.bin": randomBytes(1_000_000) });
    const [path] = await Promise.all([
      save(bench, { store: true, name: "all", to: [folder] }),
      bench.commit({ "later.bin": randomBytes(1_000_000) }),
      gc(bench.store, { grace: "0s" }, QUIET),
    ]);
    expect(await codeOf(() => bring(bench, { backup: path }))).toBe("USAGE");
    const to = join(folder, "again");
    expect(await bring(bench, { backup: path, destination: to })).toMatchObject({ kind: "store", path: to });
    expect(statSync(to).mode & 0o777).toBe(0o700);
    expect(existsSync(join(to, "tokens.json"))).toBe(false);
    await using store = await openStore(to);
    expect(store.id).toBe(bench.store.id);
    expect((await store.refs.listRepositories()).map(({ name }) => name)).toEqual(["model"]);
    // What the worktree has staged since is in the other store.
    const { problems } = await fsck(store, { full: true }, QUIET);
    expect(problems.filter(({ affects }) => affects.some((text) => !text.startsWith("stage of ")))).toEqual(
      [],
    );
    expect((await store.objects.stat(digest))?.kind).toBe("commit");
    expect((await store.objects.stat(hashBytes(bytes)))?.sizeBytes).toBe(bytes.length);
    expect(await codeOf(() => bring(bench, { backup: path, destination: to }))).toBe("WOULD_OVERWRITE");
  });
});

test("restoreBackup() writes nothing of a damaged backup", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "best.pt": randomBytes(300_000) });
    const file = await save(bench, { target: "best.pt", name: "file.pt" });
    const tar = await save(bench, { target: "HEAD", name: "tar" });
    const store = await save(bench, { store: true, name: "store" });
    for (const path of [file, tar, store]) {
      const { size } = statSync(path);
      flip(path, path === store ? size - 200_000 : size >> 1);
      const goal = join(bench.root, "goal");
      expect(await codeOf(() => bring(bench, { backup: path, destination: goal })), path).toBe(
        "OBJECT_CORRUPT",
      );
      expect(existsSync(goal)).toBe(false);
    }
    expect(readdirSync(bench.root).filter((name) => name.startsWith(".smc-tmp"))).toEqual([]);
    writeFileSync(join(bench.root, "no.txt"), "no backup");
    expect(await codeOf(() => bring(bench, { backup: "no.txt" }))).toBe("FILE_MALFORMED");
    expect(await codeOf(() => bring(bench, { backup: "nope.pt" }))).toBe("PATH_NOT_FOUND");
  });
});

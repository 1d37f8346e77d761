import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { flip } from "../testing/damage.ts";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { backup } from "./backup.ts";
import { backups, type BackupsOptions, type BackupsResult } from "./backups.ts";

function run(bench: Bench, options: BackupsOptions): Promise<BackupsResult> {
  return backups(placeOf(bench), options, QUIET);
}

async function withBackups(test: (bench: Bench, folder: string) => Promise<void>): Promise<void> {
  await withWorktree(async (bench) => {
    const place = placeOf(bench);
    const { digest } = await bench.commit({ "best.pt": "weights" });
    await backup(place, { target: "best.pt", name: "b.pt" }, QUIET);
    await backup(place, { target: digest, name: "a" }, QUIET);
    await test(bench, join(bench.root, "data/models/backups"));
  });
}

test("backups() lists what is a backup, by date, and nothing else", async () => {
  await withBackups(async (bench, folder) => {
    writeFileSync(join(folder, "notes.txt"), "mine");
    const { backups: rows, broken } = await run(bench, { action: "list" });
    expect(rows.map(({ name, kind }) => [name, kind])).toEqual([
      ["b.pt", "file"],
      ["a.tar", "revision"],
    ]);
    expect(rows[0]).toMatchObject({
      sizeBytes: 7,
      createdBy: "Ada <ada@example.org>",
      of: join(bench.root, "best.pt"),
    });
    expect(broken).toEqual([]);
    expect((await run(bench, { action: "list", folder: "nowhere" })).backups).toEqual([]);
  });
});

test("backups() verifies every byte", async () => {
  await withBackups(async (bench, folder) => {
    expect((await run(bench, { action: "verify" })).backups).toHaveLength(2);
    flip(join(folder, "b.pt"), 3);
    const { backups: whole, broken } = await run(bench, { action: "verify" });
    expect(whole.map(({ name }) => name)).toEqual(["a.tar"]);
    expect(broken).toMatchObject([{ name: "b.pt" }]);
    expect(broken[0]?.message).toContain("SHA-256");
    flip(join(folder, "a.tar"), statSync(join(folder, "a.tar")).size - 1);
    expect((await run(bench, { action: "verify", names: ["a.tar"] })).broken).toHaveLength(1);
    expect((await run(bench, { action: "list" })).broken).toMatchObject([{ name: "a.tar" }]);
  });
});

test("backups() removes what is named, all or none, and only backups", async () => {
  await withBackups(async (bench, folder) => {
    expect(await codeOf(() => run(bench, { action: "rm" }))).toBe("USAGE");
    expect(await codeOf(() => run(bench, { action: "rm", names: ["b.pt", "c.pt"] }))).toBe("PATH_NOT_FOUND");
    expect(await codeOf(() => run(bench, { action: "rm", names: ["b.pt", "best.pt"] }))).toBe(
      "FILE_MALFORMED",
    );
    expect(existsSync(join(folder, "b.pt"))).toBe(true);
    await run(bench, { action: "rm", names: ["b.pt", "a.tar"] });
    expect(["b.pt", "b.pt.json", "a.tar"].filter((name) => existsSync(join(folder, name)))).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { setup } from "./setup.ts";

test("setup() makes the five folders, and nothing the second time", async () => {
  await withWorktree(async (bench) => {
    const place = placeOf(bench);
    const first = await setup(place, {}, QUIET);
    const names = ["trained", "cloud", "backups", "active", "downloads"];
    expect(first).toMatchObject({
      folder: place.models,
      made: names,
      kept: [],
      store: { id: bench.store.id },
    });
    expect(readdirSync(place.models).sort()).toEqual([...names].sort());
    writeFileSync(join(place.models, "active", "a.pt"), "1");
    expect(await setup(place, {}, QUIET)).toMatchObject({ made: [], kept: names });
  });
});

test("setup() makes nothing where a file is in the way", async () => {
  await withWorktree(async (bench) => {
    const place = placeOf(bench);
    mkdirSync(place.models, { recursive: true });
    writeFileSync(join(place.models, "downloads"), "mine");
    expect(await codeOf(() => setup(place, {}, QUIET))).toBe("WOULD_OVERWRITE");
    expect(existsSync(join(dirname(place.models), "models", "trained"))).toBe(false);
  });
});

import { expect, test } from "vitest";
import { placeOf } from "../testing/files-place.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { backup } from "./backup.ts";
import { list } from "./list.ts";

test("list() tells what lies in the folders, without manifests and hidden files", async () => {
  await withWorktree(async (bench) => {
    const place = placeOf(bench);
    expect(await list(place, {}, QUIET)).toEqual({
      folder: place.models,
      trained: [],
      cloud: [],
      uploads: [],
      backups: [],
      active: [],
      downloads: [],
    });
    await bench.write({
      "data/models/trained/best.pt": "12345",
      "data/models/trained/.hidden": "",
      "best.pt": "1",
    });
    await bench.write({ "data/models/active/best.pt": "1", "data/models/active/meta.json": "{}" });
    await backup(place, { target: "best.pt", name: "b.pt" }, QUIET);
    const { trained, backups, active } = await list(place, {}, QUIET);
    expect(trained).toMatchObject([{ name: "best.pt", sizeBytes: 5 }]);
    expect(backups.map(({ name }) => name)).toEqual(["b.pt"]);
    expect(active.map(({ name }) => name)).toEqual(["best.pt", "meta.json"]);
  });
});

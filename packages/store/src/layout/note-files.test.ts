import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import { placeOf } from "../testing/files-place.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { audit } from "../verbs/audit.ts";
import { backup } from "../verbs/backup.ts";
import { setup } from "../verbs/setup.ts";

test("setup() and backup() write one record each, with the repository and without one", async () => {
  await withWorktree(async (bench) => {
    const place = placeOf(bench);
    const outside = {
      ...place,
      openRepository: () => Promise.reject(new SmcError("WORKTREE_NOT_FOUND", "none")),
    };
    writeFileSync(join(bench.root, "best.pt"), "weights");
    const { seq } = bench.store.journal.position;
    expect((await setup(place, {}, QUIET)).recorded).toBe(true);
    expect((await setup(place, {}, QUIET)).recorded).toBe(false);
    expect((await backup(outside, { target: "best.pt", name: "b.pt" }, QUIET)).recorded).toBe(true);
    const { entries } = await audit(bench.store, {}, QUIET);
    const rows = entries.filter((row) => row.seq > seq);
    expect(rows).toMatchObject([
      { op: "backup", repository: "", ref: null, actor: place.actor },
      { op: "setup", repository: (await place.openRepository()).name, ref: null },
    ]);
    expect(rows[0]?.reason).toBe(`backup: file b.pt at ${join(place.models, "backups", "b.pt")}`);
  });
});

test("backup() is made also when the journal takes no record, and says so", async () => {
  await withWorktree(async (bench) => {
    const place = placeOf(bench);
    writeFileSync(join(bench.root, "best.pt"), "weights");
    await bench.store.journal[Symbol.asyncDispose]();
    const { places, recorded } = await backup(place, { target: "best.pt" }, QUIET);
    expect(recorded).toBe(false);
    expect(existsSync(places[0]?.path ?? "")).toBe(true);
  });
});

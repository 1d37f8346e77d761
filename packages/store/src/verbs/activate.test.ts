import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET, withFolder } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { activate, type ActivateOptions, type ActivateResult } from "./activate.ts";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const STEPS_MAX = 60;

function run(bench: Bench, target: string, more: Partial<ActivateOptions> = {}): Promise<ActivateResult> {
  return activate(placeOf(bench), { target, answer: "yes", ...more }, QUIET);
}

test("activate() backs the old file up, and swaps", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ "best.pt": "one", "data/models/trained/next.pt": "two" });
    const active = join(bench.root, "data/models/active");
    const planned = await run(bench, "best.pt", { answer: "plan" });
    expect(planned).toMatchObject({
      path: join(active, "best.pt"),
      old: null,
      activated: false,
      isActive: false,
    });
    expect(await codeOf(() => activate(placeOf(bench), { target: "best.pt" }, QUIET))).toBe(
      "CONFIRMATION_NEEDED",
    );
    expect(await run(bench, "best.pt")).toMatchObject({ activated: true, backup: null });
    expect(await run(bench, "best.pt")).toMatchObject({ activated: false, isActive: true });
    const swapped = await run(bench, "next.pt");
    expect(swapped).toMatchObject({ old: join(active, "best.pt"), path: join(active, "next.pt") });
    expect(readdirSync(active)).toEqual(["next.pt"]);
    expect(readFileSync(swapped.backup ?? "", "utf8")).toBe("one");
    await bench.write({ "data/models/trained/next.pt": "three" });
    const again = await run(bench, "next.pt");
    expect(readFileSync(join(active, "next.pt"), "utf8")).toBe("three");
    expect(readFileSync(again.backup ?? "", "utf8")).toBe("two");
  });
});

test("activate() leaves other active files alone when there are several, or a name is given", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ "a.pt": "a", "b.pt": "b" });
    const active = join(bench.root, "data/models/active");
    await run(bench, "a.pt");
    expect(await run(bench, "b.pt", { as: "other.pt" })).toMatchObject({ old: null });
    expect(await run(bench, "b.pt")).toMatchObject({ old: null });
    expect(readdirSync(active)).toEqual(["a.pt", "b.pt", "other.pt"]);
    expect(await codeOf(() => run(bench, "b.pt", { as: "../up.pt" }))).toBe("PATH_INVALID");
    await expect(run(bench, "nope.pt")).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
      message: expect.stringContaining("neither a file nor a version 'nope.pt'"),
    });
  });
});

test("activate() takes a file of a version", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "model.pt": "one" });
    expect(await run(bench, "HEAD")).toMatchObject({ activated: true, from: "HEAD" });
    await bench.commit({ "model.pt": "two", "config.json": "{}", ".smcignore": "data/" });
    expect(await codeOf(() => run(bench, "HEAD"))).toBe("ARGUMENT_INVALID");
    const { path } = await run(bench, "HEAD:model.pt");
    expect(readFileSync(path, "utf8")).toBe("two");
  });
});

/**
 * A process that is killed before the n-th call that makes something durable or gives it its name; true when it came to
 * its end.
 */
function killedAt(root: string, step: number): boolean {
  const code = `
    import { activate } from ${JSON.stringify(join(DIST, "index.js"))};
    import { interceptCalls } from ${JSON.stringify(join(DIST, "fs.js"))};
    let left = ${step};
    const isOurs = (path) => !path.startsWith(${JSON.stringify(join(root, "store"))});
    interceptCalls((what, path) => { if (/rename|sync|link/.test(what) && isOurs(path) && left-- === 0) process.kill(process.pid, "SIGKILL"); });
    const root = ${JSON.stringify(root)};
    const openRepository = async () => ({ name: "demo" });
    // Its journal is not what is killed here.
    const store = { path: root + "/store", journal: { position: { seq: 0 } }, refs: { note: async () => undefined } };
    const place = { folder: root, models: root, actor: "Ada <ada@example.org>", store, openRepository };
    const call = { signal: new AbortController().signal, onProgress: () => undefined };
    await activate(place, { target: "new.pt", as: "best.pt", answer: "yes" }, call);`;
  const { status, signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code]);
  if (status !== 0 && signal !== "SIGKILL") throw new Error(stderr.toString());
  return status === 0;
}

test("S4.11 activate() killed at any moment leaves the old file active, or the new one with a backup of the old", async () => {
  await withFolder(async (root) => {
    const active = join(root, "active");
    mkdirSync(active);
    writeFileSync(join(root, "new.pt"), "new weights");
    let isDone = false;
    const seen = new Set<string>();
    for (let step = 0; !isDone && step < STEPS_MAX; step += 1) {
      writeFileSync(join(active, "best.pt"), "old weights");
      isDone = killedAt(root, step);
      const text = readFileSync(join(active, "best.pt"), "utf8");
      seen.add(text);
      if (text === "old weights") continue;
      expect(text).toBe("new weights");
      const backups = readdirSync(join(root, "backups")).filter((name) => name.endsWith(".pt"));
      const saved = backups.map((name) => readFileSync(join(root, "backups", name), "utf8"));
      expect(saved, `step ${step}`).toContain("old weights");
      rmSync(join(root, "backups"), { recursive: true });
    }
    expect(isDone).toBe(true);
    expect([...seen]).toEqual(["old weights", "new weights"]);
    expect(readdirSync(active)).toEqual(["best.pt"]);
  });
});

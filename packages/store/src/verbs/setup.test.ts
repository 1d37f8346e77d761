import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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
    expect(readdirSync(place.models).sort()).toEqual([".smcignore", ...names].sort());
    expect(readFileSync(join(place.models, ".smcignore"), "utf8")).toMatch(
      /^#.*\n\/cloud\/\n\/backups\/\n\/active\/\n/,
    );
    writeFileSync(join(place.models, "active", "a.pt"), "1");
    expect(await setup(place, {}, QUIET)).toMatchObject({ made: [], kept: names, smcignore: null });
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

test("setup() keeps git away from the folders, where others wrote in the .gitignore too", async () => {
  await withWorktree(async (bench) => {
    const place = { ...placeOf(bench), models: join(bench.root, "my [models]") };
    mkdirSync(join(bench.root, ".git"));
    const path = join(bench.root, ".gitignore");
    writeFileSync(path, "a\r\n# >>> smc models >>>\r\n/old/\r\n# <<< smc models <<<\nb\n");
    expect(await setup(place, {}, QUIET)).toMatchObject({ gitignore: path, gitignoreChanged: true });
    const text = readFileSync(path, "utf8");
    expect(text).toMatch(/^a\r\n# >>> smc models >>>\r\n\/my \\\[models\\\]\/trained\/\r\n/);
    expect(text).toMatch(/\*\.pt\r\n[^]*# <<< smc models <<<\r\nb\n$/);
    expect(text).not.toContain("/old/");
    expect(await setup(place, {}, QUIET)).toMatchObject({ gitignore: path, gitignoreChanged: false });
    expect(readFileSync(path, "utf8")).toBe(text);
    // A block whose end is gone is not touched.
    writeFileSync(path, "# >>> smc models >>>\n/old/\n");
    expect(await setup(place, {}, QUIET)).toMatchObject({ gitignoreChanged: false });
  });
});

test("setup() of a folder elsewhere writes the .gitignore there", async () => {
  await withWorktree(async (bench) => {
    const models = join(dirname(bench.root), "elsewhere");
    mkdirSync(join(models, ".git"), { recursive: true });
    const made = await setup({ ...placeOf(bench), models }, {}, QUIET);
    expect(made.gitignore).toBe(join(models, ".gitignore"));
    expect(readFileSync(join(models, ".gitignore"), "utf8")).toContain("\n/trained/\n");
  });
});

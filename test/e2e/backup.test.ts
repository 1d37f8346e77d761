import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Result {
  readonly name: string;
  readonly kind: string;
  readonly files: number;
  readonly places: readonly { readonly path: string; readonly error: { readonly code: string } | null }[];
}

const digest = box.write("runs/best.pt", "weights");

test("S4.3 smc backup FILE makes a copy with an automatic name, another one in the same second", async () => {
  const [one, two] = await Promise.all([
    box.ok("backup", "runs/best.pt", "-q"),
    box.ok("backup", "runs/best.pt", "-q"),
  ]);
  expect(one).not.toBe(two);
  for (const path of [one.trim(), two.trim()]) {
    expect(basename(path)).toMatch(/^best_backup_\d{8}_\d{6}\.pt$/);
    expect(readFileSync(path, "utf8")).toBe("weights");
  }
});

test("S4.4 smc backup FILE NAME keeps the name, and is refused the second time", async () => {
  const text = await box.ok("backup", "runs/best.pt", "my_backup.pt");
  expect(text).toContain(`data/models/backups/my_backup.pt, 7 B\nSHA-256 ${digest}\nMD5 `);
  expect(await box.refused("backup", "runs/best.pt", "my_backup.pt")).toMatchObject({
    code: "WOULD_OVERWRITE",
    exit: 5,
  });
});

test("S4.18 smc backup --to keeps a copy in each place with its metadata; one that fails does not stop the other", async () => {
  const made = await box.json<Result>("backup", "runs/best.pt", "--to", "../a", "--to", "../b");
  expect(made.places.map(({ error }) => error)).toEqual([null, null]);
  for (const folder of ["../a", "../b"])
    expect(readdirSync(box.path(folder))).toEqual([made.name, `${made.name}.json`]);
  box.write("blocked", "a file where a folder must be");
  const ran = await box.smc(["backup", "runs/best.pt", "mine.pt", "--to", "blocked", "--to", "../b"]);
  expect(ran.code).toBe(6);
  expect(ran.stdout).toContain("b/mine.pt, 7 B");
  expect(ran.stderr).toContain("no backup at");
});

test("smc backup REV and --store make tar files that GNU tar reads", async () => {
  await box.commit("first", { ".smcignore": "data/\n", "config.json": "{}" });
  await box.ok("tag", "v1.0.0");
  const release = await box.json<Result>("backup", "v1.0.0", "--to", "../a");
  expect(release).toMatchObject({ kind: "revision" });
  const path = release.places[0]?.path ?? "";
  expect(basename(path)).toMatch(/^work_v1\.0\.0_backup_\d{8}_\d{6}\.tar$/);
  mkdirSync(box.path("../out"));
  execFileSync("tar", ["-xf", path, "-C", box.path("../out")]);
  expect(box.read("../out/files/config.json")).toBe("{}");
  const all = await box.ok("--store", box.home, "backup", "--store", "all", "--to", "../a");
  expect(all).toMatch(/a\/all\.tar: \d+ files, /);
  expect(execFileSync("tar", ["-tf", box.path("../a/all.tar")], { encoding: "utf8" })).toMatch(
    /^manifest\.json\nfiles\/format\.json\n/,
  );
});

test.each([
  [["backup"], 2, "USAGE"],
  [["backup", "--store", "a", "b"], 2, "USAGE"],
  [["backup", "nope.pt"], 3, "REVISION_NOT_FOUND"],
  [["backup", "runs/best.pt", "../x"], 2, "PATH_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

test("smc backup of what is neither a file nor a version says so", async () => {
  const ran = await box.smc(["backup", "bset.pt"]);
  expect([ran.code, ran.stdout]).toEqual([3, ""]);
  expect(ran.stderr).toMatch(
    /^error: there is neither a file nor a version 'bset\.pt'; nothing was written\nhint: /,
  );
});

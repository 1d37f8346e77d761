/** Two machines and a folder that both see: what is pushed is what is cloned, and damage stays where it is. */
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sha256 } from "./sandbox.ts";
import { createTwo, type TwoSandboxes } from "./two-sandboxes.ts";

const SLOW_MS = 120_000;

async function headOf(two: TwoSandboxes): Promise<string> {
  return (await two.inClone("rev-parse", "HEAD")).trim();
}

/** Every ref of B's clone. */
async function refsOf(two: TwoSandboxes): Promise<string> {
  return two.inClone("refs");
}

test(
  "a model goes from A to B, changed back to A, and is rolled back in B",
  { timeout: SLOW_MS },
  async () => {
    await using two = await createTwo({ files: { "config.json": "{}" } });
    const { a } = two;
    const weights = randomBytes(9 * 1024 * 1024);
    const digest = a.write("w/model.bin", weights);
    const first = await a.commit("weights", {}, "--metric", "acc=0.5");
    await a.ok("tag", "-m", "first release", "v1.0.0");
    await a.ok("push", "-q", "--all", "--tags");
    await two.inClone("pull");
    expect(sha256(readFileSync(two.clonePath("w/model.bin")))).toBe(digest);
    expect(await headOf(two)).toBe(first);
    expect(await two.inClone("log", "--json")).toBe(await a.ok("log", "--json"));
    weights.fill(7, 4_000_000, 4_001_000);
    const second = await two.commitInClone("w/model.bin", weights);
    expect(await two.inClone("status")).toContain("Your branch is ahead of 'origin/main' by 1 commit.\n");
    const sent = JSON.parse(await two.inClone("push", "--json")) as { sentBytes: number };
    expect(sent.sentBytes).toBeLessThan(weights.length / 2);
    expect(await two.inClone("status")).toContain("Your branch is up to date with 'origin/main'.\n");
    expect(await a.ok("outdated", "-q")).toBe("origin refs/heads/main\n");
    await a.ok("pull");
    expect(a.digest("w/model.bin")).toBe(sha256(weights));
    expect(await a.json("log", "-n", "1")).toMatchObject([{ digest: second }]);
    await two.inClone("checkout", "v1.0.0");
    expect(sha256(readFileSync(two.clonePath("w/model.bin")))).toBe(digest);
    for (const fsck of [await a.ok("fsck", "--full", "-q"), await two.inClone("fsck", "--full", "-q")])
      expect(fsck).toBe("");
  },
);

test("of two who push, who comes later is refused, and nothing moves", { timeout: SLOW_MS }, async () => {
  await using two = await createTwo({ files: { "a.txt": "1" } });
  const { a } = two;
  const mine = await two.commitInClone("b.txt", "b");
  const theirs = await a.commit("theirs", { "a.txt": "2" });
  await a.ok("push", "-q");
  const before = await refsOf(two);
  for (const words of [["push"], ["push", "--force-with-lease"]]) {
    const ran = await two.ranInClone(...words);
    expect(ran.code, ran.stderr).toBe(5);
    expect(await a.ok("ls-remote")).toBe(`${theirs}\trefs/heads/main\n`);
    expect(await refsOf(two)).toBe(before);
  }
  // Who has looked may replace it.
  await two.inClone("fetch");
  await two.inClone("push", "--force-with-lease");
  expect(await a.ok("ls-remote")).toBe(`${mine}\trefs/heads/main\n`);
  expect(await a.ok("fetch")).toContain("main -> origin/main (forced update)\n");
});

test("many who push at the same time: all refs are there, none is lost", { timeout: SLOW_MS }, async () => {
  await using two = await createTwo({ files: { "a.txt": "1" } });
  const { a } = two;
  const names = Array.from({ length: 4 }, (_, index) => `side-${index}`);
  for (const name of names) {
    await a.ok("branch", `a-${name}`);
    await two.inClone("branch", `b-${name}`);
  }
  const ran = await Promise.all(
    names.flatMap((name) => [
      a.smc(["push", "origin", `a-${name}`]),
      two.ranInClone("push", "origin", `b-${name}`),
    ]),
  );
  expect(ran.map(({ code, stderr }) => `${code} ${stderr}`.trim())).toEqual(names.flatMap(() => ["0", "0"]));
  const there = (await a.ok("ls-remote", "-q")).trim().split("\n");
  const wanted = [...names.flatMap((name) => [`a-${name}`, `b-${name}`]), "main"];
  expect(there).toEqual(wanted.map((name) => `refs/heads/${name}`).sort());
});

/** Refs of the clone before it learns of a second version there, and the packs that this one came in. */
async function pushSecond(two: TwoSandboxes): Promise<{ before: string; fresh: string[] }> {
  const old = new Set(two.files(".pack"));
  two.a.write("model.bin", randomBytes(300_000));
  await two.a.commit("second");
  await two.a.ok("push", "-q");
  return { before: await refsOf(two), fresh: two.files(".pack").filter((path) => !old.has(path)) };
}

test("a pack that is gone there stops the fetch with 6, and no ref moves", { timeout: SLOW_MS }, async () => {
  await using two = await createTwo({ files: { "a.txt": "1" } });
  const { a } = two;
  const { before, fresh } = await pushSecond(two);
  expect(fresh.length).toBeGreaterThan(0);
  for (const path of fresh) {
    renameSync(path, `${path}.aside`);
    const ran = await two.ranInClone("fetch", "--json");
    expect(ran.code, ran.stdout).toBe(6);
    expect(await refsOf(two)).toBe(before);
    renameSync(`${path}.aside`, path);
  }
  await two.inClone("pull");
  expect(sha256(readFileSync(two.clonePath("model.bin")))).toBe(a.digest("model.bin"));
});

test(
  "a byte that changed there stops the fetch with 4 and is published nowhere",
  { timeout: SLOW_MS },
  async () => {
    await using two = await createTwo({ files: { "a.txt": "1" } });
    const { a } = two;
    const { before, fresh } = await pushSecond(two);
    const path = fresh.at(-1) ?? "";
    const whole = readFileSync(path);
    const damaged = Buffer.from(whole);
    damaged[150_000] = (damaged[150_000] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    const ran = await two.ranInClone("pull", "--json");
    expect(ran.code, ran.stdout).toBe(4);
    expect(await refsOf(two)).toBe(before);
    await two.inClone("fsck", "--full");
    writeFileSync(path, whole);
    await two.inClone("pull");
    expect(sha256(readFileSync(two.clonePath("model.bin")))).toBe(a.digest("model.bin"));
  },
);

test("a folder that is not mounted, and one that is no remote", { timeout: SLOW_MS }, async () => {
  await using two = await createTwo({ files: { "a.txt": "1" } });
  const before = await refsOf(two);
  renameSync(two.folder, `${two.folder}-away`);
  for (const verb of ["fetch", "push", "pull", "ls-remote", "outdated"]) {
    const ran = await two.ranInClone(verb);
    expect(ran.code, `${verb}: ${ran.stderr}`).toBe(3);
    expect(ran.stderr).toContain("mount it");
  }
  expect(await refsOf(two)).toBe(before);
  renameSync(`${two.folder}-away`, two.folder);
  expect(await two.inClone("fetch")).toBe("Already up to date.\n");
});

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createSandbox, sha256 } from "./sandbox.ts";
import { createTwo } from "./two-sandboxes.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Result {
  readonly dryRun: boolean;
  readonly dead: { readonly commits: number; readonly chunks: number };
  readonly freedBytes: number;
  readonly trash: { readonly epoch: string } | null;
  readonly emptied: { readonly epochs: readonly string[] };
}

test("ask 14 smc gc takes away a deleted branch once its reflog is old, and smc undelete brings it back", async () => {
  await box.commit("kept", { a: "kept\n" });
  await box.ok("branch", "try");
  await box.ok("switch", "try");
  const lost = await box.commit("lost", { a: "lost\n" });
  await box.ok("switch", "main");
  await box.ok("branch", "-D", "try");
  expect(await box.json<Result>("gc")).toMatchObject({ dead: { commits: 0 }, freedBytes: 0 });
  const plan = await box.json<Result>("gc", "-n", "--older-than", "0");
  expect(plan).toMatchObject({ dryRun: true, dead: { commits: 1, chunks: 1 } });
  expect(plan.freedBytes).toBeGreaterThan(0);
  expect(await box.ok("gc", "-n", "--older-than", "0")).toMatch(
    /^would be freed: \d[\d.]* \w+ \(\d+ packs?\)$/m,
  );
  const { stdout } = await box.smc(["gc", "--older-than", "0"]);
  expect(stdout).toMatch(/needed by nothing: 1 commit, 1 tree, 0 tags, 1 chunk\n/);
  expect(stdout).toMatch(/"smc undelete" brings it back until \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
  expect(await box.refused("show", lost)).toMatchObject({ exit: 3 });
  expect(await box.ok("undelete", "--list")).toMatch(/^\d{8}T\d{6}Z: .* in 2 packs, taken away /);
  expect(await box.ok("undelete")).toContain(`commit ${lost.slice(0, 12)}`);
  await box.ok("branch", "rescued", lost);
  expect(await box.ok("cat", "rescued:a")).toBe("lost\n");
  expect((await box.smc(["fsck", "--full"])).code).toBe(0);
  await box.ok("branch", "-D", "rescued");
  expect(await box.json<Result>("gc", "--older-than", "0", "--grace", "0")).toMatchObject({
    dead: { commits: 1 },
    trash: null,
    emptied: { epochs: [expect.any(String)] },
  });
  expect(await box.ok("undelete")).toBe("nothing can be brought back\n");
});

test("smc gc --keep-last gives up old weights: log shows it, checkout says it, undelete undoes it", async () => {
  for (const number of [1, 2, 3]) await box.commit(`weights ${number}`, { model: `weights ${number}\n` });
  const { stdout } = await box.smc(["gc", "--keep-last", "2", "--older-than", "0"]);
  expect(stdout).toContain("2 versions gave up their files\n");
  expect(await box.ok("log", "--oneline")).toMatch(/weights 3.*\n.*weights 2.*\n.*\(pruned\) weights 1/);
  expect(await box.ok("refs")).not.toContain("pruned");
  const { exit, stderr } = await box.refused("checkout", "HEAD~2");
  expect(exit).toBe(3);
  expect(stderr).toContain("pruned");
  expect(box.read("model")).toBe("weights 3\n");
  expect((await box.smc(["fsck", "--full"])).code).toBe(0);
  expect(await box.ok("reflog", "refs/pruned/" + (await box.ok("rev-parse", "HEAD~2")).trim())).toContain(
    "--keep-last 2",
  );
  expect(await box.ok("undelete")).toContain("2 versions whose files are back");
  await box.ok("checkout", "HEAD~2");
  expect(box.read("model")).toBe("weights 1\n");
});

test("smc gc -q tells the bytes; bad spans are refused", async () => {
  expect(await box.ok("gc", "-q")).toBe("0\n");
  expect(await box.refused("gc", "--older-than", "soon")).toMatchObject({ exit: 2, code: "DATE_INVALID" });
});

test("smc gc --remote takes away what no ref there needs", async () => {
  await using two = await createTwo({ files: { "a.txt": "1" } });
  const { a } = two;
  const first = (await a.ok("rev-parse", "HEAD")).trim();
  a.write("model.bin", randomBytes(300_000));
  await a.commit("second");
  await a.ok("push", "-q");
  const before = two.files(".pack");
  await a.ok("push", "-q", "--force", "origin", `${first}:refs/heads/main`);
  expect(await a.ok("gc", "--remote", "--older-than", "0")).toMatch(/not needed, and too young: \d+ packs/);
  expect(await a.ok("gc", "--remote", "-n", "--older-than", "0", "--grace", "0")).toContain("would be freed");
  expect(two.files(".pack")).toEqual(before);
  expect(await a.ok("gc", "--remote", "origin", "--older-than", "0", "--grace", "0")).toMatch(
    /freed: 29\d(?:\.\d)? KiB|freed: 300/,
  );
  expect(two.files(".pack").length).toBeLessThan(before.length);
  await two.inClone("fsck", "--remote", "--full");
  await a.ok("push", "-q");
  await two.inClone("pull");
  expect(sha256(readFileSync(two.clonePath("model.bin")))).toBe(a.digest("model.bin"));
  const refused = await a.smc(["gc", "origin"]);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("--remote") });
  expect((await a.smc(["gc", "--remote", "--keep-last", "1"])).code).toBe(2);
});

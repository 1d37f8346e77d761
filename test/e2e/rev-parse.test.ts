import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

import { realpathSync } from "node:fs";

test("smc rev-parse resolves every form of revision", async () => {
  const one = await box.commit("one", { "dir/a.txt": "one" });
  const two = await box.commit("two", { "dir/a.txt": "two" });
  await box.ok("tag", "-m", "release", "v1.0.0", one);
  const file = box.digest("dir/a.txt");
  const forms: [string, string][] = [
    ["HEAD", two],
    ["@", two],
    ["main", two],
    ["refs/heads/main", two],
    [two, two],
    [`sha256:${two}`, two],
    [two.slice(0, 12), two],
    ["HEAD~1", one],
    ["HEAD^", one],
    ["v1.0.0^{commit}", one],
    ["1.0.0^{commit}", one],
    ["main@{1}", one],
    [":/on", one],
    ["HEAD:dir/a.txt", file],
  ];
  const rows = await box.json<{ rows: { digest: string }[] }>("rev-parse", ...forms.map(([form]) => form));
  expect(rows.rows.map(({ digest }) => digest)).toEqual(forms.map(([, digest]) => digest));
  const cid = (await box.ok("rev-parse", "--cid", "HEAD:dir/a.txt")).trim();
  expect(cid).toMatch(/^bafkrei[a-z2-7]+$/);
  expect(await box.ok("rev-parse", cid)).toBe(`${file}\n`);
  expect(await box.ok("rev-parse", "HEAD~1..HEAD")).toBe(`${two}\n^${one}\n`);
});

test("smc rev-parse --short, --abbrev-ref, --show-toplevel, -q", async () => {
  const head = (await box.ok("rev-parse", "HEAD")).trim();
  expect(await box.ok("rev-parse", "--short", "HEAD")).toBe(`${head.slice(0, 7)}\n`);
  expect(await box.ok("rev-parse", "--short=12", "HEAD")).toBe(`${head.slice(0, 12)}\n`);
  expect(await box.ok("rev-parse", "--abbrev-ref", "HEAD")).toBe("main\n");
  expect(await box.ok("rev-parse", "--show-toplevel")).toBe(`${realpathSync(box.work)}\n`);
  expect(await box.ok("rev-parse", "-q", "HEAD")).toBe(`${head}\n`);
});

const HEX = "0123456789abcdef".repeat(4);

test.each([
  [["rev-parse"], 2],
  [["rev-parse", "sha256:../../../../etc/passwd"], 2],
  [["rev-parse", `sha256-${HEX}`], 3],
  [["rev-parse", HEX.slice(1)], 3],
  [["rev-parse", `${HEX}0`], 3],
  [["rev-parse", `SHA256:${HEX}`], 2],
  [["rev-parse", `md5:${HEX}`], 2],
  [["rev-parse", "abc"], 3],
  [["rev-parse", "0"], 3],
  [["rev-parse", ""], 2],
  [["rev-parse", "HEAD~99"], 3],
  [["rev-parse", "HEAD@{99}"], 3],
  [["rev-parse", "@{-1}"], 3],
  [["rev-parse", "main@{-1}"], 2],
  [["rev-parse", ":/nowhere"], 3],
  [["rev-parse", ":/"], 2],
  [["rev-parse", "--short=3", "HEAD"], 2],
] as const)("smc %j is refused", async (words, exit) => {
  const found = await box.refused(...words);
  // A malformed digest may as well be a name that is not there.
  expect([2, 3]).toContain(found.exit);
  if (exit === 2 && found.exit === 3) expect(found.code).toMatch(/NOT_FOUND$/);
});

test("smc rev-parse suggests names that are near", async () => {
  const ran = await box.smc(["rev-parse", "v1.0.1"]);
  expect(ran.code).toBe(3);
  expect(ran.stderr).toContain("v1.0.0");
});

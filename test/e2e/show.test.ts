import { execFileSync } from "node:child_process";
import { afterAll, expect, test } from "vitest";
import { safetensorsFile, weights } from "../../packages/store/src/testing/tensors.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc show tells a commit and what it changed", async () => {
  await box.commit("one", { "a.txt": "1", "dir/b.txt": "b" }, "--metric", "acc=0.5");
  await box.commit("two", { "a.txt": "22" }, "--metric", "acc=0.7");
  const text = await box.ok("show");
  for (const part of ["(HEAD -> main)", "    two\n", "acc", "+0.2 ▲", "Modified  a.txt  1 B -> 2 B\n"])
    expect(text).toContain(part);
});

test("smc show tells an annotated tag, a folder and a file", async () => {
  await box.ok("tag", "-m", "first release", "v1.0.0", "HEAD~1");
  const text = await box.ok("show", "v1.0.0");
  for (const part of ["tag v1.0.0\nTagger:  Ada <ada@example.org>\n", "    first release\n", "    one\n"])
    expect(text).toContain(part);
  expect(await box.ok("show", "HEAD:")).toBe("a.txt\ndir/\n");
  expect(await box.ok("show", "v1.0.0:a.txt")).toBe("1");
});

test("smc show --json and -q", async () => {
  const head = (await box.ok("rev-parse", "HEAD")).trim();
  expect(await box.json("show")).toMatchObject({
    kind: "commit",
    digest: head,
    commit: { message: "two" },
    diff: { metrics: [{ name: "acc" }] },
  });
  expect(await box.ok("show", "-q", "HEAD")).toBe(`${head}\n`);
});

test.each([
  [["show", "v9"], 3, "REVISION_NOT_FOUND"],
  [["show", "HEAD:absent"], 3, "PATH_NOT_FOUND"],
  [["show", "a", "b"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

test("smc show --tensors lists the tensors of a file", async () => {
  const file = safetensorsFile({
    "head.weight": { dtype: "bf16", shape: [2, 600], values: weights(1200, 1) },
    bias: { dtype: "f32", values: [1] },
  });
  box.write("m.safetensors", file);
  await box.commit("weights", { "notes.txt": "none", "bad.safetensors": "{{{{{{{{{{{{" });
  const start = file.length - 2404;
  expect(await box.ok("show", "--tensors", "HEAD:m.safetensors")).toBe(
    [
      `bias         f32   [1]          4 B  at ${start}`,
      `head.weight  bf16  [2,600]  2.3 KiB  at ${start + 4}`,
      "safetensors, 2 tensors, 2.3 KiB",
      "",
    ].join("\n"),
  );
  expect(await box.ok("show", "--tensors", "HEAD:notes.txt")).toBe(
    "no tensors: smc does not know this format\n",
  );
  expect(await box.ok("show", "--tensors", "HEAD:bad.safetensors")).toMatch(/^no tensors: .*header.*\n$/);
  expect(await box.refused("show", "--tensors", "HEAD")).toMatchObject({ exit: 2, code: "REVISION_INVALID" });
});

test("S4.16 smc show FILE --json has the md5 that md5sum prints, also outside of a worktree", async () => {
  box.write("runs/best.pt", "weights");
  const md5 = execFileSync("md5sum", [box.path("runs/best.pt")], { encoding: "utf8" }).slice(0, 32);
  const sha256 = box.digest("runs/best.pt");
  const card = { kind: "file", name: "best.pt", sizeBytes: 7, md5, sha256, url: null, isAsRecorded: null };
  expect(await box.json("show", "runs/best.pt")).toMatchObject(card);
  const ran = await box.smc(["show", "work/runs/best.pt", "--json"], { in: "." });
  expect(JSON.parse(ran.stdout)).toMatchObject(card);
  expect(await box.ok("show", "./runs/best.pt")).toContain(`SHA-256:     ${sha256}\nMD5:         ${md5}\n`);
  expect(await box.refused("show", "runs/nope.pt")).toMatchObject({ code: "REVISION_NOT_FOUND", exit: 3 });
  expect(await box.refused("show", "--tensors", "runs/best.pt")).toMatchObject({ code: "ARGUMENT_INVALID" });
});

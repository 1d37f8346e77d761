import { chmod, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { safetensors } from "../formats/safetensors.ts";
import { lines, MemorySource } from "../formats/testing/memory-source.ts";
import { safetensorsFile, weights } from "../testing/tensors.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { checkout, type CheckoutOptions } from "../verbs/checkout.ts";
import { readMetadata } from "./safetensors-metadata.ts";

const file = safetensorsFile(
  {
    "body.0.weight": { dtype: "bf16", shape: [100, 300], values: weights(30_000, 1) },
    "body.1.weight": { dtype: "bf16", shape: [100, 300], values: weights(30_000, 2) },
    "head.bias": { dtype: "f32", values: [0.5] },
    "head.weight": { dtype: "f32", shape: [2, 2], values: [1, 2, 3, 4] },
  },
  { format: "pt", note: "kept" },
);

async function take(bench: Bench, tensors: string[], options: Partial<CheckoutOptions> = {}) {
  const found = await checkout(bench.repository, { tensors, revision: "HEAD", ...options }, QUIET);
  if (found.tensors === undefined) throw new Error("nothing was written");
  return found.tensors;
}

/** Names, types and shapes of a file on the disk, as the parser sees it. */
async function tensorsIn(bench: Bench, path: string): Promise<string[]> {
  const bytes = await readFile(join(bench.root, path));
  return lines(safetensors.parse(new MemorySource(bytes), path)).map((line) =>
    line.replace(/ \d+\+\d+$/, ""),
  );
}

test("checkoutTensors() writes a smaller file with the same bytes, texts and order of types", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "w/m.safetensors": file });
    const found = await take(bench, ["head.*", "*.1.*"], { output: "out/part.safetensors" });
    expect(found).toMatchObject({
      path: "out/part.safetensors",
      tensorCount: 3,
      sources: ["w/m.safetensors"],
      skipped: [],
    });
    expect(await tensorsIn(bench, found.path)).toEqual([
      "head.bias f32 [1]",
      "head.weight f32 [2,2]",
      "body.1.weight bf16 [100,300]",
    ]);
    const bytes = await readFile(join(bench.root, found.path));
    expect(bytes.length).toBe(found.sizeBytes);
    const expected = safetensorsFile(
      {
        "body.1.weight": { dtype: "bf16", shape: [100, 300], values: weights(30_000, 2) },
        "head.bias": { dtype: "f32", values: [0.5] },
        "head.weight": { dtype: "f32", shape: [2, 2], values: [1, 2, 3, 4] },
      },
      { format: "pt", note: "kept" },
    );
    expect(bytes.equals(expected)).toBe(true);
    expect(await readdir(join(bench.root, ".smc", "tmp"))).toEqual([]);
  });
});

test("checkoutTensors() changes nothing else, and its file is not staged", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "m.safetensors": file });
    const head = (await bench.commit({ "m.safetensors": "changed" })).digest;
    const found = await checkout(bench.repository, { tensors: ["head.bias"], revision: "HEAD~1" }, QUIET);
    expect(found).toMatchObject({ digest: head, restored: [], tensors: { path: "m.tensors.safetensors" } });
    expect(await bench.read("m.safetensors")).toBe("changed");
    expect(await bench.status()).toMatchObject({
      untracked: ["m.tensors.safetensors"],
      modified: [],
      staged: [],
    });
  });
});

test("checkoutTensors() never overwrites without force, and a folder never", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "m.safetensors": file, "notes.txt": "mine" });
    await bench.write({ "untracked.safetensors": "mine too" });
    await mkdir(join(bench.root, "folder"));
    const refused = (options: Partial<CheckoutOptions>) =>
      expect(take(bench, ["head.*"], options)).rejects.toMatchObject({ code: "WOULD_OVERWRITE" });
    for (const output of ["notes.txt", "untracked.safetensors", "m.safetensors", "folder", "notes.txt/x"])
      await refused({ output });
    await refused({ output: "folder", force: true });
    expect(await bench.read("notes.txt")).toBe("mine");
    expect(await bench.read("untracked.safetensors")).toBe("mine too");
    await take(bench, ["head.*"], { output: "untracked.safetensors", force: true });
    expect(await tensorsIn(bench, "untracked.safetensors")).toHaveLength(2);
    await take(bench, ["head.*"], { output: "m.safetensors", force: true });
    expect((await bench.status()).modified).toMatchObject(["m.safetensors"]);
  });
});

test("checkoutTensors() goes through no link and out of no worktree", async () => {
  await withWorktree(async (bench, folder) => {
    await bench.commit({ "m.safetensors": file });
    await symlink(folder, join(bench.root, "link"));
    for (const output of ["link/x.safetensors", "../x.safetensors", "/tmp/x.safetensors"])
      await expect(take(bench, ["*"], { output })).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    for (const output of [".smc/x", "a\0b"])
      await expect(take(bench, ["*"], { output })).rejects.toMatchObject({ code: "PATH_INVALID" });
    for (const output of [".", "x/"])
      await expect(take(bench, ["*"], { output })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    expect(await readdir(folder)).not.toContain("x.safetensors");
  });
});

test("checkoutTensors() joins the shards of a model and keeps their texts", async () => {
  await withWorktree(async (bench) => {
    const one = { values: [1], dtype: "f32" } as const;
    await bench.commit({
      "w/model-00001.safetensors": safetensorsFile({ a: one, "x.a": one }, { format: "pt", only: "first" }),
      "w/model-00002.safetensors": safetensorsFile({ b: one, "x.b": one }, { format: "np" }),
      "w/model.safetensors.index.json": JSON.stringify({
        weight_map: { a: "model-00001.safetensors", b: "model-00002.safetensors" },
      }),
      "notes.txt": "no tensors",
      "bad.safetensors": "{",
    });
    const all = await take(bench, ["?"], { output: "all.safetensors" });
    expect(all).toMatchObject({
      tensorCount: 2,
      sources: ["w/model-00001.safetensors", "w/model-00002.safetensors"],
      skipped: [{ path: "bad.safetensors" }],
    });
    const texts = readMetadata(new MemorySource(await readFile(join(bench.root, "all.safetensors"))));
    expect(texts).toEqual({ format: "pt", only: "first" });
    const index = ["w/model.safetensors.index.json"];
    const named = await take(bench, ["b"], { output: "b.safetensors", paths: index });
    expect(named).toMatchObject({ tensorCount: 1, sources: ["w/model-00002.safetensors"] });
    await expect(take(bench, ["?"])).rejects.toMatchObject({ code: "USAGE" });
    await expect(take(bench, ["?"], { paths: ["bad.safetensors"] })).rejects.toMatchObject({
      code: "FILE_MALFORMED",
    });
  });
});

test("checkoutTensors() refuses what is not there and what could be one or the other", async () => {
  await withWorktree(async (bench) => {
    const one = { values: [1], dtype: "f32" } as const;
    await bench.commit({
      "a.safetensors": safetensorsFile({ w: one, own: one }),
      "b.safetensors": safetensorsFile({ w: one }),
      "index.safetensors.index.json": JSON.stringify({ weight_map: { lost: "lost.safetensors" } }),
    });
    const code = (tensors: string[], options: Partial<CheckoutOptions> = {}) =>
      take(bench, tensors, { output: "o.safetensors", ...options }).catch(({ code }) => code);
    expect(await code(["nothing*"])).toBe("PATH_NOT_FOUND");
    expect(await code(["w"])).toBe("ARGUMENT_INVALID");
    expect(await code(["lost"])).toBe("PATH_NOT_FOUND");
    expect(await code(["w"], { paths: ["absent"] })).toBe("PATH_NOT_FOUND");
    expect(await code(["w"], { revision: "v9" })).toBe("REVISION_NOT_FOUND");
    expect(await code(["x".repeat(1001)])).toBe("ARGUMENT_INVALID");
    expect(await code(["w"], { branch: "b" })).toBe("ARGUMENT_INVALID");
    await expect(checkout(bench.repository, { output: "x" }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    expect((await bench.status()).untracked).toEqual([]);
    const found = await take(bench, ["w"], { paths: ["b.safetensors"] });
    expect(found).toMatchObject({ path: "b.tensors.safetensors", sources: ["b.safetensors"] });
  });
});

test("checkoutTensors() leaves nothing behind when the folder cannot be written", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "m.safetensors": file });
    const folder = join(bench.root, "closed");
    await mkdir(folder);
    await chmod(folder, 0o500);
    const isRoot = process.getuid?.() === 0;
    const done = take(bench, ["head.*"], { output: "closed/x.safetensors" });
    if (isRoot) await done;
    else await expect(done).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await chmod(folder, 0o700);
    expect(await readdir(join(bench.root, ".smc", "tmp"))).toEqual([]);
    expect(await readdir(folder)).toEqual(isRoot ? ["x.safetensors"] : []);
  });
});

test("checkoutTensors() writes tensors of several chunks as they were", async () => {
  await withWorktree(async (bench) => {
    const large = Buffer.alloc(9 * 1024 * 1024 + 6, 7);
    for (let at = 0; at < large.length; at += 4096) large.writeUInt32LE(at, Math.min(at, large.length - 4));
    const header = JSON.stringify({
      small: { dtype: "U8", shape: [3], data_offsets: [0, 3] },
      large: { dtype: "U8", shape: [large.length], data_offsets: [3, 3 + large.length] },
    });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await bench.commit({
      "m.safetensors": Buffer.concat([length, Buffer.from(header), Buffer.from("abc"), large]),
    });
    await take(bench, ["large"]);
    const bytes = await readFile(join(bench.root, "m.tensors.safetensors"));
    expect(bytes.subarray(-large.length).equals(large)).toBe(true);
  });
});

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TORCH } from "../formats/testing/real-files.ts";
import { safetensorsFile } from "../testing/tensors.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { inspect, type InspectResult } from "./inspect.ts";

const WEIGHTS = safetensorsFile({
  head: { dtype: "f32", shape: [2, 2], values: [1, 2, 3, 4] },
  steps: { dtype: "u8", values: [7] },
});
const model = (file: string): string =>
  JSON.stringify({
    modelTopology: {},
    weightsManifest: [{ paths: [file], weights: [{ name: "w", shape: [4], dtype: "float32" }] }],
  });
const write = (bench: Bench, path: string, content: string | Uint8Array): void =>
  writeFileSync(join(bench.root, path), content);
const run = ({ repository, root }: Bench, target: string): Promise<InspectResult> =>
  inspect(
    { store: repository.store, folder: root, openRepository: async () => repository },
    { target },
    QUIET,
  );

const EXPECTED = {
  sizeBytes: WEIGHTS.length,
  format: "safetensors",
  risk: null,
  problem: null,
  notes: [],
  tensorCount: 2,
  tensorBytes: 17,
  dtypes: [
    { dtype: "f32", tensorCount: 1, sizeBytes: 16 },
    { dtype: "u8", tensorCount: 1, sizeBytes: 1 },
  ],
  tensors: [
    { name: "head", dtype: "f32", shape: [2, 2], sizeBytes: 16, offset: WEIGHTS.length - 17, file: null },
    { name: "steps", dtype: "u8", shape: [1], sizeBytes: 1, offset: WEIGHTS.length - 1, file: null },
  ],
  files: [],
};

test("inspect() tells the same of a local file, a committed one, a staged one and a blob", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "w/m.safetensors": WEIGHTS });
    expect(await run(bench, "w/m.safetensors")).toEqual({ digest: null, ...EXPECTED });
    const stored = await run(bench, "HEAD:w/m.safetensors");
    expect(stored).toEqual({ digest: expect.stringMatching(/^[0-9a-f]{64}$/), ...EXPECTED });
    expect(await run(bench, ":w/m.safetensors")).toEqual(stored);
    expect(await run(bench, stored.digest ?? "")).toEqual(stored);
    rmSync(join(bench.root, "w/m.safetensors"));
    expect(await run(bench, "HEAD:w/m.safetensors")).toEqual(stored);
    await expect(run(bench, "w/m.safetensors")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(run(bench, "./HEAD:w/m.safetensors")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(run(bench, "HEAD:w")).rejects.toMatchObject({ code: "REVISION_INVALID" });
  });
});

test("inspect() says what is wrong, locally and in the store", async () => {
  await withWorktree(async (bench) => {
    const cut = WEIGHTS.subarray(0, -1);
    await bench.commit({ "m.safetensors": cut });
    const problem = "not valid safetensors: tensor 'steps' ends at 17 of 16 bytes";
    expect(await run(bench, "m.safetensors")).toMatchObject({
      format: "safetensors",
      problem,
      tensorCount: 0,
    });
    expect(await run(bench, "HEAD:m.safetensors")).toMatchObject({ format: "safetensors", problem });
    write(bench, "zip.safetensors", TORCH);
    expect(await run(bench, "zip.safetensors")).toMatchObject({
      problem: expect.stringContaining("not valid safetensors"),
      notes: ["it begins like a file of format ZIP"],
    });
  });
});

test("inspect() tells the risk of files that can hold code, and when a name says something else", async () => {
  await withWorktree(async (bench) => {
    write(bench, "m.pt", TORCH);
    expect(await run(bench, "m.pt")).toMatchObject({ format: "PyTorch", risk: "data-only", notes: [] });
    write(bench, "m.npz", TORCH);
    expect((await run(bench, "m.npz")).notes).toEqual(["its name says NPZ, but it is PyTorch"]);
    // cos\nsystem\n: a pickle that asks for os.system.
    write(bench, "bad.pkl", "cos\nsystem\n(S'true'\ntR.");
    expect(await run(bench, "bad.pkl")).toMatchObject({ format: "pickle", risk: "executable" });
    write(bench, "notes.txt", "text");
    expect(await run(bench, "notes.txt")).toMatchObject({
      format: null,
      risk: null,
      problem: null,
      notes: [],
    });
  });
});

test("inspect() names the files that a model needs, and those that are missing or too short", async () => {
  await withWorktree(async (bench) => {
    const files = async (target: string) =>
      (await run(bench, target)).files.map(
        ({ file, endBytes, problem }) => `${file} ${endBytes}: ${problem}`,
      );
    await bench.commit({ "m/model.json": model("a.bin"), "m/a.bin": Buffer.alloc(16) });
    expect(await files("m/model.json")).toEqual(["a.bin 16: null"]);
    expect(await files("HEAD:m/model.json")).toEqual(["a.bin 16: null"]);
    expect(await run(bench, "m/a.bin")).toMatchObject({ format: "TensorFlow.js data", tensorCount: 1 });
    const { digest } = await run(bench, "HEAD:m/model.json");
    await bench.commit({ "m/a.bin": Buffer.alloc(15) });
    expect(await files("m/model.json")).toEqual(["a.bin 16: it has 15 bytes, and its tensors end at 16"]);
    expect(await files("HEAD:m/model.json")).toEqual([
      "a.bin 16: it has 15 bytes, and its tensors end at 16",
    ]);
    expect(await files("HEAD~1:m/model.json")).toEqual(["a.bin 16: null"]);
    rmSync(join(bench.root, "m/a.bin"));
    expect(await files("m/model.json")).toEqual(["a.bin 16: it is not there"]);
    await bench.commit({ "m/model.json": model("b.bin") });
    expect(await files("HEAD:m/model.json")).toEqual(["b.bin 16: it is not there"]);
    // A blob without a path has no name, and nothing beside it.
    expect(await run(bench, digest ?? "")).toMatchObject({ format: null, files: [] });
  });
});

test("inspect() takes the name of a link, the bytes behind it, and never a fifo or a device", async () => {
  await withWorktree(async (bench) => {
    mkdirSync(join(bench.root, "blobs"));
    write(bench, "blobs/0123", WEIGHTS);
    symlinkSync("blobs/0123", join(bench.root, "m.safetensors"));
    expect(await run(bench, "m.safetensors")).toMatchObject({ format: "safetensors", tensorCount: 2 });
    execFileSync("mkfifo", [join(bench.root, "pipe")]);
    for (const target of ["pipe", "blobs", "/dev/zero"])
      await expect(run(bench, target)).rejects.toMatchObject({ code: "FILE_UNSUPPORTED" });
    await expect(run(bench, "a\0b")).rejects.toMatchObject({ code: "PATH_INVALID" });
  });
});

test("inspect() lists as many tensors as an answer can hold, and counts all", async () => {
  await withWorktree(async (bench) => {
    const count = 30_000;
    const rows = Array.from(
      { length: count },
      (_, index) => `"t${index}":{"dtype":"U8","shape":[1],"data_offsets":[${index},${index + 1}]}`,
    );
    const header = Buffer.from(`{${rows.join()}}`);
    const length = Buffer.alloc(8);
    length.writeUInt32LE(header.length);
    write(bench, "many.safetensors", Buffer.concat([length, header, Buffer.alloc(count)]));
    const found = await run(bench, "many.safetensors");
    expect(found.tensorCount).toBe(count);
    expect(found.tensors.length).toBe(20_000);
  });
});

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { zip } from "../formats/testing/zip-writer.ts";
import { npyFile } from "../formats/testing/npy-writer.ts";
import { MemorySource } from "../formats/testing/memory-source.ts";
import { readMember, readZip } from "../formats/zip.ts";
import { safetensorsFile, type TestTensor, weights } from "../testing/tensors.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { log } from "../verbs/log.ts";
import { merge } from "../verbs/merge.ts";
import { switchBranch } from "../verbs/switch.ts";

type Files = Readonly<Record<string, string | Uint8Array>>;

/** Branch `side` with `theirs` and main with `ours`, both from `base`. Gives HEAD and the tip of `side`. */
async function part(bench: Bench, base: Files, sides: { ours: Files; theirs: Files }) {
  await bench.commit(base);
  await switchBranch(bench.repository, { create: "side" }, QUIET);
  const theirs = await bench.commit(sides.theirs);
  await switchBranch(bench.repository, { target: "main" }, QUIET);
  const ours = Object.keys(sides.ours).length === 0 ? undefined : await bench.commit(sides.ours);
  return { ours: ours?.digest, theirs: theirs.digest };
}

function joinSide(bench: Bench, ...strategies: string[]) {
  return merge(bench.repository, { revision: "side", strategies }, QUIET);
}

const model = (tensors: Readonly<Record<string, TestTensor>>) => safetensorsFile(tensors, { format: "pt" });
const f32 = (...values: number[]): TestTensor => ({ dtype: "f32", values });

async function bytesOf(bench: Bench, path: string): Promise<Buffer> {
  return readFile(join(bench.root, path));
}

test("merge() with average makes a commit of two parents with the mean of both models", async () => {
  await withWorktree(async (bench) => {
    const digests = await part(
      bench,
      { "m.safetensors": model({ w: f32(0, 0), h: { dtype: "bf16", values: [1] } }), "notes.txt": "n" },
      {
        ours: {
          "m.safetensors": model({ w: f32(1, 2), h: { dtype: "bf16", values: [1] } }),
          "ours.txt": "o",
        },
        theirs: {
          "m.safetensors": model({ w: f32(3, -4), h: { dtype: "bf16", values: [2] } }),
          "notes.txt": "t",
        },
      },
    );
    const result = await joinSide(bench, "average");
    expect(result).toMatchObject({
      outcome: "merge",
      parents: [digests.ours, digests.theirs],
      settled: [],
      joined: [{ path: "m.safetensors", mixedCount: 2, equalCount: 0, kept: [], nonFiniteCount: 0 }],
    });
    const expected = model({ w: f32(2, -1), h: { dtype: "bf16", values: [1.5] } });
    expect((await bytesOf(bench, "m.safetensors")).equals(expected)).toBe(true);
    expect(await bench.read("notes.txt")).toBe("t");
    expect(await bench.read("ours.txt")).toBe("o");
    expect(await bench.isClean()).toBe(true);
    const [commit] = (await log(bench.repository, { limit: 1 }, QUIET)) as unknown as { meta: unknown }[];
    expect(commit?.meta).toEqual({
      lineage: { merge: "average", ours: digests.ours, theirs: digests.theirs },
    });
    expect(await readdir(join(bench.store.path, "incoming"))).toEqual([]);
  });
});

test("merge() with weighted gives theirs its share, of large files too", async () => {
  await withWorktree(async (bench) => {
    const count = 3 * 1024 * 1024;
    const side = (seed: number): Float32Array =>
      Float32Array.from({ length: count }, (_, i) => Math.sin(i * seed));
    const file = (values: Float32Array): Buffer => {
      const header = Buffer.from(
        JSON.stringify({
          odd: { dtype: "U8", shape: [3], data_offsets: [0, 3] },
          w: { dtype: "F32", shape: [count], data_offsets: [3, 3 + count * 4] },
        }),
      );
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return Buffer.concat([length, header, Buffer.from("abc"), Buffer.from(values.buffer)]);
    };
    const [base, ours, theirs] = [side(1), side(1.1), side(1.2)];
    await part(
      bench,
      { "m.safetensors": file(base) },
      { ours: { "m.safetensors": file(ours) }, theirs: { "m.safetensors": file(theirs) } },
    );
    const told: number[] = [];
    const call = {
      ...QUIET,
      onProgress: ({ phase, done }: { phase: string; done: number }) => {
        if (phase === "merge") told.push(done);
      },
    };
    await merge(bench.repository, { revision: "side", strategies: ["weighted:0.3"] }, call);
    const mean = Float32Array.from(ours, (value, index) => (1 - 0.3) * value + 0.3 * (theirs[index] ?? 0));
    const found = await bytesOf(bench, "m.safetensors");
    expect(found.equals(file(mean))).toBe(true);
    expect(told.at(-1)).toBe(found.length);
  });
});

test("merge() takes tensors by name first and mixes the rest", async () => {
  await withWorktree(async (bench) => {
    const version = (value: number) =>
      model({
        "body.w": f32(value),
        "head.w": f32(value),
        "head.b": f32(value),
        ids: { dtype: "u8", values: [value] },
      });
    await part(
      bench,
      { "m.safetensors": version(0) },
      { ours: { "m.safetensors": version(2) }, theirs: { "m.safetensors": version(4) } },
    );
    const result = await joinSide(bench, "take=head.b:ours", "take=head.*:theirs", "average");
    expect(result.joined).toMatchObject([
      { mixedCount: 1, oursCount: 1, theirsCount: 1, equalCount: 0, kept: ["ids"] },
    ]);
    const expected = model({
      "body.w": f32(3),
      "head.w": f32(4),
      "head.b": f32(2),
      ids: { dtype: "u8", values: [2] },
    });
    expect((await bytesOf(bench, "m.safetensors")).equals(expected)).toBe(true);
  });
});

test("merge() that only takes tensors needs all others to be equal, or a side that wins", async () => {
  await withWorktree(async (bench) => {
    const version = (body: number, head: number) => model({ body: f32(body), head: f32(head), same: f32(9) });
    await part(
      bench,
      { "m.safetensors": version(0, 0) },
      { ours: { "m.safetensors": version(1, 1) }, theirs: { "m.safetensors": version(2, 2) } },
    );
    await expect(joinSide(bench, "take=head:theirs")).rejects.toMatchObject({
      code: "MERGE_CONFLICT",
      message: expect.stringContaining("'body' differs"),
    });
    expect(await bench.isClean()).toBe(true);
    const result = await joinSide(bench, "take=head:theirs", "ours");
    expect(result.joined).toMatchObject([{ theirsCount: 1, equalCount: 1, kept: ["body"] }]);
    expect((await bytesOf(bench, "m.safetensors")).equals(version(1, 2))).toBe(true);
  });
});

test("merge() mixes where the branch could move forward, and does nothing where all is there already", async () => {
  await withWorktree(async (bench) => {
    const { theirs } = await part(
      bench,
      { "m.safetensors": model({ w: f32(1) }) },
      { ours: {}, theirs: { "m.safetensors": model({ w: f32(2) }) } },
    );
    const result = await joinSide(bench, "average");
    expect(result).toMatchObject({ outcome: "merge", joined: [{ mixedCount: 1 }] });
    expect((await bytesOf(bench, "m.safetensors")).equals(model({ w: f32(1.5) }))).toBe(true);
    expect(await joinSide(bench, "average")).toMatchObject({
      outcome: "up-to-date",
      digest: result.digest,
      joined: [],
    });
    expect(await merge(bench.repository, { revision: theirs, strategies: ["average"] }, QUIET)).toMatchObject(
      {
        outcome: "up-to-date",
      },
    );
  });
});

test("merge() refuses files whose tensors do not correspond, and changes nothing", async () => {
  await withWorktree(async (bench) => {
    const { ours } = await part(
      bench,
      { "m.safetensors": model({ w: f32(1) }), "data.txt": "base" },
      {
        ours: { "m.safetensors": model({ w: f32(2) }), "data.txt": "ours" },
        theirs: { "m.safetensors": model({ w: f32(3), "new.head": f32(1) }), "data.txt": "theirs" },
      },
    );
    const refused = (message: string, ...strategies: string[]) =>
      expect(joinSide(bench, ...strategies)).rejects.toMatchObject({
        code: "MERGE_CONFLICT",
        message: expect.stringContaining(message),
      });
    await refused("tensor 'new.head' is only in theirs", "average");
    await refused("tensor 'new.head' is only in theirs", "take=*:theirs");
    await refused("both sides changed 'data.txt'", "average", "take=new.*:ours");
    const [tip] = (await log(bench.repository, { limit: 1 }, QUIET)) as unknown as { digest: string }[];
    expect(tip?.digest).toBe(ours);
    expect(await bench.isClean()).toBe(true);
    const done = await joinSide(bench, "average", "take=new.*:ours", "theirs");
    expect(done).toMatchObject({ settled: ["data.txt"], joined: [{ mixedCount: 1 }] });
    expect(await bench.read("data.txt")).toBe("theirs");
    expect((await bytesOf(bench, "m.safetensors")).equals(model({ w: f32(2.5) }))).toBe(true);
  });
});

test("merge() says why a malformed file of weights cannot be joined", async () => {
  await withWorktree(async (bench) => {
    await part(
      bench,
      { "m.safetensors": model({ w: f32(1) }) },
      { ours: { "m.safetensors": model({ w: f32(2) }) }, theirs: { "m.safetensors": "{" } },
    );
    await expect(joinSide(bench, "average")).rejects.toMatchObject({
      code: "MERGE_CONFLICT",
      hint: expect.stringMatching(/cannot be joined: theirs: .*header/),
    });
  });
});

test("merge() refuses strategies that mean nothing before it looks at anything", async () => {
  await withWorktree(async (bench) => {
    await part(bench, { "a.txt": "1" }, { ours: { "a.txt": "2" }, theirs: { "a.txt": "3" } });
    const refused = (options: Record<string, unknown>) =>
      expect(merge(bench.repository, { revision: "side", ...options }, QUIET)).rejects.toMatchObject({
        code: "ARGUMENT_INVALID",
      });
    await refused({ strategies: ["mean"] });
    await refused({ strategies: ["average"], ffOnly: true });
    await refused({ strategies: ["average"], meta: { lineage: "mine" } });
    await expect(joinSide(bench, "average")).rejects.toMatchObject({ code: "MERGE_CONFLICT" });
  });
});

test("merge() writes NaN where a side has it, and tells how many", async () => {
  await withWorktree(async (bench) => {
    await part(
      bench,
      { "m.safetensors": model({ w: f32(0, 0, 0) }) },
      {
        ours: { "m.safetensors": model({ w: f32(1, NaN, 3) }) },
        theirs: { "m.safetensors": model({ w: f32(2, 2, Infinity) }) },
      },
    );
    expect((await joinSide(bench, "average")).joined).toMatchObject([{ nonFiniteCount: 2 }]);
  });
});

test("merge() of an archive leaves one that every program can read", async () => {
  await withWorktree(async (bench) => {
    const archive = (value: number): Buffer => {
      const data = Buffer.from(Float32Array.from({ length: 6 }, () => value).buffer);
      return zip([
        { name: "w.npy", bytes: npyFile({ data }) },
        { name: "same.npy", bytes: npyFile({ data: Buffer.alloc(24) }) },
      ]);
    };
    await part(
      bench,
      { "m.npz": archive(0) },
      { ours: { "m.npz": archive(1) }, theirs: { "m.npz": archive(2) } },
    );
    expect((await joinSide(bench, "average")).joined).toMatchObject([{ mixedCount: 1, equalCount: 1 }]);
    const found = await bytesOf(bench, "m.npz");
    expect(found.equals(archive(1.5))).toBe(true);
    const source = new MemorySource(found);
    for (const member of readZip(source)) readMember(source, member, 1000);
  });
});

test("merge() of models keeps what is equal in the store once", async () => {
  await withWorktree(async (bench) => {
    const body: TestTensor = { dtype: "bf16", values: weights(200_000, 3) };
    await part(
      bench,
      { "m.safetensors": model({ body, head: f32(0) }) },
      {
        ours: { "m.safetensors": model({ body, head: f32(1) }) },
        theirs: { "m.safetensors": model({ body, head: f32(2) }) },
      },
    );
    const before = (await bench.store.objects.usage(QUIET)).packs.sizeBytes;
    await joinSide(bench, "average");
    const after = (await bench.store.objects.usage(QUIET)).packs.sizeBytes;
    expect(after - before).toBeLessThan(20_000);
  });
});

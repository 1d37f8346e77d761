import { randomBytes } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const MIB = 1024 * 1024;

test("smc du tells size, unique and shared bytes of every version", async () => {
  box.write("shared.bin", randomBytes(3 * MIB));
  box.write("own.bin", randomBytes(MIB));
  await box.commit("one");
  await box.ok("tag", "v1.0.0");
  box.write("own.bin", randomBytes(MIB));
  await box.commit("two");
  const lines = (await box.ok("du")).split("\n");
  expect(lines[0]).toMatch(/^REF +SIZE +STORED +UNIQUE +SHARED +COMMITTED$/);
  expect(lines[1]).toMatch(/^main +4\.0 MiB +4\.0 MiB +1\.0 MiB +75 % +\S.*$/);
  expect(lines[2]).toMatch(/^v1\.0\.0 +4\.0 MiB +4\.0 MiB +1\.0 MiB +75 % +\S.*$/);
  expect(lines[3]).toBe("2 versions, 8.0 MiB logical, 5.0 MiB stored (1.60x)");
  expect(lines.slice(5, 7)).toEqual([
    expect.stringMatching(/^CODEC +CHUNKS +BYTES +STORED +SHARE$/),
    expect.stringMatching(/^RAW +\d+ +5\.0 MiB +5\.0 MiB +100\.0 %$/),
  ]);
  expect(lines.at(-2)).toMatch(/^store: 5\.0 MiB in \d packs?, all repositories and versions; .* free$/);
});

test("smc du of named versions, -q and --json", async () => {
  const { rows } = await box.json<{ rows: { names: string[]; uniqueBytes: number; tree: string }[] }>(
    "du",
    "v1.0.0",
    "main",
  );
  expect(rows).toMatchObject([
    { names: ["v1.0.0"], sizeBytes: 4 * MIB, uniqueBytes: MIB, sharedBytes: 3 * MIB, fileCount: 2 },
    { names: ["main"], uniqueBytes: MIB },
  ]);
  expect(await box.ok("du", "-q", "v1.0.0")).toBe(`${rows[0]?.tree}\n`);
  expect(await box.json("du", "v1.0.0")).toMatchObject({ rows: [{ uniqueBytes: 4 * MIB, sharedBytes: 0 }] });
});

test.each([
  [["du", "v9"], 3, "REVISION_NOT_FOUND"],
  [["du", "HEAD:own.bin"], 2, "REVISION_INVALID"],
  [["du", "--nonsense"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

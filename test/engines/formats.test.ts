/** The parsers find in files of the real libraries what those libraries put there. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseTensors } from "../../packages/store/src/formats/formats.ts";
import type { TensorSpan } from "../../packages/store/src/formats/table.ts";
import { type ExpectedFile, writeFiles } from "./write-files.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

function read(file: string) {
  const bytes = readFileSync(join(folder, file));
  const source = {
    sizeBytes: bytes.length,
    read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
  };
  return { bytes, table: parseTensors(source, file) };
}

/** What a file has, in the form in which it is expected. */
function found({ file, format, risk, external }: ExpectedFile): ExpectedFile {
  const { bytes, table } = read(file);
  if (table === undefined) throw new Error(`no format takes ${file}`);
  const describe = (span: TensorSpan, from: Uint8Array) => ({
    name: span.name,
    dtype: span.dtype,
    shape: span.shape,
    sha256: sha256(from.subarray(span.offset, span.offset + span.length)),
  });
  const parts = new Map(external.map((part) => [part.name, part]));
  const elsewhere = table.external.map((span) => {
    // An index says only which file a tensor is in.
    if (parts.get(span.name)?.sha256 === undefined) return { name: span.name, file: span.file };
    return { ...describe(span, readFileSync(join(folder, span.file))), file: span.file };
  });
  return {
    file,
    format: format === null ? null : table.format,
    tensors: table.tensors.map((span) => describe(span, bytes)).sort(byName),
    scattered: table.scattered.map(({ name }) => name).sort(),
    external: elsewhere.sort(byName),
    risk: risk === null ? null : (table.risk ?? null),
  };
}

let folder = "";
let files: ExpectedFile[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "smc-engines-"));
  files = writeFiles(folder);
}, 300_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("every tensor that a library wrote is found, with the bytes that it has", () => {
  for (const expected of files) {
    expect(found(expected), expected.file).toEqual({
      ...expected,
      tensors: [...expected.tensors].sort(byName),
      scattered: [...expected.scattered].sort(),
      external: [...expected.external].sort(byName),
    });
  }
  // Counted, so that a file that is no longer written is missed; the dtypes of torch depend on its version.
  expect(files.length).toBe(29);
  expect(files.flatMap(({ tensors, external }) => [...tensors, ...external]).length).toBeGreaterThan(1000);
});

test("equal tensors of three formats have equal bytes at their spans", () => {
  const digests = ["equal.safetensors", "equal.pt", "equal.npz"].map((file) => {
    const { bytes, table } = read(file);
    const spans = table?.tensors ?? [];
    return spans
      .map(({ name, offset, length }) => ({ name, sha256: sha256(bytes.subarray(offset, offset + length)) }))
      .sort(byName);
  });
  expect(digests[0]).toHaveLength(4);
  expect(digests[1]).toEqual(digests[0]);
  expect(digests[2]).toEqual(digests[0]);
});

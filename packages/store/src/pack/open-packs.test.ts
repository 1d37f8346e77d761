import { mkdtempSync, openSync, closeSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { encodeBest } from "../codecs/registry.ts";
import { hashBytes } from "../objects/digest.ts";
import { isDeltaCodec } from "./delta.ts";
import { type ChunkPlace, OpenPacks } from "./open-packs.ts";
import { PackWriter } from "./writer.ts";

const folder = mkdtempSync(join(tmpdir(), "smc-open-packs-"));
afterAll(() => rmSync(folder, { recursive: true }));

const VALUES = 32 * 1024;

/** Weights of a model, and a fine-tune of it: some bits of the mantissas differ. */
function versions(count: number): Buffer[] {
  const floats = Float32Array.from({ length: VALUES }, (_, index) => Math.sin(index * index));
  const first = Buffer.from(floats.buffer);
  const made = [first];
  for (let version = 1; version < count; version += 1) {
    const next = Buffer.from(made[version - 1] as Buffer);
    for (let at = 0; at < next.length; at += 4)
      next[at] = (next[at] ?? 0) ^ (at % (8 * version) === 0 ? 1 : 2);
    made.push(next);
  }
  return made;
}

/** One chunk for each version, all but the first stored against the one before. */
async function writeChain(raws: readonly Buffer[], name: string): Promise<ChunkPlace[]> {
  const writer = await PackWriter.create(join(folder, name), "00112233445566778899aabbccddeeff");
  const digests = raws.map((raw) => hashBytes(raw));
  for (const [index, raw] of raws.entries()) {
    const base = raws[index - 1]?.subarray(0, raw.length);
    const parent = base === undefined ? undefined : { raw: base, dtype: "f32" as const };
    const encoded = encodeBest(raw, { dtype: "f32", ...(parent === undefined ? {} : { parent }) });
    expect(isDeltaCodec(encoded.codec), "stored as a difference").toBe(index > 0);
    const record = { kind: "chunk" as const, digest: digests[index] as never, rawBytes: raw.length };
    const prefix = {
      depth: index,
      offset: 0,
      length: raw.length,
      parents: digests.slice(index - 1, index),
    };
    await writer.add(record, index === 0 ? encoded : { ...encoded, delta: prefix });
  }
  const pack = await writer.finish();
  const path = join(folder, `${pack.name}.pack`);
  renameSync(pack.path, path);
  const places: ChunkPlace[] = [];
  for (const [index, row] of pack.rows.entries()) {
    const before = places[index - 1];
    places.push({ pack: path, span: row, ...(before === undefined ? {} : { parents: [before] }) });
  }
  return places;
}

/** Flips one bit of the stored bytes, near their end. */
function damage({ pack, span }: ChunkPlace): void {
  const fd = openSync(pack, "r+");
  const at = span.offset + 128 + span.storedBytes - 200;
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  writeSync(fd, byte, 0, 1, at);
  closeSync(fd);
}

test("a chain of differences is read, from its end and from its middle", async () => {
  const raws = versions(4);
  const places = await writeChain(raws, "whole");
  using packs = new OpenPacks();
  for (const index of [3, 0, 2, 1]) {
    const raw = packs.read(places[index] as ChunkPlace);
    expect(Buffer.compare(raw, raws[index] as Buffer)).toBe(0);
  }
  const both = packs.readAll(places.slice(2));
  expect(Buffer.compare(both, Buffer.concat(raws.slice(2)))).toBe(0);
});

test.each([0, 1, 2, 3])("of a chain of four, number %i is named when it is the damaged one", async (bad) => {
  const raws = versions(4);
  const places = await writeChain(raws, `damaged ${bad}`);
  damage(places[bad] as ChunkPlace);
  const { digest } = (places[bad] as ChunkPlace).span;
  using packs = new OpenPacks();
  for (const [index, place] of places.entries()) {
    const read = (): Uint8Array => packs.read(place);
    if (index < bad) expect(Buffer.compare(read(), raws[index] as Buffer)).toBe(0);
    else
      expect(read).toThrow(
        expect.objectContaining({ code: "OBJECT_CORRUPT", details: expect.objectContaining({ digest }) }),
      );
  }
});

test("a parent that is asked for itself is verified", async () => {
  const places = await writeChain(versions(2), "asked");
  damage(places[0] as ChunkPlace);
  using packs = new OpenPacks();
  expect(() => packs.readAll([places[0] as ChunkPlace])).toThrow(/damaged/);
});

// proc(5): memory that is mapped nowhere cannot be read (EIO), as a bad place of a disk.
test.runIf(process.platform === "linux")(
  "on Linux, what the disk does not give is read elsewhere",
  async () => {
    const [raw] = versions(1);
    const [whole] = await writeChain(versions(1), "whole elsewhere");
    if (raw === undefined || whole === undefined) throw new Error("nothing was written");
    const bad = { pack: "/proc/self/mem", span: { ...whole.span, offset: 0 } };
    const asked: string[] = [];
    using packs = new OpenPacks({
      elsewhere: (_, damaged) => {
        asked.push(...damaged.map(({ digest, pack }) => `${digest} ${pack}`));
        return [whole];
      },
    });
    expect(Buffer.compare(packs.read(bad), raw)).toBe(0);
    expect(asked).toEqual([`${whole.span.digest} /proc/self/mem`]);
    using alone = new OpenPacks();
    expect(() => alone.read(bad)).toThrow(expect.objectContaining({ code: "IO_FAILED" }));
  },
);

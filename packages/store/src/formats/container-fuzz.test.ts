/** Files that were right until a few of their bytes changed: sound spans or FILE_MALFORMED, and never much work. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { parseTensors } from "./formats.ts";
import { assertSound, MemorySource } from "./testing/memory-source.ts";
import { npyFile } from "./testing/npy-writer.ts";
import { dict, tensor, torchFile } from "./testing/pickle-writer.ts";
import { HDF5_NEW, HDF5_OLD, KERAS, NPZ, NPZ_PACKED, TORCH, TORCH_LEGACY } from "./testing/real-files.ts";
import { zip } from "./testing/zip-writer.ts";
import { readMember, readZip } from "./zip.ts";

const MILLISECONDS_MAX = 10_000;
const READ_FACTOR_MAX = 200;

/** Throws unless the parser keeps its promise about these bytes. */
function check(bytes: Buffer, name: string): void {
  const source = new MemorySource(bytes);
  const started = performance.now();
  try {
    const table = parseTensors(source, name);
    if (table !== undefined) assertSound(table, bytes.length);
  } catch (error) {
    if (!isSmcError(error, "FILE_MALFORMED")) throw error;
    expect(error.message.length).toBeLessThan(500);
  }
  expect(performance.now() - started).toBeLessThan(MILLISECONDS_MAX);
  expect(source.readBytes).toBeLessThan(100_000 + READ_FACTOR_MAX * bytes.length);
}

interface Change {
  readonly kind: "byte" | "word" | "copy" | "cut" | "insert";
  readonly at: number;
  readonly from: number;
  readonly value: number;
}

const WORDS = [0n, 1n, 0xffn, 0xffffn, 0xffffffffn, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom("byte", "byte", "byte", "word", "copy", "cut", "insert"),
  at: fc.nat(),
  from: fc.nat(),
  value: fc.nat({ max: 255 }),
});

function apply(file: Buffer, { kind, at, from, value }: Change): Buffer {
  const bytes = Buffer.from(file);
  if (bytes.length < 16) return bytes;
  const place = at % (bytes.length - 8);
  if (kind === "byte") bytes[place] = value;
  if (kind === "word") bytes.writeBigUInt64LE(WORDS[value % WORDS.length] ?? 0n, place);
  if (kind === "copy") bytes.copyWithin(place, from % (bytes.length - 8), (from % (bytes.length - 8)) + 8);
  if (kind === "cut") return bytes.subarray(0, place);
  if (kind === "insert")
    return Buffer.concat([bytes.subarray(0, place), Buffer.from([value]), bytes.subarray(place)]);
  return bytes;
}

const pickleOf = (file: Buffer): Buffer => {
  const [first] = readZip(new MemorySource(file));
  if (first === undefined) throw new Error("no member");
  return Buffer.from(readMember(new MemorySource(file), first, 10_000));
};
/** The archive around changed bytes is right, so that the changes are met. */
const inZip =
  (name: string, deflate = false) =>
  (bytes: Buffer): Buffer =>
    zip([
      { name, bytes, deflate },
      ...["0", "1", "2"].map((key) => ({ name: `x/data/${key}`, bytes: Buffer.alloc(64) })),
    ]);
const plain = (bytes: Buffer): Buffer => bytes;

test.for<[string, Buffer, string, (bytes: Buffer) => Buffer]>([
  ["PyTorch file", TORCH, "a.pt", plain],
  ["pickle in a PyTorch file", pickleOf(TORCH), "a.pt", inZip("x/data.pkl")],
  [
    "deflated pickle in a PyTorch file",
    pickleOf(torchFile(dict({ w: tensor({}) }))),
    "a.pt",
    inZip("x/data.pkl", true),
  ],
  ["legacy PyTorch file", TORCH_LEGACY, "a.pt", plain],
  ["NumPy array", npyFile(), "a.npy", plain],
  ["NumPy archive", NPZ, "a.npz", plain],
  ["deflated NumPy archive", NPZ_PACKED, "a.npz", plain],
  [
    "deflated array",
    npyFile({ version: 2 }),
    "a.npz",
    (bytes) => zip([{ name: "w.npy", bytes, deflate: true }]),
  ],
  ["HDF5 file of before 2012", HDF5_OLD, "a.h5", plain],
  ["HDF5 file of today", HDF5_NEW, "a.h5", plain],
  ["Keras file", KERAS, "a.keras", plain],
])("a changed %s has sound spans or is refused", { timeout: 60_000 }, ([, file, name, wrap]) => {
  check(wrap(file), name);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      check(wrap(changes.reduce(apply, file)), name);
    }),
    { numRuns: 400 },
  );
});

test("bytes of any kind behind a right beginning are taken or refused", { timeout: 60_000 }, () => {
  const heads = [
    "PK\u0003\u0004",
    "PK\u0005\u0006",
    "\u0089HDF\r\n\u001a\n",
    "\u0093NUMPY\u0001\0",
    "\u0080\u0002",
    "\u0080\u0004\u0095",
    "",
  ];
  fc.assert(
    fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 400 }), (head, rest) => {
      check(Buffer.concat([Buffer.from(head, "latin1"), rest]), "a.pt");
    }),
    { numRuns: 2000 },
  );
});

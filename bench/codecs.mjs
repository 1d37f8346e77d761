/**
 * How fast are the codecs, and how short is what they write? On simulated weights, and on two versions of real ones:
 * `node bench/codecs.mjs OLD.safetensors NEW.safetensors`, or SMC_BENCH_WEIGHTS=OLD:NEW. One thread; processor time,
 * best of the rounds, chunk by chunk as the store calls them.
 */
import { readFileSync } from "node:fs";
import { delimiter } from "node:path";
import { pathToFileURL } from "node:url";
import * as zlib from "node:zlib";
import { encodeBest, CODECS, decodeStored } from "../packages/store/dist/codecs/registry.js";
import { MIB } from "./lab.mjs";

const CHUNK_BYTES = 4 * MIB;
const SIMULATED_BYTES = 32 * MIB;
const NAMES = new Map(CODECS.map(({ id, name }) => [id, name]));

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Tensors of a safetensors file in pieces, as the store cuts them; those below 64 KiB together. */
function readPieces(path) {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, start).toString());
  const small = [];
  const pieces = [];
  for (const [name, { data_offsets: [from, to] = [], dtype }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const bytes = file.subarray(start + from, start + to);
    if (bytes.length < 64 * 1024) small.push(bytes);
    else pieces.push({ bytes, dtype: dtype.toLowerCase() });
  }
  if (small.length > 0) pieces.push({ bytes: Buffer.concat(small), dtype: pieces[0].dtype });
  return pieces.flatMap(({ bytes, dtype }) =>
    Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, index) => ({
      dtype,
      raw: bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES),
    })),
  );
}

/** Weights that are about normally distributed, and the same after a small step. */
function simulate() {
  const count = SIMULATED_BYTES / 4;
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const old = new Float32Array(count);
  const changed = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    old[index] = (random() + random() + random()) * 0.04 * (1 + ((index >> 18) % 5) / 4);
    changed[index] = old[index] + random() * 2e-4;
  }
  return { old, changed };
}

function cut(bytes, dtype) {
  return Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, index) => ({
    dtype,
    raw: bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES),
  }));
}

const bytesOf = ({ buffer }) => Buffer.from(buffer);
const toBf16 = (floats) =>
  Uint16Array.from(new Uint32Array(floats.buffer), (bits) => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
const toInt8 = (floats) =>
  Int8Array.from(floats, (value) => Math.max(-127, Math.min(127, Math.round(value * 1200))));

/** Encodes and decodes every chunk; the share of the raw size and two speeds in MB/s. */
function measure(rounds, chunks, { encode, decode }) {
  const rawBytes = chunks.reduce((sum, { raw }) => sum + raw.length, 0);
  let best = { encode: Infinity, decode: Infinity };
  let storedBytes = 0;
  const used = new Set();
  for (let round = 0; round < rounds; round++) {
    storedBytes = 0;
    const times = { encode: 0, decode: 0 };
    for (const chunk of chunks) {
      const start = cpuMs();
      const { codec, stored } = encode(chunk);
      const encoded = cpuMs();
      const copy = Buffer.from(stored);
      const decodeStart = cpuMs();
      const raw = decode(codec, copy, chunk);
      times.decode += cpuMs() - decodeStart;
      times.encode += encoded - start;
      storedBytes += copy.length;
      used.add(NAMES.get(codec) ?? codec);
      if (Buffer.compare(raw, chunk.raw) !== 0) throw new Error("a chunk came back otherwise");
    }
    best = { encode: Math.min(best.encode, times.encode), decode: Math.min(best.decode, times.decode) };
  }
  const speed = (ms) => Math.round(rawBytes / 1000 / ms);
  return {
    share: `${((storedBytes / rawBytes) * 100).toFixed(2)} %`,
    speeds: `${speed(best.encode)} / ${speed(best.decode)} MB/s`,
    used: [...used].join(", "),
  };
}

const ofStore = {
  encode: ({ raw, dtype, parent, affine }) =>
    encodeBest(raw, { dtype, ...(parent && { parent }), ...(affine && { affine }) }),
  decode: (codec, stored, { raw, parent }) => decodeStored(codec, stored, raw.length, parent?.raw),
};

function ofCodec(name) {
  const codec = CODECS.find((one) => one.name === name);
  return {
    encode: ({ raw, dtype, parent, affine }) => ({
      codec: codec.id,
      stored: codec.encode(raw, { dtype, parent, affine }),
    }),
    decode: (_, stored, { raw, parent }) => codec.decode(stored, raw.length, parent?.raw),
  };
}

/** What BitX does: exclusive or, byte groups, zstd level 1 on each. Needs a Node that has zstd. */
function bitx(width) {
  const changes = (raw, parent, group) =>
    Uint8Array.from(
      { length: raw.length / width },
      (_, index) => raw[index * width + group] ^ parent[index * width + group],
    );
  return {
    encode: ({ raw, parent }) => ({
      codec: "zstd",
      stored: Buffer.concat(
        Array.from({ length: width }, (_, group) =>
          zlib.zstdCompressSync(changes(raw, parent.raw, group), {
            params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 },
          }),
        ),
      ),
    }),
    decode: (_codec, _stored, { raw }) => raw,
  };
}

function withParents(chunks, parents) {
  return chunks.map((chunk, index) => ({
    ...chunk,
    parent: { raw: parents[index].raw, dtype: parents[index].dtype },
  }));
}

function simulatedRows(rounds) {
  const { old, changed } = simulate();
  const f32 = { old: cut(bytesOf(old), "f32"), changed: cut(bytesOf(changed), "f32") };
  const bf16 = { old: cut(bytesOf(toBf16(old)), "bf16"), changed: cut(bytesOf(toBf16(changed)), "bf16") };
  const int8 = { old: cut(bytesOf(toInt8(old)), "i8"), changed: cut(bytesOf(toInt8(changed)), "i8") };
  const cast = bf16.old.map((chunk, index) => ({
    ...chunk,
    parent: {
      raw: bytesOf(old).subarray(index * 2 * CHUNK_BYTES, (index + 1) * 2 * CHUNK_BYTES),
      dtype: "f32",
    },
  }));
  return [
    ["f32 alone, PLN", measure(rounds, f32.old, ofCodec("PLN"))],
    ["f32 alone, the store's choice", measure(rounds, f32.old, ofStore)],
    ["f32 next version, FXD", measure(rounds, withParents(f32.changed, f32.old), ofCodec("FXD"))],
    ["f32 next version, XPL", measure(rounds, withParents(f32.changed, f32.old), ofCodec("XPL"))],
    ["f32 next version, the store's choice", measure(rounds, withParents(f32.changed, f32.old), ofStore)],
    ["bf16 next version, FXD", measure(rounds, withParents(bf16.changed, bf16.old), ofCodec("FXD"))],
    ["bf16 of the f32 sibling, DRV", measure(rounds, cast, ofCodec("DRV"))],
    ["int8 alone, PLN", measure(rounds, int8.old, ofCodec("PLN"))],
    ["int8 next version, XPL", measure(rounds, withParents(int8.changed, int8.old), ofCodec("XPL"))],
  ];
}

function realRows(rounds, [oldPath, newPath]) {
  const [old, changed] = [readPieces(oldPath), readPieces(newPath)];
  const chunks = withParents(changed, old);
  const width = old[0].dtype === "f32" ? 4 : 2;
  return [
    ["real weights alone, PLN", measure(rounds, old, ofCodec("PLN"))],
    ["real weights alone, the store's choice", measure(rounds, old, ofStore)],
    ["real next version, FXD", measure(rounds, chunks, ofCodec("FXD"))],
    ["real next version, XPL", measure(rounds, chunks, ofCodec("XPL"))],
    ["real next version, the store's choice", measure(rounds, chunks, ofStore)],
    ...(zlib.zstdCompressSync === undefined
      ? []
      : [
          [
            "real next version, XOR + byte groups + zstd",
            { ...measure(1, chunks, bitx(width)), speeds: "", used: "" },
          ],
        ]),
  ];
}

/** The first of two versions may stand alone: then it is its own parent. */
export function run({ rounds }) {
  const given = process.env.SMC_BENCH_WEIGHTS?.split(delimiter) ?? process.argv.slice(2);
  const paths = given.filter((path) => path.endsWith(".safetensors"));
  const rows = [...simulatedRows(rounds), ...(paths.length === 2 ? realRows(rounds, paths) : [])];
  return {
    title: `Codecs, ${rounds} rounds, encode / decode of raw bytes on one core`,
    rows: rows.map(([name, { share, speeds, used }]) => [name, share, speeds, used]),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { title, rows } = run({ rounds: 5 });
  process.stdout.write(`## ${title}\n\n`);
  for (const row of rows) process.stdout.write(`| ${row.join(" | ")} |\n`);
}

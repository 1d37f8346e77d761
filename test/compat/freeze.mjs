/**
 * Freezes a store: makes one with everything that its format knows and is small, and keeps it in
 * `test/compat/<version>/` for every later smc to read. Run it once for each new number of a format: `node
 * test/compat/freeze.mjs`.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const SMC = join(import.meta.dirname, "..", "..", "bin", "smc");
/** All that writers of format 1 choose among: RAW, FILL, BRO, PLN, PLS, XPL, FXD, DRV. */
const CODECS = [0, 1, 2, 16, 17, 32, 33, 34];
/** Elements of the f32 tensor: enough to be cut on its own. */
const WEIGHTS = 17_000;
const ZEROS = 40_000;
/** Blocks of 34 bytes. */
const BLOCKS = 2_000;
/** What belongs to a running daemon, and what is empty between two. */
const LEFT_OUT = new Set(["run", "logs", "incoming"]);

/** Of packs, by docs/design/format.md: read with no code of the store. */
const TRAILER_BYTES = 64;
const ROW_BYTES = 56;
const ROW_CODEC = 49;

const root = mkdtempSync(join(tmpdir(), "smc-frozen-"));
const work = join(root, "work");
const home = join(root, "store");
const env = {
  PATH: process.env.PATH,
  HOME: root,
  SMC_HOME: home,
  SMC_AUTHOR: "Ada Lovelace <ada@example.org>",
};

function smc(...words) {
  const { status, stdout, stderr } = spawnSync(SMC, words, { cwd: work, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`smc ${words.join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}

const json = (...words) => JSON.parse(smc(...words, "--json"));

function write(name, bytes) {
  mkdirSync(dirname(join(work, name)), { recursive: true });
  writeFileSync(join(work, name), bytes);
}

function commit(message, ...more) {
  smc("add", "-A");
  return smc("commit", "-q", "-m", message, ...more).trim();
}

/** Numbers from 0 to 1, always the same ones. */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function normalNumbers(count, seed) {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(random() + 1e-9));
    return 0.02 * radius * Math.cos(2 * Math.PI * random());
  });
}

/** The second tensor, of zeros, makes the file large enough to be looked at for differences. */
function safetensors(dtype, values) {
  const weight = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const bytes = Buffer.concat([weight, Buffer.alloc(ZEROS)]);
  const header = {
    weight: { dtype, shape: [values.length], data_offsets: [0, weight.length] },
    zeros: { dtype: "U8", shape: [ZEROS], data_offsets: [weight.length, bytes.length] },
  };
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, " "));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(padded.length);
  return Buffer.concat([length, padded, bytes]);
}

/** To the nearest bf16, even of two. */
function toBf16(values) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (each) => (each + 0x7fff + ((each >> 16) & 1)) >>> 16);
}

function fromBf16(halves) {
  return new Float32Array(Uint32Array.from(halves, (each) => each << 16).buffer);
}

/** A GGUF file with one tensor of Q8_0 blocks: a scale in f16 and 32 numbers of a byte. */
function gguf(changed) {
  const name = Buffer.from("weight");
  const head = Buffer.alloc(24 + 8 + name.length + 4 + 8 + 4 + 8);
  head.write("GGUF");
  head.writeUInt32LE(3, 4);
  head.writeBigUInt64LE(1n, 8);
  let at = 24;
  at = head.writeBigUInt64LE(BigInt(name.length), at);
  at += name.copy(head, at);
  at = head.writeUInt32LE(1, at);
  at = head.writeBigUInt64LE(BigInt(BLOCKS * 32), at);
  head.writeUInt32LE(8, at);
  const blocks = Buffer.alloc(BLOCKS * 34);
  const numbers = normalNumbers(BLOCKS * 32, 7);
  for (let block = 0; block < BLOCKS; block += 1) {
    blocks.writeUInt16LE(0x1400 + (block % 40), block * 34);
    for (let index = 0; index < 32; index += 1)
      blocks.writeInt8(Math.round((numbers[block * 32 + index] ?? 0) * 900), block * 34 + 2 + index);
  }
  for (let index = 0; index < changed; index += 1) blocks[index * 997] ^= 1;
  return Buffer.concat([head, Buffer.alloc(Math.ceil(head.length / 32) * 32 - head.length), blocks]);
}

/** History: versions of models, a merge, a branch that was deleted, a version that gave up its files, a stage. */
function makeHistory() {
  const weights = normalNumbers(WEIGHTS, 1);
  const noise = randomNumbers(3);
  mkdirSync(work);
  smc("init", "--name", "frozen");
  smc("config", "set", "user.name", "Ada Lovelace");
  smc("config", "set", "user.email", "ada@example.org");
  smc("config", "set", "checkout.symlinks", "safe");
  write("notes.txt", "given up\n".repeat(20));
  commit("a version that gives up its files");
  write("notes.txt", "All models are wrong, some are useful.\n".repeat(60));
  write(
    "noise.bin",
    Uint8Array.from({ length: 3000 }, () => noise() * 256),
  );
  write("empty.bin", "");
  write("zeros.bin", Buffer.alloc(100_000));
  write("run.sh", "#!/bin/sh\nexit 0\n");
  chmodSync(join(work, "run.sh"), 0o755);
  symlinkSync("notes.txt", join(work, "link"));
  write("models/größe.safetensors", safetensors("F32", weights));
  write("models/half.safetensors", safetensors("BF16", toBf16(weights)));
  write("models/quantised.gguf", gguf(0));
  commit("first", "--metric", "loss=0.5");
  smc("tag", "v1.0.0");
  const tuned = weights.map((value, index) => value + 1e-4 * (weights[(index * 7) % WEIGHTS] ?? 0));
  write("models/größe.safetensors", safetensors("F32", tuned));
  write("models/quantised.gguf", gguf(40));
  commit("tuned", "--date", "2026-01-02T03:04:05+05:30");
  smc("tag", "-m", "the tuned one", "v1.1.0");
  write("models/half.safetensors", safetensors("F32", fromBf16(toBf16(weights))));
  commit("as f32 again");
  smc("tag", "v1.2.0");
  smc("switch", "-c", "side", "v1.1.0");
  write("side.txt", "from the side\n");
  commit("on the side");
  smc("switch", "main");
  smc("merge", "-m", "a merge", "side");
  smc("tag", "-m", "with the side", "v2.0.0");
  smc("gc", "--keep-last", "3", "--keep-tags", "--older-than", "0", "--grace", "0");
  smc("switch", "-c", "lost");
  write("lost.txt", "only on the branch that was deleted\n");
  commit("on the branch that was deleted");
  smc("switch", "main");
  smc("branch", "-D", "lost");
  smc("gc", "--older-than", "0");
  write("staged.txt", "staged, not committed\n");
  smc("add", "staged.txt");
}

/** The codecs of all records of a store, in order of their numbers. */
function codecsIn() {
  const folder = join(home, "packs");
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const codecs = names
    .filter((name) => name.endsWith(".pack"))
    .flatMap((name) => codecsOf(readFileSync(join(folder, name))));
  return [...new Set(codecs)].sort((a, b) => a - b);
}

function codecsOf(pack) {
  const trailer = pack.subarray(-TRAILER_BYTES);
  const footer = Number(trailer.readBigUInt64LE(0));
  const rows = trailer.readUInt32LE(8);
  return Array.from({ length: rows }, (_, row) => pack[footer + row * ROW_BYTES + ROW_CODEC]);
}

/** Path → mode and SHA-256 of the file's bytes, or of the link's target. */
function listing(revision) {
  const rows = json("ls-tree", "-r", revision);
  return Object.fromEntries(rows.map(({ path, digest, mode }) => [path, `${mode} ${digest}`]));
}

function describe() {
  const tags = json("tag").tags.map(({ name }) => name);
  const versions = tags.map((name) => [name, listing(name)]);
  const { head, records } = json("audit", "verify").verified;
  const settings = json("config", "list").entries.filter(({ origin }) => origin !== "default");
  return {
    codecs: codecsIn(),
    tags: Object.fromEntries(versions),
    log: json("log", "--all").map(({ digest }) => digest),
    reflog: json("reflog", "main").entries.map(({ to }) => to),
    lost: json("reflog", "lost").entries.map(({ to }) => to),
    pruned: json("log", "--all")
      .filter(({ decorations }) => decorations.includes("pruned"))
      .map(({ digest }) => digest),
    audit: { head, records },
    settings: Object.fromEntries(settings.map(({ key, value }) => [key, value])),
    staged: json("status").staged,
  };
}

/** What is frozen stays as it is: another store of the same version, with another pack say, gets a number. */
function free(version) {
  let target = join(import.meta.dirname, version);
  for (let number = 2; existsSync(target); number += 1)
    target = join(import.meta.dirname, `${version}-${number}`);
  return target;
}

try {
  makeHistory();
  const described = describe();
  smc("daemon", "stop");
  const missing = CODECS.filter((codec) => !described.codecs.includes(codec));
  if (missing.length > 0) throw new Error(`no record has codec ${missing.join(", ")}`);
  const { version } = JSON.parse(readFileSync(join(home, "format.json"), "utf8"));
  const target = free(String(version));
  const filter = (path) => !LEFT_OUT.has(path.slice(home.length + 1));
  cpSync(home, join(target, "store"), { recursive: true, filter });
  cpSync(join(work, ".smc"), join(target, "worktree"), { recursive: true });
  rmSync(join(target, "worktree", "tmp"), { recursive: true, force: true });
  writeFileSync(join(target, "frozen.json"), `${JSON.stringify(described, undefined, 2)}\n`);
  process.stdout.write(`frozen in ${target}\n`);
} finally {
  spawnSync(SMC, ["daemon", "stop"], { cwd: root, env });
  rmSync(root, { recursive: true, force: true });
}

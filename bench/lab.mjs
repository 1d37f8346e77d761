/** What the measurements share: a folder on a real disk, files, clocks, other programs. */
import { spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import os from "node:os";
import { join } from "node:path";

export const MIB = 1024 * 1024;
const SMC = join(import.meta.dirname, "..", "bin", "smc");
const PIECE_BYTES = 16 * MIB;
/** More than one step with a file of 1 GiB takes for its programs and the page cache. */
const MEMORY_TOUCHED_BYTES = 6 * 1024 * MIB;
const TOUCH_MEMORY = `
  const pieces = [];
  for (let left = Number(process.argv[1]); left > 0; left--) pieces.push(Buffer.alloc(${PIECE_BYTES}, 1));
`;

/** A folder for one question, with a store of its own. */
export class Lab {
  constructor() {
    this.root = mkdtempSync(join(process.env.TMPDIR ?? os.tmpdir(), "smc-bench-"));
    this.work = this.folder("work");
    this.env = {
      ...process.env,
      SMC_HOME: join(this.root, "store"),
      SMC_AUTHOR: "Bench <bench@example.org>",
      HOME: this.folder("home"),
      RESTIC_PASSWORD: "bench",
      RESTIC_CACHE_DIR: join(this.root, "restic-cache"),
      GIT_AUTHOR_NAME: "Bench",
      GIT_AUTHOR_EMAIL: "bench@example.org",
      GIT_COMMITTER_NAME: "Bench",
      GIT_COMMITTER_EMAIL: "bench@example.org",
    };
  }

  folder(name) {
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Runs a program to its end and returns what it printed; throws when it fails. */
  run(program, args, cwd = this.work) {
    const child = spawnSync(program, args, { cwd, env: this.env, encoding: "utf8", maxBuffer: 64 * MIB });
    if (child.status === 0) return child.stdout;
    const why = child.error?.message ?? child.stderr;
    throw new Error(`${program} ${args.join(" ")}: ${child.status ?? child.signal}: ${why}`);
  }

  smc(...words) {
    return this.run(SMC, words);
  }

  /** Seconds that a program or a function takes. */
  time(program, args, cwd) {
    const start = performance.now();
    if (typeof program === "function") program();
    else this.run(program, args, cwd);
    return (performance.now() - start) / 1000;
  }

  timeSmc(...words) {
    return this.time(SMC, words, this.work);
  }

  daemonPid() {
    return JSON.parse(this.smc("daemon", "status", "--json")).daemon.pid;
  }

  /** The most memory a process ever had, in MiB. */
  memoryPeakMib(pid) {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(text)?.[1]) / 1024;
  }

  /** The longest time that the daemon's event loop stood still since it started, in ms. */
  loopDelayMaxMs() {
    return JSON.parse(this.smc("daemon", "status", "--json")).daemon.loopDelayMaxMs;
  }

  /**
   * Writes what earlier steps left in memory, so that no one else pays for it, and uses free memory once: a virtual
   * machine gives it back to its host after seconds, and whoever gets it next waits for each page.
   */
  settle() {
    this.run("sync", []);
    const bytes = Math.min(MEMORY_TOUCHED_BYTES, os.freemem() / 2);
    this.run(process.execPath, ["-e", TOUCH_MEMORY, String(Math.floor(bytes / PIECE_BYTES))]);
  }

  close() {
    spawnSync(SMC, ["daemon", "stop"], { cwd: this.root, env: this.env, stdio: "ignore" });
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Runs with a lab whose `work` is a new repository. */
export function inRepository(measure) {
  const lab = new Lab();
  try {
    lab.smc("init");
    return measure(lab);
  } finally {
    lab.close();
  }
}

/** A file of random bytes: new every time, and no program can shrink it. */
export function writeRandom(path, sizeBytes) {
  const piece = Buffer.alloc(Math.min(PIECE_BYTES, sizeBytes));
  const fd = openSync(path, "w");
  for (let done = 0; done < sizeBytes; done += piece.length) {
    randomFillSync(piece);
    writeSync(fd, piece, 0, Math.min(piece.length, sizeBytes - done));
  }
  closeSync(fd);
}

const TENSOR_BYTES = 32 * MIB;

/** The head of a safetensors file of bytes without a pattern; of the same length for notes of the same length. */
function modelHead(sizeBytes, note) {
  const head = { __metadata__: { note } };
  for (let at = 0; at < sizeBytes; at += TENSOR_BYTES) {
    const end = Math.min(at + TENSOR_BYTES, sizeBytes);
    head[`layer.${at / TENSOR_BYTES}`] = { dtype: "U8", shape: [end - at], data_offsets: [at, end] };
  }
  const text = JSON.stringify(head);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, " "));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded]);
}

/** A safetensors file of random bytes. */
export function writeRandomModel(path, sizeBytes) {
  const head = modelHead(sizeBytes, "made 00");
  const fd = openSync(path, "w");
  writeSync(fd, head);
  const piece = Buffer.alloc(Math.min(PIECE_BYTES, sizeBytes));
  for (let done = 0; done < sizeBytes; done += piece.length) {
    randomFillSync(piece);
    writeSync(fd, piece, 0, Math.min(piece.length, sizeBytes - done));
  }
  closeSync(fd);
}

/** Another note in the head of such a file; its tensors stay where they are. */
export function editModelHead(path, sizeBytes, round) {
  const fd = openSync(path, "r+");
  writeSync(fd, modelHead(sizeBytes, `made ${String(round + 1).padStart(2, "0")}`), null, null, 0);
  fsyncSync(fd);
  closeSync(fd);
}

/** Other bytes in the first 4 KiB, as an edit of a header leaves them. */
export function editHead(path, round) {
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.alloc(4096, round + 1), 0, 4096, 0);
  fsyncSync(fd);
  closeSync(fd);
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function isInstalled(program, word = "version") {
  return spawnSync(program, [word], { stdio: "ignore" }).error === undefined;
}

/** Installs Debian packages when we may; otherwise says what is missing. */
export function installPeers(programs) {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && isInstalled("apt-get")) {
    process.stderr.write(`bench: installing ${missing.join(", ")}\n`);
    spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
    spawnSync("apt-get", ["install", "-y", "-qq", ...missing], { stdio: "ignore" });
  }
  for (const program of programs.filter((name) => !isInstalled(name))) {
    process.stderr.write(`bench: ${program} is not installed; its rows are left out\n`);
  }
}

export function machine() {
  const [cpu] = os.cpus();
  const memory = Math.round(os.totalmem() / 1024 ** 3);
  return `${os.cpus().length} × ${cpu?.model.trim() || os.arch()}, ${memory} GiB, ${os.type()} ${os.release()}, Node ${process.versions.node}`;
}

export const seconds = (value) => `${value.toFixed(2)} s`;
export const spread = (values) => `${seconds(Math.min(...values))} to ${seconds(Math.max(...values))}`;

/** Who holds a lock file, and whether that process still lives. Reads only. */
import { createHash, randomBytes } from "node:crypto";
import { constants, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { hostname } from "node:os";
import { basename } from "node:path";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { show } from "../show.ts";

const RECORD_BYTES_MAX = 4096;
const PID_MAX = 2 ** 31 - 1;
const START_TIME_FIELD = 22;

/** The process that wrote a lock file. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** 32 hex digits, new for every attempt. */
  readonly nonce: string;
  /** Clock ticks since boot at which the process began; null where /proc does not tell. */
  readonly startTime: string | null;
  /** Changes with every boot; null where the system does not tell. */
  readonly bootId: string | null;
}

/** A lock file that is there. `holder` is undefined when a power cut left it without a whole record. */
export interface LockRecord {
  readonly nonce: string;
  readonly holder: LockHolder | undefined;
}

export function describeThisProcess(): LockHolder {
  return {
    pid: process.pid,
    host: hostname(),
    nonce: randomBytes(16).toString("hex"),
    startTime: readProcess(process.pid)?.startTime ?? null,
    bootId: readBootId(),
  };
}

/** Changes with every boot; null where the system does not tell. */
export function readBootId(): string | null {
  return readText("/proc/sys/kernel/random/boot_id")?.trim() ?? null;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // ESRCH: the process ended between open and read. ENOTDIR, EACCES: no such /proc here.
    const known = ["ENOENT", "ESRCH", "ENOTDIR", "EACCES", "EPERM"];
    if (known.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** The name of a program in /proc/<pid>/stat may hold spaces and brackets; the fields after the last `)` cannot. */
function readProcess(pid: number): { state: string; startTime: string } | undefined {
  const text = readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  const startTime = fields[START_TIME_FIELD - 3];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}

/** Undefined when the file is absent. Throws STORE_CORRUPT when something else than a file is in its place. */
export async function readLockRecord(path: string): Promise<LockRecord | undefined> {
  let bytes;
  try {
    bytes = await readRegularFile(path);
  } catch (error) {
    const known = fromErrno(error, `cannot read the lock '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
  const holder = parseHolder(bytes);
  if (holder !== undefined) return { nonce: holder.nonce, holder };
  // The file's name is part of the hash: two empty files in one chain must not look like a ring.
  const hash = createHash("sha256").update(basename(path)).update("\0").update(bytes).digest("hex");
  return { nonce: hash.slice(0, 32), holder: undefined };
}

async function readRegularFile(path: string): Promise<Uint8Array> {
  const handle = await open(
    path,
    constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
  );
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) {
      throw new SmcError(
        "STORE_CORRUPT",
        `'${show(path)}' is not a file, but the lock of the store belongs there`,
        {
          hint: "move it away and run the command again",
        },
      );
    }
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(RECORD_BYTES_MAX), 0, RECORD_BYTES_MAX, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function parseHolder(bytes: Uint8Array): LockHolder | undefined {
  let value: Partial<Record<keyof LockHolder, unknown>> | null;
  try {
    value = JSON.parse(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"),
    ) as typeof value;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { pid, host, nonce, startTime, bootId } = value;
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid < 1 || pid > PID_MAX) return undefined;
  if (typeof host !== "string" || typeof nonce !== "string" || !/^[0-9a-f]{32}$/.test(nonce))
    return undefined;
  if (startTime !== null && typeof startTime !== "string") return undefined;
  if (bootId !== null && typeof bootId !== "string") return undefined;
  return { pid, host, nonce, startTime, bootId };
}

/** "unknown": it ran on another machine, and nothing here can tell. Never decided by a clock. */
export function stateOf(holder: LockHolder): "alive" | "gone" | "unknown" {
  const bootId = readBootId();
  const sameBoot = holder.bootId !== null && holder.bootId === bootId;
  // The same boot is the same machine, whatever it is called by now.
  if (!sameBoot && holder.host !== hostname()) return "unknown";
  if (!sameBoot && holder.bootId !== null && bootId !== null) return "gone";
  return isRunning(holder) ? "alive" : "gone";
}

function isRunning(holder: LockHolder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH") return false;
    if (code !== "EPERM") throw error;
  }
  const found = readProcess(holder.pid);
  if (found === undefined || holder.startTime === null) return true;
  // A zombie waits for its parent and writes nothing any more.
  return found.startTime === holder.startTime && found.state !== "Z" && found.state !== "X";
}

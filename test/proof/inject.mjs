/**
 * Preloaded (`node --import`) into every thread of a child: all calls of the product's fs.ts are counted in one shared
 * counter, and the n-th fails or ends the process. It counts nothing until `arm`.
 */
import { getEnvironmentData, isMainThread, setEnvironmentData } from "node:worker_threads";

const KEY = "smc-proof-faults";
const SLOTS = 8;
const TEXT_BYTES = 4096;
const [COUNT, AT, MODE, ERRNO, HITS, LENGTH] = [0, 1, 2, 3, 4, 5];
const MODES = ["off", "once", "for-ever", "kill", "count"];
export const ERRNOS = ["ENOSPC", "EIO", "EROFS", "EMFILE", "EDQUOT", "EACCES"];

if (isMainThread) setEnvironmentData(KEY, new SharedArrayBuffer(SLOTS * 4 + TEXT_BYTES));
const shared = getEnvironmentData(KEY);
const slots = new Int32Array(shared, 0, SLOTS);
const text = new Uint8Array(shared, SLOTS * 4);

/** Where the store under test is built: a folder with index.js. */
export const dist = new URL(`${process.env.SMC_PROOF_DIST ?? ""}/`, "file:///");

/** From now on calls are counted from 1, and call `at` meets its fault. */
export function arm({ mode, at = 0, errno = "EIO" }) {
  Atomics.store(slots, COUNT, 0);
  Atomics.store(slots, HITS, 0);
  Atomics.store(slots, AT, at);
  Atomics.store(slots, ERRNO, ERRNOS.indexOf(errno));
  Atomics.store(slots, MODE, MODES.indexOf(mode));
}

/** How many calls there were, how many failed, and which was the first to fail. */
export function disarm() {
  Atomics.store(slots, MODE, 0);
  const hits = Atomics.load(slots, HITS);
  const first = Buffer.from(text.slice(0, Atomics.load(slots, LENGTH))).toString();
  return { calls: Atomics.load(slots, COUNT), hits, first: hits === 0 ? undefined : first };
}

function remember(what, path) {
  const bytes = Buffer.from(`${what} ${path}`).subarray(0, TEXT_BYTES);
  text.set(bytes);
  Atomics.store(slots, LENGTH, bytes.length);
}

function intercept(what, path) {
  const mode = MODES[Atomics.load(slots, MODE)];
  if (mode === "off") return;
  const count = Atomics.add(slots, COUNT, 1) + 1;
  const at = Atomics.load(slots, AT);
  const isHit = mode !== "count" && (count === at || (mode === "for-ever" && count > at));
  if (!isHit) return;
  if (mode === "kill") process.kill(process.pid, "SIGKILL");
  if (Atomics.add(slots, HITS, 1) === 0) remember(what, path);
  const code = ERRNOS[Atomics.load(slots, ERRNO)];
  throw Object.assign(new Error(`${code}: injected, ${what} '${path}'`), { code, syscall: what, path });
}

const { interceptCalls } = await import(new URL("fs.js", dist).href);
interceptCalls(intercept);

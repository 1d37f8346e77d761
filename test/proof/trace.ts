/** Reads what strace wrote (-f -y -xx): the calls that change a disk, in the order in which they ended. */

const CALL = /^(\d+) +(\w+)\((.*)$/s;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/s;
const UNFINISHED = " <unfinished ...>";

/** Calls to ask strace for. */
export const TRACED =
  "openat,open,creat,write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir," +
  "mkdirat,rmdir,link,linkat,symlink,symlinkat,ftruncate,truncate";

export interface SystemCall {
  readonly name: string;
  /** As strace printed them. */
  readonly args: readonly string[];
  /** What it returned; a call that failed is left out. */
  readonly result: number;
  /** Path of the descriptor that it returned. */
  readonly resultPath: string | undefined;
  /** Lines of the trace: a call covers what ended before it started. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** The bytes of "\x61\x62". */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text.replaceAll(/[^\\x0-9a-f]/g, "").replaceAll("\\x", ""), "hex");
}

/** Number and path of `12<\x2f\x74>`. */
export function descriptorOf(text: string): { fd: number; path: string } {
  const match = /^(-?\d+)(?:<(.*)>)?/s.exec(text);
  return { fd: Number(match?.[1] ?? -1), path: bytesOf(match?.[2] ?? "").toString() };
}

function parse(line: string, startedAt: number, endedAt: number): SystemCall | undefined {
  const match = CALL.exec(line);
  const end = line.lastIndexOf(") ");
  if (match === null || end < 0) return undefined;
  const result = /= (-?\d+)(?:<(.*)>)?/s.exec(line.slice(end));
  if (result === null || Number(result[1]) < 0) return undefined;
  const start = line.indexOf("(") + 1;
  const resultPath = result[2] === undefined ? undefined : bytesOf(result[2]).toString();
  const args = line.slice(start, end).split(", ");
  return { name: match[2] ?? "", args, result: Number(result[1]), resultPath, startedAt, endedAt };
}

/** All calls that succeeded, in the order of their ends. */
export function parseTrace(text: string): SystemCall[] {
  const open = new Map<string, { line: string; startedAt: number }>();
  const calls: SystemCall[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    const resumed = RESUMED.exec(line);
    const thread = resumed?.[1] ?? /^(\d+)/.exec(line)?.[1] ?? "";
    if (line.endsWith(UNFINISHED)) {
      open.set(thread, { line: line.slice(0, -UNFINISHED.length), startedAt: at });
      continue;
    }
    const begun = resumed === null ? undefined : open.get(thread);
    if (resumed !== null) open.delete(thread);
    const whole = begun === undefined ? line : begun.line + (resumed?.[3] ?? "");
    const call = parse(whole, begun?.startedAt ?? at, at);
    if (call !== undefined) calls.push(call);
  }
  return calls;
}

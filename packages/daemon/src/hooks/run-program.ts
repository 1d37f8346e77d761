/** Runs the program of a hook: no shell, a few variables, the event on standard input, nothing else of ours. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync } from "node:fs";
import { devNull } from "node:os";
import type { Call } from "@smc/store";
import { show } from "@smc/store/show";
import { stopped, throwIfStopped } from "../remotes/stopped.ts";

const RUN_MS_MAX = 30_000;
/** Of what it prints; the rest is read and dropped. */
const OUTPUT_BYTES_MAX = 4096;
/** Standard input, output and error. */
const STREAMS = 3;
const EXIT_NOT_RUN = 127;
const DESCRIPTORS_MORE = 8;
const DESCRIPTORS_MAX = 65_536;
/** All that it sees of the daemon's environment. */
const VARIABLES = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SystemRoot"];

export interface ProgramEnd {
  readonly ok: boolean;
  readonly message: string;
}

/** Ends with it everything that it started in its group. Throws CANCELED; the program is killed then. */
export async function runProgram(
  words: readonly string[],
  input: Uint8Array,
  call: Call,
  { wholeMs = RUN_MS_MAX }: { readonly wholeMs?: number } = {},
): Promise<ProgramEnd> {
  throwIfStopped(call);
  const [program = "", ...args] = words;
  const env = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
  const child = spawnAlone(program, args, env);
  const said = collect(child);
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  const timeout = AbortSignal.timeout(wholeMs);
  const late = AbortSignal.any([call.signal, timeout]);
  const end = (): void => endGroup(child);
  late.addEventListener("abort", end, { once: true });
  try {
    const ended = await endOf(child);
    if (call.signal.aborted) throw stopped();
    if (timeout.aborted) return { ok: false, message: `it did not end in ${wholeMs / 1000} s and was ended` };
    const text = said().trim();
    return { ok: ended === "it ended with 0", message: text === "" ? ended : `${ended}: ${show(text, 300)}` };
  } finally {
    late.removeEventListener("abort", end);
    endGroup(child);
  }
}

/**
 * LevelDB opens its files so that every program which this process starts would have them: there the numbers of all
 * descriptors lead nowhere instead.
 */
function spawnAlone(program: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const nowhere = openSync(devNull, "r");
  try {
    const others = Array.from({ length: Math.max(0, descriptorsEnd() - STREAMS) }, () => nowhere);
    return spawn(program, [...args], {
      cwd: "/",
      env,
      shell: false,
      // A group of its own, which can be ended as a whole.
      detached: true,
      stdio: ["pipe", "pipe", "pipe", ...others],
      windowsHide: true,
    });
  } finally {
    closeSync(nowhere);
  }
}

/** Above every number in use; LevelDB's own thread may open some more meanwhile. */
function descriptorsEnd(): number {
  if (process.platform === "win32") return 0;
  const numbers = readdirSync("/dev/fd").map(Number);
  return Math.min(DESCRIPTORS_MAX, Math.max(...numbers) + DESCRIPTORS_MORE);
}

/** The first bytes of both of its outputs. */
function collect(child: ChildProcess): () => string {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  const take = (part: Buffer): void => {
    if (sizeBytes >= OUTPUT_BYTES_MAX) return;
    parts.push(part.subarray(0, OUTPUT_BYTES_MAX - sizeBytes));
    sizeBytes += part.length;
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  return () => Buffer.concat(parts).toString("utf8");
}

/** What it left running may hold its outputs open: its own end counts. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) =>
      resolve(
        error.code === "ENOENT" ? "there is no such program" : `it cannot be run (${error.code ?? "?"})`,
      ),
    );
    child.once("exit", (code, signal) =>
      // Its last words are still on their way.
      setImmediate(() => resolve(code === null ? `it was ended by ${signal ?? "?"}` : exitText(code))),
    );
  });
}

/** Where descriptors lead nowhere, a program that is not there cannot say so in another way. */
function exitText(code: number): string {
  return code === EXIT_NOT_RUN
    ? "it ended with 127: no such program, or it cannot be run"
    : `it ended with ${code}`;
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // Nobody of it is left.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

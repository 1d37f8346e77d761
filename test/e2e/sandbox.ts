/** A temporary folder with a store of its own, in which the built command line runs as a user would run it. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../packages/cli/dist/bin.js", import.meta.url));
/** Far more than any command takes, also where hundreds of processes want the processor. */
const TIMEOUT_MS = 180_000;

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; of a process ended by a signal, 128 and up. */
  readonly code: number;
}

export interface RunOptions {
  /** Below the sandbox; default "work". */
  readonly in?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string | Uint8Array;
  /** After which the process is killed; default 180 s. */
  readonly timeoutMs?: number;
}

interface ErrorAnswer {
  readonly error: {
    readonly code: string;
    readonly exit: number;
    readonly message: string;
    readonly hint?: string;
  };
}

/** Runs a program to its end. */
export function runProgram(
  file: string,
  args: readonly string[],
  options: {
    cwd: string;
    env: NodeJS.ProcessEnv;
    stdin?: string | Uint8Array | undefined;
    timeoutMs?: number | undefined;
  },
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: options.env,
      timeout: options.timeoutMs ?? TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.stdin ?? "");
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const ran = { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
      resolve({ ...ran, code: code ?? (signal === "SIGKILL" ? 137 : 128) });
    });
  });
}

export class Sandbox implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), "smc-e2e-"));
  /** The worktree that `smc()` runs in. */
  readonly work = join(this.root, "work");
  readonly home = join(this.root, "store");
  readonly env: NodeJS.ProcessEnv;
  /** The built command line, for programs that start it themselves. */
  readonly bin = BIN;

  constructor() {
    mkdirSync(this.work);
    const { PATH, LANG, NODE_V8_COVERAGE } = process.env;
    this.env = {
      PATH,
      LANG,
      NODE_V8_COVERAGE,
      HOME: this.root,
      SMC_HOME: this.home,
      SMC_AUTHOR: "Ada <ada@example.org>",
    };
  }

  /** Runs `smc` with these words. */
  async smc(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const env = { ...this.env, ...options.env };
    return runProgram(process.execPath, [BIN, ...words], {
      cwd: join(this.root, options.in ?? "work"),
      env,
      stdin: options.stdin,
      timeoutMs: options.timeoutMs,
    });
  }

  /** Runs a script of bash in which `smc` is the command line. */
  shell(script: string): Promise<Ran> {
    const env = { ...this.env, SMC_TEST_NODE: process.execPath, SMC_TEST_BIN: BIN };
    const prelude = 'smc() { "$SMC_TEST_NODE" "$SMC_TEST_BIN" "$@"; }\n';
    return runProgram("bash", ["-c", prelude + script], { cwd: this.work, env });
  }

  /** Runs `smc` and returns its standard output; throws with everything it printed when it does not end with 0. */
  async ok(...words: string[]): Promise<string> {
    const ran = await this.smc(words);
    if (ran.code === 0) return ran.stdout;
    throw new Error(`smc ${words.join(" ")} ended with ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
  }

  /** `ok` with --json, parsed. */
  async json<T>(...words: string[]): Promise<T> {
    const parsed: T = JSON.parse(await this.ok(...words, "--json"));
    return parsed;
  }

  /** Runs `smc --json …`, which must fail; its exit status and error code. */
  async refused(
    ...words: string[]
  ): Promise<{ code: string; exit: number; message: string; stderr: string }> {
    const ran = await this.smc(["--json", ...words]);
    const answer: ErrorAnswer = JSON.parse(ran.stdout);
    const { code, message } = answer.error;
    return { code, message, exit: ran.code, stderr: ran.stderr };
  }

  /** Process id of its daemon, which is started when none runs. */
  async daemonPid(): Promise<number> {
    return (await this.json<{ daemon: { pid: number } }>("daemon", "start")).daemon.pid;
  }

  path(name: string): string {
    return join(this.work, name);
  }

  /** Writes a file of the worktree and returns the SHA-256 of its bytes. */
  write(name: string, bytes: string | Uint8Array): string {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), bytes);
    return sha256(bytes);
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  /** SHA-256 of a file of the worktree as it is on disk. */
  digest(name: string): string {
    return sha256(readFileSync(this.path(name)));
  }

  /** Writes files, adds all, commits; returns the digest of the commit. */
  async commit(
    message: string,
    files: Readonly<Record<string, string | Uint8Array>> = {},
    ...more: string[]
  ): Promise<string> {
    for (const [name, content] of Object.entries(files)) this.write(name, content);
    await this.ok("add", "-A");
    return (await this.ok("commit", "-q", "-m", message, ...more)).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.smc(["daemon", "stop"], { in: "." });
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A sandbox whose folder is a worktree already. */
export async function createSandbox(options: { init?: boolean } = {}): Promise<Sandbox> {
  const sandbox = new Sandbox();
  if (options.init === false) return sandbox;
  try {
    await sandbox.ok("init");
    return sandbox;
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
}

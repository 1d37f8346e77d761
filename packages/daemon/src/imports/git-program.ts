/** The program `git`, which reads a repository that is imported. It is given words, never a line for a shell. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

const ERROR_BYTES_MAX = 16 * 1024;
/** Takes nothing from the network, asks nobody, writes nothing. */
const SETTINGS = {
  GIT_TERMINAL_PROMPT: "0",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_NO_LAZY_FETCH: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  LC_ALL: "C",
};

export type GitChild = ChildProcessByStdio<Writable, Readable, Readable>;

export interface GitProcess {
  readonly child: GitChild;
  /** How it ended: the status, and what it said last. Throws PATH_NOT_FOUND where there is no git. */
  readonly ended: Promise<{ readonly status: number; readonly said: string }>;
}

/** Ends with the signal. */
export function startGit(folder: string, words: readonly string[], signal: AbortSignal): GitProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"));
  const child = spawn("git", ["--no-pager", "-C", folder, ...words], {
    env: { ...Object.fromEntries(inherited), ...SETTINGS },
    stdio: ["pipe", "pipe", "pipe"],
    signal,
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-ERROR_BYTES_MAX);
  });
  // What it does not read any more is told by how it ends.
  child.stdin.on("error", () => undefined);
  const ended = new Promise<{ status: number; said: string }>((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      reject(signal.aborted ? new SmcError("CANCELED", "stopped on request") : notStarted(error));
    });
    child.on("close", (status) => resolve({ status: status ?? -1, said: said.trim() }));
  });
  // Whoever reads its output learns of it there.
  ended.catch(() => undefined);
  return { child, ended };
}

function notStarted(error: NodeJS.ErrnoException): SmcError {
  if (error.code !== "ENOENT")
    return new SmcError("IO_FAILED", `cannot run git: ${show(error.message, 200)}`, { cause: error });
  return new SmcError("PATH_NOT_FOUND", "there is no program 'git'; nothing was imported", {
    hint: "install git: it reads the repository that is imported",
    cause: error,
  });
}

/** What git prints, and how it ended. Throws LIMIT_EXCEEDED, PATH_NOT_FOUND, CANCELED. */
export async function askGit(
  folder: string,
  words: readonly string[],
  { signal, bytesMax }: { signal: AbortSignal; bytesMax: number },
): Promise<{ readonly status: number; readonly said: string; readonly text: string }> {
  const { child, ended } = startGit(folder, words, signal);
  child.stdin.end();
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  child.stdout.on("data", (piece: Buffer) => {
    sizeBytes += piece.length;
    if (sizeBytes > bytesMax) child.kill();
    else pieces.push(piece);
  });
  const { status, said } = await ended;
  if (sizeBytes > bytesMax)
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `git ${show(words[0] ?? "", 40)} answers with more than ${bytesMax} bytes`,
    );
  return { status, said, text: Buffer.concat(pieces).toString("utf8") };
}

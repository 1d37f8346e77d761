/** Finds strace and runs an operation under it; where it is missing scripts/strace.mjs unpacks Debian's. */
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../source.ts";
import { DIST } from "./children.ts";

const RUN_MS_MAX = 120_000;

/** Its path, or why there is none. */
export function findStrace(): { readonly path: string | undefined; readonly why: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts", "strace.mjs")], {
    encoding: "utf8",
  });
  if (status === 0) return { path: stdout.trim(), why: "" };
  return { path: undefined, why: stderr.trim() };
}

interface RunOptions {
  readonly strace: string;
  readonly options: readonly string[];
  /** Another build of the store. */
  readonly dist?: string;
}

/**
 * One operation in a process of its own, from opening the store to closing it; few threads, so that calls keep their
 * order.
 */
export function programOf(
  name: string,
  folder: string,
  { strace, options, dist = DIST }: RunOptions,
): { command: string; args: string[]; env: NodeJS.ProcessEnv } {
  const here = join(ROOT, "test", "proof");
  const program = [
    process.execPath,
    "--import",
    join(here, "inject.mjs"),
    join(here, "record.mjs"),
    name,
    folder,
  ];
  const env = { ...process.env, SMC_PROOF_DIST: dist, UV_USE_IO_URING: "0", UV_THREADPOOL_SIZE: "1" };
  return { command: strace, args: ["-f", "--seccomp-bpf", ...options, ...program], env };
}

/** Runs it to its end. */
export function runTraced(name: string, folder: string, options: RunOptions): SpawnSyncReturns<string> {
  const { command, args, env } = programOf(name, folder, options);
  return spawnSync(command, args, { encoding: "utf8", timeout: RUN_MS_MAX, env });
}

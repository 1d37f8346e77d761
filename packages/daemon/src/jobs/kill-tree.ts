/** Ends what a job has started, also what left its group of processes. */
import { readdirSync, readFileSync } from "node:fs";

/** One that forks faster than it is killed is given up. */
const ROUNDS_MAX = 20;
const JOB_VARIABLE = "SMC_JOB_ID";

/** Signals a group of processes; false when there is none any more. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    // Windows has no groups: there it is the process alone.
    process.kill(process.platform === "win32" ? pid : -pid, signal);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH" || code === "EPERM") return false;
    throw error;
  }
}

/** Signals the group of a program, and every process of ours that was started with the job's id in its environment. */
export function signalTree({ pid, jobId }: { pid: number; jobId: string }, signal: NodeJS.Signals): void {
  signalGroup(pid, signal);
  signalAll(markedProcesses(jobId), signal);
}

/** Kills every process of ours that was started with the job's id in its environment, where /proc tells. */
export function killMarked(jobId: string): void {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const pids = markedProcesses(jobId);
    if (pids.length === 0) return;
    signalAll(pids, "SIGKILL");
  }
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

function markedProcesses(jobId: string): number[] {
  if (process.platform !== "linux") return [];
  const mark = `${JOB_VARIABLE}=${jobId}`;
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids
    .map(Number)
    .filter((pid) => pid !== process.pid && environmentOf(pid).split("\0").includes(mark));
}

/** Of processes of others, and of those that have ended, nothing. */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch (error) {
    const known = ["ENOENT", "ESRCH", "EACCES", "EPERM"];
    if (known.includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}

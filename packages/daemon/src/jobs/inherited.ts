/** Files that this process got open from whoever started it. */
import { closeSync, readdirSync, readFileSync } from "node:fs";

/** As /proc/<pid>/fdinfo/<fd> gives it, in octal. */
const O_CLOEXEC = 0o2000000;
const STANDARD_MAX = 2;

/**
 * Closes every descriptor, beside the three standard ones, that a program started from here would get: LevelDB opens
 * its files so. Node and libuv mark all of theirs. Elsewhere than on Linux libuv passes none on.
 */
export function closeInherited(): void {
  if (process.platform !== "linux") return;
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (fd <= STANDARD_MAX || !isPassedOn(fd)) continue;
    try {
      closeSync(fd);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBADF") throw error;
    }
  }
}

/** False for the descriptor of the listing itself, which is closed by now. */
function isPassedOn(fd: number): boolean {
  try {
    const [, octal = "0"] =
      /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")) ?? [];
    return (Number.parseInt(octal, 8) & O_CLOEXEC) === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

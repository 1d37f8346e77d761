/** The daemon as a program: `node bin.js <store> [--ready-fd <n>]`. Logs on standard error. */
import { Socket } from "node:net";
import { parseArgs } from "node:util";
import { isSmcError, SmcError } from "@smc/store/errors";
import { createLogger } from "./logger.ts";
import { assertOpenFiles } from "./open-files.ts";

const SHUTDOWN_MS_MAX = 20_000;

function readWords(): { storePath: string; readyFd: number | undefined } {
  const { values, positionals } = parseArgs({
    options: { "ready-fd": { type: "string" } },
    allowPositionals: true,
  });
  const storePath = positionals[0];
  if (storePath === undefined || positionals.length > 1) {
    throw new SmcError("USAGE", "usage: node bin.js <store> [--ready-fd <n>]");
  }
  const fd = values["ready-fd"];
  return { storePath, readyFd: fd === undefined ? undefined : Number(fd) };
}

/** Tells whoever started us; that process may be gone already. */
function tell(readyFd: number | undefined, message: object): void {
  if (readyFd === undefined) return;
  const socket = new Socket({ fd: readyFd, readable: false, writable: true });
  socket.on("error", () => socket.destroy());
  socket.end(`${JSON.stringify(message)}\n`, () => socket.destroy());
}

function readIdleMs(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

async function main(): Promise<void> {
  const logger = createLogger();
  let readyFd: number | undefined;
  try {
    const words = readWords();
    ({ readyFd } = words);
    const idleMs = readIdleMs(process.env["SMC_IDLE_MS"]);
    const { storePath } = words;
    assertOpenFiles();
    const { startDaemon } = await import("./run.ts");
    const daemon = await startDaemon({ storePath, logger, ...(idleMs === undefined ? {} : { idleMs }) });
    let signals = 0;
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.on(signal, () => {
        signals += 1;
        // The second one says: do not wait for anybody.
        void daemon.stop(signal, signals > 1);
      });
    }
    tell(readyFd, { ready: true });
    await daemon.stopped;
    setTimeout(() => {
      logger.error({ held: process.getActiveResourcesInfo() }, "daemon does not end");
      process.exit(1);
    }, SHUTDOWN_MS_MAX).unref();
  } catch (error) {
    const known = isSmcError(error)
      ? error
      : new SmcError("INTERNAL", "the daemon cannot start", { cause: error });
    logger.error({ err: error, code: known.code }, "daemon cannot start");
    tell(readyFd, { error: known });
    process.exitCode = known.exit;
  }
}

await main();

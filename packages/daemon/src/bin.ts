/**
 * The daemon as a program: `node bin.js <store> [--ready-fd <n>] [--listen <host:port>] [--tls-cert <file> --tls-key
 * <file>] [--host-name <name>]…`. Logs on standard error.
 */
import { Socket } from "node:net";
import { parseArgs } from "node:util";
import { isSmcError, SmcError } from "@smc/store/errors";
import { createLogger } from "./logger.ts";
import { assertOpenFiles } from "./open-files.ts";
import type { ServingOptions } from "./serving/listener.ts";

const SHUTDOWN_MS_MAX = 20_000;

const USAGE =
  "usage: node bin.js <store> [--ready-fd <n>] [--listen <host:port> [--tls-cert <file> --tls-key <file>]]";

interface Asked {
  readonly storePath: string;
  readonly readyFd: number | undefined;
  readonly serving: ServingOptions | undefined;
}

function readWords(): Asked {
  const { values, positionals } = parseArgs({
    options: {
      "ready-fd": { type: "string" },
      listen: { type: "string" },
      "tls-cert": { type: "string" },
      "tls-key": { type: "string" },
      "host-name": { type: "string", multiple: true },
    },
    allowPositionals: true,
  });
  const storePath = positionals[0];
  const { listen, "tls-cert": certFile, "tls-key": keyFile, "host-name": hostNames = [] } = values;
  if (
    storePath === undefined ||
    positionals.length > 1 ||
    (certFile === undefined) !== (keyFile === undefined)
  )
    throw new SmcError("USAGE", USAGE);
  const fd = values["ready-fd"];
  const certificate =
    certFile === undefined || keyFile === undefined ? {} : { certificate: { certFile, keyFile } };
  return {
    storePath,
    readyFd: fd === undefined ? undefined : Number(fd),
    serving: listen === undefined ? undefined : { listen, hostNames, ...certificate },
  };
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
    const { storePath, serving } = words;
    assertOpenFiles();
    const { startDaemon } = await import("./run.ts");
    const daemon = await startDaemon({
      storePath,
      logger,
      ...(idleMs === undefined ? {} : { idleMs }),
      ...(serving === undefined ? {} : { serving }),
    });
    let signals = 0;
    // Windows says it when the console closes, and ends the process soon after.
    const isEnd = process.platform === "win32";
    if (!isEnd) process.on("SIGHUP", () => void daemon.reload());
    for (const signal of ["SIGTERM", "SIGINT", ...(isEnd ? (["SIGHUP"] as const) : [])] as const) {
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

import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DaemonStatus } from "@smc/daemon/client";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { type CommandContext, defineCommand } from "../command.ts";
import { formatCount, formatDuration, formatSize, formatTable } from "../format.ts";
import type { Output } from "../output.ts";

const ACTIONS = ["start", "stop", "status", "restart", "logs", "run"] as const;
type Action = (typeof ACTIONS)[number];

const EXIT_KILLED = 137;
const LINES_DEFAULT = 100;
const LINES_MAX = 100_000;
const TAIL_BYTES_MAX = 16 * 1024 * 1024;

type Answer =
  | { readonly action: "start" | "status" | "restart"; readonly running: true; readonly daemon: DaemonStatus }
  | { readonly action: "status" | "stop"; readonly running: false; readonly stopped: boolean }
  | { readonly action: "logs"; readonly path: string; readonly lines: readonly string[] }
  | { readonly action: "run"; readonly exit: number };

/** The last lines of the log; none when no daemon ever wrote one. */
async function tail(path: string, count: number): Promise<string[]> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL_BYTES_MAX);
    const bytes = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
    const lines = bytes.toString("utf8", 0, bytesRead).split("\n");
    return lines.filter((line) => line !== "").slice(-count);
  } catch (error) {
    const known = fromErrno(error, `cannot read '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
}

/** Runs the daemon as a child in the foreground until it leaves. Resolves with its exit status. */
function runInForeground(context: CommandContext, serving: readonly string[]): Promise<number> {
  const bin = fileURLToPath(new URL("bin.js", import.meta.resolve("@smc/daemon")));
  const words = [bin, context.storePath, ...serving];
  const child = spawn(process.execPath, words, { stdio: "inherit", cwd: context.folder });
  const pass = (signal: NodeJS.Signals): void => {
    // A terminal sends Ctrl-C to both of us; twice would mean "at once". When it is closed nobody is left to watch.
    if (!process.stdin.isTTY) child.kill(signal);
    else if (signal !== "SIGINT") child.kill("SIGTERM");
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(fromErrno(error, "cannot run the daemon")));
    child.on("exit", (code) => {
      for (const signal of signals) process.off(signal, pass);
      resolve(code ?? EXIT_KILLED);
    });
  });
}

/** Throws USAGE when the daemon answers other machines: the one that takes its place would not. */
async function assertAlone({ client, signal }: CommandContext): Promise<void> {
  const { url = null } = (await client.daemonStatus({ signal })) ?? {};
  if (url === null) return;
  throw new SmcError("USAGE", `the daemon that runs serves ${show(url)}; it was not restarted`, {
    hint: 'end it with "smc daemon stop" and start it as it was started: "smc daemon run --listen …"',
  });
}

interface Wanted {
  readonly lines: number;
  readonly serving: readonly string[];
}

async function act(context: CommandContext, action: Action, { lines, serving }: Wanted): Promise<Answer> {
  const { client, signal } = context;
  switch (action) {
    case "start":
      return { action, running: true, daemon: await client.start({ signal }) };
    case "restart":
      await assertAlone(context);
      await client.stop({ signal });
      return { action, running: true, daemon: await client.start({ signal }) };
    case "stop":
      return { action, running: false, stopped: await client.stop({ signal }) };
    case "status": {
      const daemon = await client.daemonStatus({ signal });
      return daemon === undefined
        ? { action, running: false, stopped: false }
        : { action, running: true, daemon };
    }
    case "logs": {
      const path = join(context.storePath, "logs", "daemon.log");
      return { action, path, lines: await tail(path, lines) };
    }
    case "run":
      return { action, exit: await runInForeground(context, serving) };
  }
}

function printStatus(daemon: DaemonStatus, out: Output): void {
  const rows = [
    ["pid", String(daemon.pid)],
    ["version", show(daemon.version, 40)],
    ["store", show(daemon.storePath)],
    ["socket", show(daemon.socket)],
    ...(daemon.url === null ? [] : [["url", show(daemon.url)]]),
    ["up", formatDuration(daemon.uptimeMs / 1000)],
    ["memory", `${formatSize(daemon.rssBytes)} (at most ${formatSize(daemon.rssBytesMax)})`],
    ["requests", formatCount(daemon.activeRequests, "active request")],
    [
      "leaves",
      daemon.idleMs === 0 ? "never by itself" : `after ${formatDuration(daemon.idleMs / 1000)} without work`,
    ],
    ...(daemon.readOnlyReason === null ? [] : [["read-only", show(daemon.readOnlyReason)]]),
  ];
  for (const line of formatTable(rows)) out.line(line);
}

interface ServingOptions {
  readonly listen: string | undefined;
  readonly "tls-cert": string | undefined;
  readonly "tls-key": string | undefined;
  readonly "host-name": readonly string[];
}

/** The options of `run` as the daemon's program takes them. Throws USAGE for some without what they belong to. */
function servingWords(action: Action, options: ServingOptions): readonly string[] {
  const { listen, "tls-cert": cert, "tls-key": key, "host-name": names } = options;
  const given = [listen, cert, key, ...names].some((value) => value !== undefined);
  if (given && (action !== "run" || listen === undefined)) {
    throw new SmcError(
      "USAGE",
      "--tls-cert, --tls-key and --host-name go with 'smc daemon run --listen HOST:PORT'",
      {
        hint: 'see "smc help daemon"',
      },
    );
  }
  if ((cert === undefined) !== (key === undefined))
    throw new SmcError("USAGE", "--tls-cert and --tls-key go together");
  return [
    ...(listen === undefined ? [] : [`--listen=${listen}`]),
    ...(cert === undefined ? [] : [`--tls-cert=${cert}`]),
    ...(key === undefined ? [] : [`--tls-key=${key}`]),
    ...names.map((name) => `--host-name=${name}`),
  ];
}

function isAction(word: string): word is Action {
  return ACTIONS.some((action) => action === word);
}

export const command = defineCommand({
  usage: [
    "daemon start|stop|status|restart",
    "daemon logs [-n COUNT]",
    "daemon run [--listen HOST:PORT [--tls-cert FILE --tls-key FILE] [--host-name NAME]]",
  ],
  description: [
    "The daemon owns the store. Every verb starts it when none runs, and it leaves after 15 minutes without work.",
    "status ends with 1 when no daemon runs. run stays in the foreground.",
    "SIGHUP has it read its settings, hooks and certificate anew; SIGTERM ends it.",
    'run --listen answers other machines that have a token (see "smc help token"), and never leaves by itself.',
  ],
  positionals: [{ name: "action", summary: ACTIONS.join(", "), required: true, completes: ACTIONS }],
  foreground: true,
  options: {
    lines: {
      type: "integer",
      short: "n",
      value: "COUNT",
      min: 1,
      max: LINES_MAX,
      summary: "logs: how many lines (100)",
    },
    listen: {
      type: "string",
      value: "HOST:PORT",
      summary: "run: answer other machines there; any free port with 0",
    },
    "tls-cert": {
      type: "string",
      value: "FILE",
      summary: "run: certificate in PEM; needed for all but this machine's own addresses",
    },
    "tls-key": { type: "string", value: "FILE", summary: "run: its key in PEM" },
    "host-name": {
      type: "string",
      value: "NAME",
      multiple: true,
      summary: "run: a name that others call this machine by; may be given several times",
    },
  },
  examples: [
    ["smc daemon status", "does one run, and how is it?"],
    ["smc daemon restart", "after an update of smc"],
    ["smc daemon logs -n 20", "the last lines of its log"],
    ["smc daemon run --listen 127.0.0.1:7433", "a server for this machine"],
    ["smc daemon run --listen 192.168.1.5:7433 --tls-cert c.pem --tls-key k.pem", "a server for others"],
  ],
  run: async (context, { words, options }) => {
    const action = words[0] ?? "";
    if (!isAction(action)) {
      throw new SmcError("USAGE", `'smc daemon' does not know '${show(action, 40)}'`, {
        hint: `it knows ${ACTIONS.join(", ")}`,
      });
    }
    if (options.lines !== undefined && action !== "logs")
      throw new SmcError("USAGE", "--lines is for 'smc daemon logs'");
    const serving = servingWords(action, options);
    return act(context, action, { lines: options.lines ?? LINES_DEFAULT, serving });
  },
  print: (data, out) => {
    if (data.action === "logs") for (const line of data.lines) out.line(show(line));
    else if (data.action === "run") return;
    else if (!data.running) out.line(data.stopped ? "daemon stopped" : "no daemon runs");
    else if (data.action === "status") printStatus(data.daemon, out);
    else out.line(`daemon runs, pid ${data.daemon.pid}`);
  },
  quiet: (data) => {
    if (data.action === "logs") return data.lines;
    return "daemon" in data ? [String(data.daemon.pid)] : [];
  },
  exitCode: (data) => {
    if (data.action === "run") return data.exit;
    return data.action === "status" && !data.running ? 1 : 0;
  },
});

/** A daemon that serves a team, in a sandbox of its own, as `smc daemon run --listen` starts it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createSandbox, type Sandbox } from "./sandbox.ts";

const BIN = join(import.meta.dirname, "..", "..", "packages", "cli", "dist", "bin.js");

export interface ServerOptions {
  /** More words for `daemon run`. */
  readonly words?: readonly string[];
  /** 127.0.0.1 and a free port when left out. */
  readonly listen?: string;
}

export class TeamServer implements AsyncDisposable {
  /** The server's own account: its store, its command line. */
  readonly sandbox: Sandbox;
  /** Scheme, host and port. */
  url = "";
  #options: ServerOptions;
  #child: ChildProcess | undefined;
  /** What it has written: its log. */
  output = "";

  private constructor(sandbox: Sandbox, options: ServerOptions) {
    this.sandbox = sandbox;
    this.#options = options;
  }

  static async start(options: ServerOptions = {}): Promise<TeamServer> {
    const server = new TeamServer(await createSandbox({ init: false }), options);
    try {
      await server.run();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#daemonPid;
  }

  #daemonPid = 0;

  /** Starts the daemon, at the port that it had before. */
  async run(): Promise<void> {
    const listen = this.url === "" ? (this.#options.listen ?? "127.0.0.1:0") : new URL(this.url).host;
    const words = ["daemon", "run", "--listen", listen, ...(this.#options.words ?? [])];
    const child = spawn(process.execPath, [BIN, ...words], {
      cwd: this.sandbox.work,
      env: this.sandbox.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (part: Buffer) => (this.output += part.toString()));
    this.#child = child;
    const ended = once(child, "exit");
    for (;;) {
      const ran = await this.sandbox.smc(["daemon", "status", "--json"]);
      if (ran.code === 0) {
        const { daemon } = JSON.parse(ran.stdout) as { daemon: { pid: number; url: string | null } };
        this.#daemonPid = daemon.pid;
        this.url = daemon.url ?? "";
        if (this.url === "") throw new Error(`the daemon does not listen: ${this.output}`);
        return;
      }
      const left = await Promise.race([ended, new Promise((resolve) => setImmediate(resolve))]);
      if (left !== undefined) throw new Error(`the daemon left: ${this.output}`);
    }
  }

  /** Ends the daemon at once, as a crash would; it does not come back by itself. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = child.exitCode === null ? once(child, "exit") : undefined;
    process.kill(this.#daemonPid, "SIGKILL");
    await ended;
    this.#child = undefined;
  }

  /** A new token; its text. */
  async token(name: string, ...words: string[]): Promise<string> {
    return (await this.sandbox.ok("token", "create", name, "-q", ...words)).trim();
  }

  /** Where a repository of it is. */
  repository(name = "demo"): string {
    return `${this.url}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
    await this.sandbox[Symbol.asyncDispose]();
  }
}

/** Makes this user one that the server knows by the token. */
export async function logIn(sandbox: Sandbox, url: string, token: string, ...words: string[]): Promise<void> {
  const ran = await sandbox.smc(["login", url, ...words], { stdin: `${token}\n` });
  if (ran.code !== 0) throw new Error(`smc login ended with ${ran.code}\n${ran.stderr}`);
}

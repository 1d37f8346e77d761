/** What a report of a fault needs to say about this machine. Secrets are masked. */
import { readFile } from "node:fs/promises";
import { arch, cpus, platform, release, totalmem } from "node:os";
import type { Call } from "../call.ts";
import type { Store } from "../store.ts";
import { config, type ConfigRow } from "./config.ts";

export interface EnvOptions {
  /** Absolute path of where the user stands. */
  readonly folder?: string;
  /** The user's variables: those that smc reads are told, others are left out. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface EnvResult {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  readonly release: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly store: { readonly path: string; readonly id: string; readonly readOnlyReason: string | null };
  /** The process that owns the store. */
  readonly daemon: { readonly pid: number; readonly uptimeMs: number; readonly rssBytes: number };
  readonly environment: Readonly<Record<string, string>>;
  readonly config: readonly ConfigRow[];
}

const SECRET = /token|secret|password|passwd|key|credential/i;
const SHOWN = /^(SMC_[A-Z0-9_]+|NO_COLOR|TERM|LANG|LC_ALL|NODE_OPTIONS)$/;

/** Throws CONFIG_INVALID for a broken configuration file. */
export async function env(store: Store, options: EnvOptions, call: Call): Promise<EnvResult> {
  const { entries } = await config(store, { ...options, action: "list" }, call);
  const variables = Object.entries(options.environment ?? {}).filter(([name]) => SHOWN.test(name));
  return {
    version: await readVersion(),
    node: process.versions.node,
    platform: platform(),
    arch: arch(),
    release: release(),
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    store: { path: store.path, id: store.id, readOnlyReason: store.readOnlyReason ?? null },
    daemon: {
      pid: process.pid,
      uptimeMs: Math.round(process.uptime() * 1000),
      rssBytes: process.memoryUsage.rss(),
    },
    environment: Object.fromEntries(
      variables.map(([name, value]) => [name, SECRET.test(name) ? "********" : value]),
    ),
    config: entries,
  };
}

async function readVersion(): Promise<string> {
  const manifest: unknown = JSON.parse(
    await readFile(new URL("../../package.json", import.meta.url), "utf8"),
  );
  const found =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : "";
  return String(found);
}

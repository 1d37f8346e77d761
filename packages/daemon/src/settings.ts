/** The settings of the store that the daemon itself lives by. */
import { type OwnedStore, readConfig } from "@smc/store";
import type { ScrubSettings } from "./idle-scrub.ts";
import { isLogLevel, type LogLevel } from "./logger.ts";

const MINUTE_MS = 60_000;
const IDLE_MINUTES = 15;
const QUIET_MINUTES = 2;
const SCRUB: ScrubSettings = { mibPerSecond: 20, days: 30 };

export interface Settings {
  /** Without work after which the daemon leaves; 0: it stays. */
  readonly idleMs: number;
  /** Without work after which it does what is done in quiet times; 0: never. */
  readonly quietMs: number;
  readonly isRepacking: boolean;
  readonly scrub: ScrubSettings;
  readonly level: LogLevel;
}

export const DEFAULT_SETTINGS: Settings = {
  idleMs: IDLE_MINUTES * MINUTE_MS,
  quietMs: QUIET_MINUTES * MINUTE_MS,
  isRepacking: true,
  scrub: SCRUB,
  level: "info",
};

/** Throws CONFIG_INVALID. */
export async function readSettings(store: Pick<OwnedStore, "path">): Promise<Settings> {
  const { entries } = await readConfig({ storePath: store.path, environment: process.env });
  const number = (key: string, otherwise: number): number => Number(entries.get(key)?.value ?? otherwise);
  const level = entries.get("log.level")?.value;
  const quiet = number("repack.idleMinutes", QUIET_MINUTES);
  const scrub = {
    mibPerSecond: number("scrub.mibPerSecond", SCRUB.mibPerSecond),
    days: number("scrub.days", SCRUB.days),
  };
  return {
    idleMs: number("daemon.idleMinutes", IDLE_MINUTES) * MINUTE_MS,
    // Who wants no repack still wants to know of damage.
    quietMs: (quiet === 0 && scrub.days > 0 ? QUIET_MINUTES : quiet) * MINUTE_MS,
    isRepacking: quiet > 0,
    scrub,
    level: isLogLevel(level) ? level : "info",
  };
}

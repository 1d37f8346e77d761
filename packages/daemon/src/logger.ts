/**
 * The only place that makes loggers. JSON lines on standard error, which is `logs/daemon.log` of the store for a
 * daemon that was started by a command. error: we failed; warn: we worked around it; info: start, stop, something
 * changed; debug: the rest. The message is a constant phrase, values are fields.
 */
import { type Logger, pino } from "pino";

export type { Logger } from "pino";

export const LOG_LEVELS = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const STDERR = 2;
const SECRETS = [
  "authorization",
  "token",
  "*.authorization",
  "*.token",
  "headers.authorization",
  "headers.cookie",
];

export function createLogger(level: LogLevel = "info"): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS, censor: "[redacted]" },
    },
    pino.destination({ fd: STDERR, sync: true }),
  );
}

export function isLogLevel(text: unknown): text is LogLevel {
  return LOG_LEVELS.some((level) => level === text);
}

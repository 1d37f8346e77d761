export { type Daemon, type DaemonOptions, startDaemon } from "./run.ts";
export { createLogger, type Logger, type LogLevel } from "./logger.ts";

/**
 * Where a store's daemon is found: its folder `run/`, its socket, its record `daemon.json`.
 * Both ends use it; it only reads. What is written is written by `claim.ts`.
 */
import { createHash } from "node:crypto";
import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

/** What fits into `sun_path`; Node cuts a longer one without a word and listens elsewhere. */
export const SOCKET_PATH_BYTES_MAX = process.platform === "darwin" ? 103 : 107;
const RECORD_BYTES_MAX = 64 * 1024;

/** Content of `run/daemon.json`. */
export interface PresenceRecord {
  readonly pid: number;
  readonly socket: string;
  readonly version: string;
  readonly protocol: string;
  readonly storeId: string;
  /** Real path of the store: a record that came with a copied store names another. */
  readonly storePath: string;
  readonly startedMs: number;
}

export interface Presence {
  /** Real path of the store, which need not exist yet. */
  readonly storePath: string;
  readonly runFolder: string;
  readonly logFile: string;
  readonly recordFile: string;
  readonly startLock: string;
  /** Held by the process that owns the store. */
  readonly ownerLock: string;
  /** Path of the socket, or name of the pipe on Windows. */
  readonly socket: string;
  /** Folder of the socket; undefined for a pipe. */
  readonly socketFolder: string | undefined;
}

/** Names everything about the daemon of the store at `path`; `environment` is for tests. */
export function presenceOf(
  path: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Presence {
  if (path === "") throw new SmcError("ARGUMENT_INVALID", "the path of the store is empty");
  const storePath = realPath(resolve(path));
  const runFolder = join(storePath, "run");
  const socket = socketPath(storePath, runFolder, environment);
  return {
    storePath,
    runFolder,
    logFile: join(storePath, "logs", "daemon.log"),
    recordFile: join(runFolder, "daemon.json"),
    startLock: join(runFolder, "start.lock"),
    ownerLock: join(runFolder, "lock"),
    socket,
    socketFolder: process.platform === "win32" ? undefined : dirname(socket),
  };
}

/** Follows links of the part that exists, so that every spelling of a path names the same daemon. */
function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    const known = fromErrno(error, `cannot use the store '${show(path)}'`);
    if (!isSmcError(known, "PATH_NOT_FOUND") || dirname(path) === path) throw known;
    return join(realPath(dirname(path)), basename(path));
  }
}

function socketPath(
  storePath: string,
  runFolder: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const name = createHash("sha256").update(storePath).digest("hex").slice(0, 16);
  if (process.platform === "win32") return `\\\\.\\pipe\\smc-${name}`;
  const user = `smc-${process.getuid?.() ?? 0}`;
  const folders = [environment["XDG_RUNTIME_DIR"] ?? "", tmpdir(), "/tmp"].filter((folder) => folder !== "");
  const paths = [
    join(runFolder, "daemon.sock"),
    ...folders.map((folder) => join(resolve(folder), user, `${name}.sock`)),
  ];
  const fits = paths.find((path) => Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX);
  if (fits === undefined) {
    throw new SmcError("PATH_INVALID", `no path for the daemon's socket is short enough for this system`, {
      hint: "set XDG_RUNTIME_DIR to a folder with a short path",
    });
  }
  return fits;
}

/** The record of the daemon that has, or had, the store; undefined when there is none that speaks of this store. */
export function readRecord(presence: Presence): PresenceRecord | undefined {
  let value: unknown;
  try {
    const text = readFileSync(presence.recordFile, "utf8");
    if (text.length > RECORD_BYTES_MAX) return undefined;
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    const known = fromErrno(error, `cannot read '${show(presence.recordFile)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
  return isRecord(value) && value.storePath === presence.storePath ? value : undefined;
}

function isRecord(value: unknown): value is PresenceRecord {
  if (typeof value !== "object" || value === null) return false;
  const record: { [Key in keyof PresenceRecord]?: unknown } = value;
  const texts = [record.socket, record.version, record.protocol, record.storeId, record.storePath];
  return texts.every((text) => typeof text === "string") && Number.isSafeInteger(record.pid);
}

/**
 * Where to knock: the computed path, or, when that depends on the environment, what the daemon itself wrote down.
 * Undefined when no daemon can be there. Throws UNSAFE_OWNER, UNSAFE_PATH for a folder that others could have made.
 */
export function socketToKnock(presence: Presence): string | undefined {
  if (presence.socketFolder === undefined) return presence.socket;
  if (!isSafeFolder(presence.runFolder)) return undefined;
  const isOwn = presence.socketFolder === presence.runFolder;
  const socket = isOwn ? presence.socket : (readRecord(presence)?.socket ?? presence.socket);
  if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES_MAX) return undefined;
  return isOwn || isSafeFolder(dirname(socket)) ? socket : undefined;
}

/** False when absent. Throws UNSAFE_PATH when it is no real folder, UNSAFE_OWNER when it is not private to the user. */
export function isSafeFolder(path: string): boolean {
  let found;
  try {
    found = lstatSync(path);
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return false;
    throw known;
  }
  if (!found.isDirectory()) {
    throw new SmcError(
      "UNSAFE_PATH",
      `'${show(path)}' is not a folder; the daemon's socket is not put there`,
      {
        hint: "remove it, or set XDG_RUNTIME_DIR to a private folder",
      },
    );
  }
  const uid = process.getuid?.();
  if (uid !== undefined && (found.uid !== uid || (found.mode & 0o077) !== 0)) {
    const why = found.uid === uid ? "open to other users" : `owned by uid ${found.uid}`;
    throw new SmcError(
      "UNSAFE_OWNER",
      `the folder '${show(path)}' is ${why}; the daemon's socket is not used`,
      {
        hint: found.uid === uid ? `run "chmod 700 '${show(path)}'"` : "use a store of your own",
      },
    );
  }
  return true;
}

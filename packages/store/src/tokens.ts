/** Who may use this store over the network: `tokens.json`. It holds the SHA-256 of each token, never the token. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { Call } from "./call.ts";
import { nowMs } from "./clock.ts";
import { isSmcError, SmcError } from "./errors.ts";
import { replaceFile } from "./fs.ts";
import { suggest } from "./history/suggest.ts";
import { show } from "./show.ts";
import type { Store } from "./store.ts";
import { readSmall } from "./worktree/head.ts";
import { exclusively } from "./worktree/worktree.ts";

const VERSION = 1;
const FILE_BYTES_MAX = 1024 * 1024;
const TOKENS_MAX = 1000;
const ID_BYTES = 16;
const SECRET_BYTES = 32;
const PREFIX = "smc_";
const FOREIGN_SECRET = /^[\x21-\x7e]{20,512}$/;
const SECRET = /^smc_[A-Za-z0-9_-]{43}$/;
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;

/** What a token may do, from little to much. */
export const TOKEN_SCOPES = ["read", "push", "admin", "jobs"] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

export interface TokenRecord {
  /** 32 hex digits; stays when the token is rotated. */
  readonly id: string;
  readonly name: string;
  /** In the order of TOKEN_SCOPES. */
  readonly scopes: readonly TokenScope[];
  /** Of the token, in hex. */
  readonly sha256: string;
  readonly createdMs: number;
  /** Null: it does not expire. */
  readonly expiresMs: number | null;
}

/** A new token, told once. */
export interface NewToken {
  readonly record: TokenRecord;
  readonly secret: string;
}

/** The tokens of a store, in the order of their names. Throws STORE_CORRUPT, FORMAT_UNSUPPORTED. */
export async function readTokens(store: Pick<Store, "path">): Promise<readonly TokenRecord[]> {
  const path = pathOf(store);
  try {
    return parseTokens(await readSmall(path, FILE_BYTES_MAX), path);
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return [];
    throw error;
  }
}

interface SeenTokens {
  /** Of the file, before it was read. */
  readonly state: string;
  readonly records: readonly TokenRecord[];
}

/** Who asks a server is looked up for each request: the file is looked at each time, and read when it is another. */
const seen = new Map<string, SeenTokens>();
const STORES_MAX = 16;
/** A file that was written a moment ago may be written again without a difference in its times. */
const SETTLED_MS = 2000;

async function lookAtTokens(store: Pick<Store, "path">): Promise<readonly TokenRecord[]> {
  const path = pathOf(store);
  const state = await stateOf(path);
  const known = seen.get(path);
  if (state !== undefined && known?.state === state) return known.records;
  const records = await readTokens(store);
  seen.delete(path);
  if (state === undefined) return records;
  if (seen.size >= STORES_MAX) seen.clear();
  seen.set(path, { state, records });
  return records;
}

/** What is another one when the file is; undefined when that cannot be told, or it was written a moment ago. */
async function stateOf(path: string): Promise<string | undefined> {
  // What is wrong with it is told by who reads it.
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined) return undefined;
  const { dev, ino, mode, uid, size, mtimeNs, ctimeNs } = found;
  const changedMs = Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n);
  if (nowMs() - changedMs < SETTLED_MS) return undefined;
  return [dev, ino, mode, uid, size, mtimeNs, ctimeNs].join(" ");
}

/**
 * The token whose text this is, unless it expired. How long it takes tells nothing of the tokens there are. Throws as
 * `readTokens`.
 */
export async function findToken(
  store: Pick<Store, "path">,
  secret: string,
): Promise<TokenRecord | undefined> {
  const records = await lookAtTokens(store);
  const wanted = hashSecret(isTokenSecret(secret) ? secret : "");
  let found: TokenRecord | undefined;
  for (const record of records)
    if (timingSafeEqual(Buffer.from(record.sha256, "hex"), wanted)) found = record;
  return found === undefined || isExpired(found) ? undefined : found;
}

export function isExpired({ expiresMs }: Pick<TokenRecord, "expiresMs">): boolean {
  return expiresMs !== null && nowMs() >= expiresMs;
}

/**
 * Makes a token; durable when it returns. Throws ARGUMENT_INVALID, ALREADY_EXISTS, LIMIT_EXCEEDED and as `readTokens`.
 */
export async function createToken(
  store: Pick<Store, "path">,
  wanted: Pick<TokenRecord, "name" | "scopes" | "expiresMs">,
  call: Call,
): Promise<NewToken> {
  if (!NAME.test(wanted.name)) {
    throw new SmcError("ARGUMENT_INVALID", `'${show(wanted.name, 80)}' is not a name for a token`, {
      hint: "use letters, digits, '.', '_' and '-': laptop",
    });
  }
  return changeTokens(store, call, (records) => {
    if (records.some(({ name }) => sameName(name, wanted.name))) {
      throw new SmcError("ALREADY_EXISTS", `there is a token '${wanted.name}' already; it was not changed`, {
        hint: `a new secret for it: "smc token rotate ${wanted.name}"`,
        details: { token: wanted.name },
      });
    }
    if (records.length >= TOKENS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `a store has at most ${TOKENS_MAX} tokens`);
    const secret = newSecret();
    const { name, expiresMs } = wanted;
    const scopes = TOKEN_SCOPES.filter((scope) => wanted.scopes.includes(scope));
    const id = randomBytes(ID_BYTES).toString("hex");
    const sha256 = hashSecret(secret).toString("hex");
    const record = { id, name, scopes, sha256, createdMs: nowMs(), expiresMs };
    return { records: [...records, record], result: { record, secret } };
  });
}

/**
 * Gives a token another text, and another end when one is said; the old text is worth nothing when this returns. Throws
 * TOKEN_NOT_FOUND, ARGUMENT_INVALID for one that would have expired already, and as `readTokens`.
 */
export async function rotateToken(
  store: Pick<Store, "path">,
  { name, expiresMs }: { readonly name: string; readonly expiresMs: number | undefined },
  call: Call,
): Promise<NewToken> {
  return changeTokens(store, call, (records) => {
    const secret = newSecret();
    const known = requireToken(records, name);
    const sha256 = hashSecret(secret).toString("hex");
    const record = { ...known, sha256, expiresMs: expiresMs ?? known.expiresMs };
    if (isExpired(record))
      throw new SmcError(
        "ARGUMENT_INVALID",
        `a new token '${name}' would have expired; nothing was changed`,
        {
          hint: `say how long it is good for: "smc token rotate ${name} --expires 90d"`,
        },
      );
    const others = records.filter(({ id }) => id !== record.id);
    return { records: [...others, record], result: { record, secret } };
  });
}

/** Takes a token away; it is worth nothing when this returns. Throws TOKEN_NOT_FOUND and as `readTokens`. */
export async function revokeToken(
  store: Pick<Store, "path">,
  name: string,
  call: Call,
): Promise<TokenRecord> {
  return changeTokens(store, call, (records) => {
    const record = requireToken(records, name);
    return { records: records.filter(({ id }) => id !== record.id), result: record };
  });
}

function requireToken(records: readonly TokenRecord[], name: string): TokenRecord {
  const found = records.find((record) => record.name === name);
  if (found !== undefined) return found;
  const near = suggest(
    name,
    records.map((record) => record.name),
  );
  throw new SmcError("TOKEN_NOT_FOUND", `there is no token '${show(name, 80)}'; nothing was changed`, {
    ...(near.length === 0 ? {} : { hint: `did you mean: ${near.join(", ")}` }),
    details: { token: name, candidates: near },
  });
}

interface Change<T> {
  readonly records: readonly TokenRecord[];
  readonly result: T;
}

async function changeTokens<T>(
  store: Pick<Store, "path">,
  call: Call,
  edit: (records: readonly TokenRecord[]) => Change<T>,
): Promise<T> {
  const path = pathOf(store);
  return exclusively({ root: path }, call, async () => {
    const { records, result } = edit(await readTokens(store));
    const tokens = [...records].sort(compare);
    await replaceFile(path, `${JSON.stringify({ version: VERSION, tokens }, undefined, 2)}\n`, {
      mode: 0o600,
    });
    return result;
  });
}

/** True for what `createToken` could have made. */
export function isTokenSecret(text: string): boolean {
  return SECRET.test(text);
}

/** True for what a server that is none of smc could have made. */
export function isForeignToken(text: string): boolean {
  return FOREIGN_SECRET.test(text);
}

function newSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}`;
}

function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function pathOf(store: Pick<Store, "path">): string {
  return join(store.path, "tokens.json");
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function compare(a: TokenRecord, b: TokenRecord): number {
  return a.name < b.name ? -1 : a.name === b.name ? 0 : 1;
}

function parseTokens(bytes: Buffer, path: string): readonly TokenRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw damaged(path, "it is not JSON", error);
  }
  const { version, tokens } = (value ?? {}) as { version?: unknown; tokens?: unknown };
  if (typeof version !== "number") throw damaged(path, "it has no version");
  if (version !== VERSION) {
    const known = `this smc knows ${VERSION}`;
    throw new SmcError("FORMAT_UNSUPPORTED", `'${show(path)}' is of version ${version}; ${known}`);
  }
  if (!Array.isArray(tokens)) throw damaged(path, "it has no list of tokens");
  const records = tokens.map((item: unknown, position) => parseRecord(item, `token ${position + 1}`, path));
  for (const field of ["id", "name", "sha256"] as const) {
    const values = new Set(records.map((record) => record[field].toLowerCase()));
    if (values.size < records.length) throw damaged(path, `two tokens have the same ${field}`);
  }
  return records.sort(compare);
}

/** A field that is missing or not what it must be makes the whole file damaged: a guess would let somebody in. */
function parseRecord(item: unknown, where: string, path: string): TokenRecord {
  const fields = (item ?? {}) as Partial<Record<keyof TokenRecord, unknown>>;
  const { id, name, scopes, sha256, createdMs, expiresMs } = fields;
  if (typeof id !== "string" || !/^[0-9a-f]{32}$/.test(id)) throw damaged(path, `${where} has no id`);
  if (typeof name !== "string" || !NAME.test(name)) throw damaged(path, `${where} has no name`);
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))
    throw damaged(path, `${where} has no sha256`);
  if (!isTime(createdMs)) throw damaged(path, `${where} does not say when it was made`);
  if (expiresMs !== null && !isTime(expiresMs)) throw damaged(path, `${where} does not say when it expires`);
  const known = TOKEN_SCOPES.filter((scope) => Array.isArray(scopes) && scopes.includes(scope));
  if (!Array.isArray(scopes) || known.length !== scopes.length || known.length === 0)
    throw damaged(path, `${where} has other scopes than ${TOKEN_SCOPES.join(", ")}`);
  return { id, name, scopes: known, sha256, createdMs, expiresMs };
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function damaged(path: string, why: string, cause?: unknown): SmcError {
  return new SmcError("STORE_CORRUPT", `'${show(path)}' is damaged: ${why}; nobody is let in`, {
    hint: 'move it away and make the tokens anew with "smc token create"',
    cause,
  });
}

/**
 * Tokens for servers of smc: `credentials.json` of the store, which nobody else may read. Each is for one exact origin.
 */
import { join } from "node:path";
import { type Call, exclusively, isForeignToken, type OwnedStore, readPrivate } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { replaceFile } from "@smc/store/fs";
import { show } from "@smc/store/show";
import type { Credential } from "./http-connection.ts";
import { parseOrigin } from "./http-url.ts";

const VERSION = 1;
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const CA_BYTES_MAX = 256 * 1024;

type Place = Pick<OwnedStore, "path">;

/**
 * Undefined when nothing is kept for this origin. Throws UNSAFE_OWNER, UNSAFE_PATH, STORE_CORRUPT, FORMAT_UNSUPPORTED.
 */
export async function readCredential(store: Place, origin: string): Promise<Credential | undefined> {
  return (await readAll(pathOf(store))).get(origin);
}

/** Atomic and durable. Throws LIMIT_EXCEEDED for too many bytes, and as `readCredential`; then nothing is changed. */
export async function keepCredential(
  store: Place,
  { origin, credential }: { origin: string; credential: Credential },
  call: Call,
): Promise<void> {
  await change(store, call, (all) => all.set(origin, credential));
}

/** False when nothing was kept for this origin. Throws as `keepCredential`. */
export async function forgetCredential(store: Place, origin: string, call: Call): Promise<boolean> {
  let isThere = false;
  await change(store, call, (all) => {
    isThere = all.delete(origin);
  });
  return isThere;
}

async function change(store: Place, call: Call, edit: (all: Map<string, Credential>) => void): Promise<void> {
  const path = pathOf(store);
  await exclusively({ root: path }, call, async () => {
    const all = await readAll(path);
    edit(all);
    const origins = Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
    const text = `${JSON.stringify({ version: VERSION, origins }, undefined, 2)}\n`;
    if (Buffer.byteLength(text) > FILE_BYTES_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' would be larger than ${FILE_BYTES_MAX} bytes`);
    await replaceFile(path, text, { mode: 0o600 });
  });
}

function pathOf({ path }: Place): string {
  return join(path, "credentials.json");
}

async function readAll(path: string): Promise<Map<string, Credential>> {
  const hint = `make new tokens, take the old ones back, and run "chmod 600 '${show(path)}'"`;
  const text = await readPrivate(path, { bytesMax: FILE_BYTES_MAX, hint });
  if (text === undefined) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The error of the parser would repeat what stands there.
    throw damaged(path, "it is not JSON");
  }
  const { version, origins } = (value ?? {}) as { version?: unknown; origins?: unknown };
  if (typeof version !== "number") throw damaged(path, "it has no version");
  if (version !== VERSION)
    throw new SmcError(
      "FORMAT_UNSUPPORTED",
      `'${show(path)}' is of version ${version}; this smc knows ${VERSION}`,
    );
  if (typeof origins !== "object" || origins === null) throw damaged(path, "it has no origins");
  return new Map(Object.entries(origins).map(([origin, row]) => [origin, parseRow(path, origin, row)]));
}

function parseRow(path: string, origin: string, row: unknown): Credential {
  const { token, caPem } = (row ?? {}) as Partial<Record<keyof Credential, unknown>>;
  if (!isOrigin(origin)) throw damaged(path, "one of its origins is none");
  if (typeof token !== "string" || !isForeignToken(token))
    throw damaged(path, `the token for ${origin} is none`);
  if (caPem === undefined) return { token };
  if (typeof caPem !== "string" || caPem.length > CA_BYTES_MAX)
    throw damaged(path, `the authority for ${origin} is none`);
  return { token, caPem };
}

function isOrigin(text: string): boolean {
  try {
    return parseOrigin(text) === text;
  } catch (error) {
    if (isSmcError(error, "URL_INVALID")) return false;
    throw error;
  }
}

function damaged(path: string, why: string): SmcError {
  return new SmcError("STORE_CORRUPT", `'${show(path)}' is damaged: ${why}; nothing was changed`, {
    hint: 'move it away and keep the tokens anew with "smc login"',
  });
}

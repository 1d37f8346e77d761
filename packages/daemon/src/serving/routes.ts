/**
 * What a server answers to: one row a request of docs/design/protocol.md, each one call of the repository behind it.
 */
import type { ServerResponse } from "node:http";
import {
  assertRepositoryName,
  breathe,
  type ByteRange,
  type Call,
  type Digest,
  encodePackIndex,
  INCOMING_PACK_BYTES_MAX,
  isDigest,
  type OwnedStore,
  type PushRules,
  type RemoteRow,
  ServedRepository,
  type TokenRecord,
  type TokenScope,
} from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { answerVerb, type Failure, writeAll } from "../answer.ts";
import { parseJson } from "../json.ts";
import type { Logger } from "../logger.ts";
import { VERSION } from "../protocol.ts";
import { assertValid } from "../validate.ts";
import { bodyOf, type Incoming, lengthOf, readDigests, readWhole } from "./body.ts";
import type { ServingLimits } from "./limits.ts";
import { ANSWER_HEADERS, sendJson } from "./refusal.ts";
import { READ_RULES, readRules } from "./rules.ts";
import type { Shares } from "./shares.ts";
import { type Update, UPDATE } from "./update-schema.ts";
import { BYTES_TYPE, LOCATE_DIGESTS_MAX, MISSING_DIGESTS_MAX, UPDATE_BYTES_MAX } from "./wire.ts";

/** One request that was let in. */
export interface Exchange extends Incoming {
  readonly store: OwnedStore;
  readonly logger: Logger;
  readonly limits: ServingLimits;
  readonly shares: Shares;
  readonly caller: TokenRecord;
  readonly params: { readonly repository?: string; readonly pack?: string };
  /** Aborted when the caller goes away, and when the daemon has to leave. */
  readonly controller: AbortController;
  readonly describe: (error: unknown) => Failure;
}

export interface Route {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly path: string;
  /** What the token must be good for; undefined is for every token. */
  readonly scope: TokenScope | undefined;
  readonly body: "none" | "bytes" | "json";
  /** Writes the whole answer, or throws before it began. */
  readonly answer: (exchange: Exchange) => Promise<void>;
}

/** Packs are repacked beside requests, but not often. */
const LOCATE_ATTEMPTS = 3;
const AT = "/v1/repositories/:repository";
const PACK = `${AT}/packs/:pack`;

export const ROUTES: readonly Route[] = [
  { method: "GET", path: "/v1/token", scope: undefined, body: "none", answer: tellToken },
  { method: "GET", path: `${AT}/refs`, scope: "read", body: "none", answer: tellRefs },
  { method: "POST", path: `${AT}/missing`, scope: "read", body: "bytes", answer: tellMissing },
  { method: "POST", path: `${AT}/locate`, scope: "read", body: "bytes", answer: tellWhere },
  { method: "GET", path: PACK, scope: "read", body: "none", answer: sendPack },
  { method: "HEAD", path: PACK, scope: "read", body: "none", answer: tellPack },
  { method: "PUT", path: PACK, scope: "push", body: "bytes", answer: takePack },
  { method: "POST", path: `${AT}/update`, scope: "push", body: "json", answer: moveRefs },
];

function callOf({ controller }: Exchange): Call {
  return { signal: controller.signal, onProgress: () => undefined };
}

/** The repository as this caller sees it. Throws REPOSITORY_NAME_INVALID. */
function openServed({ store, caller, params }: Exchange, rules: PushRules): ServedRepository {
  const { repository = "" } = params;
  assertRepositoryName(repository);
  return new ServedRepository({ store, repository, client: caller.id, actor: actorOf(caller), rules });
}

/** Names of tokens are made of characters that may stand in both places. */
function actorOf({ name }: TokenRecord): string {
  return `${name} <${name}@server>`;
}

/** The form of the protocol only: what else names digests is for people. Throws DIGEST_INVALID. */
function packOf({ params }: Exchange): Digest {
  const { pack = "" } = params;
  if (isDigest(pack)) return pack;
  throw new SmcError("DIGEST_INVALID", `'${show(pack, 100)}' is not the name of a pack`, {
    hint: "a digest is 64 lower-case hex digits",
  });
}

async function tellToken({ response, caller, store }: Exchange): Promise<void> {
  const { name, scopes, expiresMs } = caller;
  sendJson(response, 200, {
    body: { result: { name, scopes, expiresMs, version: VERSION, storeId: store.id } },
  });
}

async function tellRefs(exchange: Exchange): Promise<void> {
  await using served = openServed(exchange, READ_RULES);
  const refs = await served.refs(callOf(exchange));
  sendJson(exchange.response, 200, {
    body: { result: { refs: refs.map(({ name, digest }) => [name, digest]) } },
  });
}

async function tellMissing(exchange: Exchange): Promise<void> {
  await using served = openServed(exchange, READ_RULES);
  const digests = await readDigests(exchange, MISSING_DIGESTS_MAX);
  const missing = await served.missing(digests, callOf(exchange));
  const bits = Buffer.alloc(Math.ceil(digests.length / 8));
  for (const [index, isMissing] of missing.entries())
    if (isMissing !== 0) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  await sendBytes(exchange, [bits]);
}

async function tellWhere(exchange: Exchange): Promise<void> {
  await using served = openServed(exchange, READ_RULES);
  const digests = await readDigests(exchange, LOCATE_DIGESTS_MAX);
  const call = callOf(exchange);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await sendBytes(exchange, await indexesOf(served, digests, call));
    } catch (error) {
      // A pack that was repacked meanwhile: its records are elsewhere by now.
      if (attempt === LOCATE_ATTEMPTS || !isSmcError(error, "REMOTE_INCOMPLETE")) throw error;
    }
  }
}

/**
 * Length and index of each pack that has some of these records. Throws REMOTE_INCOMPLETE for one that is gone since.
 */
async function indexesOf(
  served: ServedRepository,
  digests: readonly Digest[],
  call: Call,
): Promise<readonly Uint8Array[]> {
  const byPack = new Map<Digest, RemoteRow[]>();
  for (const row of await served.locate(digests, call)) {
    const rows = byPack.get(row.pack) ?? [];
    rows.push(row);
    byPack.set(row.pack, rows);
  }
  const frames: Uint8Array[] = [];
  for (const [name, rows] of byPack) {
    const index = encodePackIndex({ name, sizeBytes: await served.packBytes(name, call), rows });
    const length = Buffer.alloc(4);
    length.writeUInt32LE(index.length);
    frames.push(length, index);
    await breathe();
  }
  return frames;
}

async function sendBytes(
  { response, limits }: Pick<Exchange, "response" | "limits">,
  parts: readonly Uint8Array[],
): Promise<void> {
  response.writeHead(200, {
    ...ANSWER_HEADERS,
    "content-type": BYTES_TYPE,
    "content-length": parts.reduce((sum, part) => sum + part.length, 0),
  });
  for (const part of parts) await writeAll(response, part, limits.stalledMs);
  response.end();
}

/** Size of the pack that was asked for. Throws OBJECT_NOT_FOUND. */
async function sizeOf(served: ServedRepository, pack: Digest, call: Call): Promise<number> {
  const sizeBytes = await served.statPack(pack, call);
  if (sizeBytes !== undefined) return sizeBytes;
  throw new SmcError("OBJECT_NOT_FOUND", `this repository has no pack ${pack}`, { details: { pack } });
}

async function tellPack(exchange: Exchange): Promise<void> {
  await using served = openServed(exchange, READ_RULES);
  const sizeBytes = await sizeOf(served, packOf(exchange), callOf(exchange));
  head(exchange.response, 200, { sizeBytes });
  exchange.response.end();
}

async function sendPack(exchange: Exchange): Promise<void> {
  await using served = openServed(exchange, READ_RULES);
  const { request, response, limits } = exchange;
  const call = callOf(exchange);
  const pack = packOf(exchange);
  const sizeBytes = await sizeOf(served, pack, call);
  const asked = parseRange(request.headers.range);
  const range = asked === undefined ? { from: 0, to: sizeBytes } : within(asked, sizeBytes);
  if (range === undefined) {
    const error = new SmcError(
      "REQUEST_INVALID",
      `the pack has ${sizeBytes} bytes and none of those asked for`,
    );
    const headers = { "content-range": `bytes */${sizeBytes}` };
    return sendJson(response, 416, { body: { error: error.toJSON() }, headers });
  }
  const bytes = served.readPack(pack, range, call)[Symbol.asyncIterator]();
  try {
    // The first piece before the head: what cannot be read at all still gets an answer of its own.
    let part = await bytes.next();
    const { from, to } = range;
    if (asked === undefined) head(response, 200, { sizeBytes });
    else head(response, 206, { sizeBytes: to - from, range: `bytes ${from}-${to - 1}/${sizeBytes}` });
    for (; part.done !== true; part = await bytes.next())
      await writeAll(response, part.value, limits.stalledMs);
    response.end();
  } finally {
    await bytes.return?.();
  }
}

function head(
  response: ServerResponse,
  status: number,
  { sizeBytes, range }: { readonly sizeBytes: number; readonly range?: string },
): void {
  response.writeHead(status, {
    ...ANSWER_HEADERS,
    "content-type": BYTES_TYPE,
    "content-length": sizeBytes,
    "accept-ranges": "bytes",
    ...(range === undefined ? {} : { "content-range": range }),
  });
}

const RANGE = /^bytes=(\d{1,15})-(\d{1,15})?$/;

/** Throws REQUEST_INVALID for several ranges, and for one that counts from the end. */
function parseRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined) return undefined;
  const [, first = "", last] = RANGE.exec(header) ?? [];
  const range = { from: Number(first), to: last === undefined ? Number.MAX_SAFE_INTEGER : Number(last) + 1 };
  if (first !== "" && range.from < range.to) return range;
  throw new SmcError("REQUEST_INVALID", `'${show(header, 80)}' is no range that this server takes`, {
    hint: "send one: bytes=0-1023",
  });
}

/** What of the range is there; undefined when nothing is. */
function within({ from, to }: ByteRange, sizeBytes: number): ByteRange | undefined {
  return from < sizeBytes ? { from, to: Math.min(to, sizeBytes) } : undefined;
}

async function takePack(exchange: Exchange): Promise<void> {
  const { request, response, store, caller, logger } = exchange;
  const name = packOf(exchange);
  const sizeBytes = lengthOf(request, INCOMING_PACK_BYTES_MAX);
  await using served = openServed(exchange, await readRules(store, caller));
  using _ = exchange.shares.upload(caller.id);
  const isNew = await served.receivePack({ name, sizeBytes, body: bodyOf(exchange) }, callOf(exchange));
  logger.debug(
    { by: caller.name, repository: exchange.params.repository, pack: name, sizeBytes, isNew },
    "pack taken",
  );
  // Whoever waits to be asked for a body that is not wanted sends none, and nothing can come behind it.
  const isLast = exchange.isExpecting && !request.complete;
  sendJson(response, isNew ? 201 : 200, { body: { result: { pack: name } }, isLast });
}

async function moveRefs(exchange: Exchange): Promise<void> {
  const { response, controller, store, caller, logger, limits, describe } = exchange;
  const body = parseJson(await readWhole(exchange, UPDATE_BYTES_MAX));
  assertValid(UPDATE, body);
  const { changes, reason } = body as Update;
  await using served = openServed(exchange, await readRules(store, caller));
  const failure = await answerVerb(response, {
    controller,
    beatMs: limits.beatMs,
    headers: ANSWER_HEADERS,
    describe,
    run: async (call) => {
      // Who it was is what the token says, whatever the caller writes.
      await served.update(changes, { ...reason, actor: actorOf(caller) }, call);
      return {};
    },
  });
  const fields = { by: caller.name, repository: exchange.params.repository, refs: changes.length };
  logger.info({ ...fields, code: failure?.json.code }, "push done");
}

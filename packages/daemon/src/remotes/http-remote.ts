/** A repository of a server of smc: the routes of docs/design/protocol.md, and doubt in everything that comes back. */
import { setMaxListeners } from "node:events";
import type { Readable } from "node:stream";
import {
  assertRemoteRow,
  type ByteRange,
  type Call,
  decodePackIndex,
  type Digest,
  isDigest,
  PACK_INDEX_BYTES_MAX,
  type PackFile,
  type RefChange,
  type RefReason,
  type Remote,
  type RemoteRef,
  type RemoteRow,
} from "@smc/store";
import { assert, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { IdleError } from "./attempt.ts";
import { bodyStream } from "./body-stream.ts";
import { readFrames, readResult, readWhole } from "./http-body.ts";
import { type Credential, HttpConnection, type HttpRequest } from "./http-connection.ts";
import { type HttpTrouble, nonsense, troubleOfRequest } from "./http-trouble.ts";
import { updateOverHttp } from "./http-update.ts";
import type { HttpUrl } from "./http-url.ts";
import { readOnce } from "./read-once.ts";
import { backOff, type Limits } from "./retry.ts";
import { stopped, throwIfStopped } from "./stopped.ts";

const REFS_BYTES_MAX = 256 * 1024 * 1024;
const REFS_MAX = 1_000_000;
const MISSING_MAX = 65_536;
const LOCATE_MAX = 4096;
/** Of the answer to one question where records are. */
const LOCATE_BYTES_MAX = 256 * 1024 * 1024;
/** Of this many bytes we ask whether they are there before we send them. */
const LOOK_FIRST_BYTES = 1024 * 1024;
const SMALL_BYTES_MAX = 64 * 1024;
const JSON_TYPE = "application/json";
const BYTES_TYPE = "application/octet-stream";

export interface HttpRemoteOptions {
  readonly url: HttpUrl;
  readonly credential: Credential;
  readonly limits?: Partial<Limits>;
}

export class HttpRemote implements Remote {
  readonly url: string;
  readonly verifiesPacks = true;
  readonly #connection: HttpConnection;
  readonly #path: string;
  /** Sizes of packs, as the server told them. */
  readonly #packs = new Map<Digest, number>();

  /** Goes nowhere yet. */
  constructor({ url, credential, limits }: HttpRemoteOptions) {
    this.url = url.url;
    this.#connection = new HttpConnection(url, credential, limits);
    this.#path = `/v1/repositories/${encodeURIComponent(url.repository)}`;
  }

  async refs(call: Call): Promise<readonly RemoteRef[]> {
    const request = this.#get({ path: "/refs", type: JSON_TYPE, phase: "read the refs" });
    return this.#connection.ask(request, call, async (answer) =>
      parseRefs(await readResult(answer, REFS_BYTES_MAX)),
    );
  }

  async missing(digests: readonly Digest[], call: Call): Promise<Uint8Array> {
    const lacks = new Uint8Array(digests.length);
    for (let at = 0; at < digests.length; at += MISSING_MAX) {
      const batch = digests.slice(at, at + MISSING_MAX);
      const request = this.#post("/missing", batch, "ask what is missing");
      const bitsBytes = Math.ceil(batch.length / 8);
      const bits = await this.#connection.ask(request, call, async (answer) => {
        const bytes = await readWhole(answer, bitsBytes);
        if (bytes.length === bitsBytes) return bytes;
        throw nonsense(`${bytes.length} bytes came for ${batch.length} digests instead of ${bitsBytes}`);
      });
      for (const index of batch.keys()) lacks[at + index] = ((bits[index >> 3] ?? 0) >> (index & 7)) & 1;
    }
    return lacks;
  }

  async putPack(pack: PackFile, call: Call): Promise<void> {
    const { name, path, sizeBytes, onSent } = pack;
    if (sizeBytes > LOOK_FIRST_BYTES && (await this.statPack(name, call)) !== undefined) return;
    const request: HttpRequest = {
      method: "PUT",
      path: this.#packPath(name),
      headers: {
        "content-type": BYTES_TYPE,
        "content-length": String(sizeBytes),
      },
      body: (now) => bodyStream(wholeFile({ path, name, sizeBytes }, call), now, onSent),
      statuses: [200, 201],
      phase: `store pack ${name}`,
    };
    await this.#connection.ask(request, call, (answer) => readWhole(answer, SMALL_BYTES_MAX));
  }

  async update(changes: readonly RefChange[], reason: RefReason, call: Call): Promise<void> {
    const path = `${this.#path}/update`;
    const refs = (call: Call): Promise<readonly RemoteRef[]> => this.refs(call);
    await updateOverHttp({ connection: this.#connection, path, changes, reason, refs }, call);
  }

  /** With what was asked for comes everything in its pack that is no chunk. */
  async locate(digests: readonly Digest[], call: Call): Promise<readonly RemoteRow[]> {
    const rows = new Map<Digest, RemoteRow>();
    for (let at = 0; at < digests.length; at += LOCATE_MAX) {
      const batch = digests.slice(at, at + LOCATE_MAX);
      const wanted = new Set(batch);
      const request = this.#post("/locate", batch, "ask where records are");
      const limits = { frameMax: PACK_INDEX_BYTES_MAX, totalMax: LOCATE_BYTES_MAX };
      await this.#connection.ask(request, call, async (answer) => {
        for await (const frame of readFrames(answer, limits)) {
          for (const row of this.#readIndex(frame)) {
            const isWanted = wanted.has(row.digest) || (row.blob !== undefined && wanted.has(row.blob));
            if ((isWanted || row.kind !== "chunk") && !rows.has(row.digest)) rows.set(row.digest, row);
          }
        }
      });
    }
    return [...rows.values()];
  }

  async packBytes(pack: Digest, call: Call): Promise<number> {
    const sizeBytes = this.#packs.get(pack) ?? (await this.statPack(pack, call));
    if (sizeBytes === undefined) throw this.#lacks(pack);
    return sizeBytes;
  }

  async statPack(pack: Digest, call: Call): Promise<number | undefined> {
    const phase = `look at pack ${pack}`;
    const request: HttpRequest = { method: "HEAD", path: this.#packPath(pack), statuses: [200, 404], phase };
    return this.#connection.ask(request, call, async ({ status, headers }) => {
      if (status === 404) return undefined;
      const length = headers["content-length"] ?? "";
      const sizeBytes = Number(length);
      if (/^\d+$/.test(length) && Number.isSafeInteger(sizeBytes)) return sizeBytes;
      throw nonsense("the answer does not tell its size", status);
    });
  }

  async *readPack(pack: Digest, { from, to }: ByteRange, call: Call): AsyncGenerator<Uint8Array> {
    assert(from >= 0 && to >= from, "a range begins before it ends");
    const { limits } = this.#connection;
    const phase = `read pack ${pack}`;
    let at = from;
    for (let retry = 0; at < to; retry++) {
      let trouble: HttpTrouble;
      try {
        for await (const piece of this.#range(pack, { from: at, to }, call)) {
          at += piece.length;
          if (at > to) throw nonsense(`more than the ${to - from} bytes came that were asked for`);
          yield piece;
        }
        if (at === to) return;
        throw nonsense(`${at - from} of ${to - from} bytes came`);
      } catch (error) {
        if (isSmcError(error)) throw error;
        trouble = troubleOfRequest(error);
      }
      if (trouble.status === 404) throw this.#lacks(pack);
      if (!trouble.isShort || retry >= limits.retriesMax) throw this.#connection.tell(phase, trouble);
      await backOff({ call, limits, retry }, trouble.retryAfterMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  /** One answer to one request; ends early when it is not whole. */
  async *#range(pack: Digest, { from, to }: ByteRange, call: Call): AsyncGenerator<Uint8Array> {
    const headers = { range: `bytes=${from}-${to - 1}` };
    const phase = `read pack ${pack}`;
    const path = this.#packPath(pack);
    const request: HttpRequest = { method: "GET", path, headers, type: BYTES_TYPE, statuses: [206], phase };
    const { stream, headers: found } = await this.#connection.open(request, call);
    try {
      const wrong = wrongRange(found, { from, to }, this.#packs.get(pack));
      if (wrong !== undefined) throw nonsense(wrong, 206);
      yield* unlessIdle(stream, { call, idleMs: this.#connection.limits.idleMs });
    } finally {
      stream.destroy();
    }
  }

  #readIndex(frame: Buffer): readonly RemoteRow[] {
    let index;
    try {
      index = decodePackIndex(frame);
      for (const row of index.rows) {
        assertRemoteRow(row);
        if (row.offset + row.storedBytes > index.sizeBytes)
          throw new SmcError("REMOTE_FAILED", `${row.digest} would end behind the end of its pack`);
      }
    } catch (error) {
      if (!isSmcError(error)) throw error;
      throw nonsense(`what it says of a pack cannot be true: ${show(error.message, 200)}`);
    }
    const known = this.#packs.get(index.name);
    if (known !== undefined && known !== index.sizeBytes)
      throw nonsense(`pack ${index.name} has ${index.sizeBytes} bytes, and had ${known}`);
    this.#packs.set(index.name, index.sizeBytes);
    return index.rows;
  }

  #get({ path, type, phase }: { path: string; type: string; phase: string }): HttpRequest {
    return { method: "GET", path: `${this.#path}${path}`, type, statuses: [200], phase };
  }

  #post(path: string, digests: readonly Digest[], phase: string): HttpRequest {
    const body = Buffer.from(digests.join(""), "hex");
    const headers = { "content-type": BYTES_TYPE };
    return {
      method: "POST",
      path: `${this.#path}${path}`,
      headers,
      body,
      type: BYTES_TYPE,
      statuses: [200],
      phase,
    };
  }

  #packPath(pack: Digest): string {
    return `${this.#path}/packs/${pack}`;
  }

  #lacks(pack: Digest): SmcError {
    return new SmcError("REMOTE_INCOMPLETE", `${this.url} lacks pack ${pack}; no ref was moved`, {
      details: { pack },
    });
  }
}

/** All refs, in the byte order of their names; whoever takes them over checks the names. */
function parseRefs({ refs: listed }: Readonly<Record<string, unknown>>): RemoteRef[] {
  if (!Array.isArray(listed)) throw nonsense("the answer has no list of refs");
  if (listed.length > REFS_MAX) throw nonsense(`the answer has more than ${REFS_MAX} refs`);
  const refs = listed.map((item: unknown): RemoteRef => {
    const [name, digest] = (Array.isArray(item) ? item : []) as readonly unknown[];
    if (typeof name !== "string" || typeof digest !== "string" || !isDigest(digest))
      throw nonsense("the answer has a ref that is not a name and a digest");
    return { name, digest };
  });
  refs.sort((a, b) => compareBytes(a.name, b.name));
  const twice = refs.find(({ name }, index) => refs[index - 1]?.name === name);
  if (twice !== undefined) throw nonsense(`ref '${show(twice.name, 200)}' is there twice`);
  return refs;
}

/** Most names are ASCII, where the order of code units is that of bytes. */
function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  if (/^[\0-\x7f]*$/.test(a + b)) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * The bytes of a stream. Throws CANCELED, an IdleError when none came for so long, and what the stream ends with. One
 * timer for all pieces: there are ten thousands of them, and who takes long with one is not the server.
 */
async function* unlessIdle(
  stream: Readable,
  { call, idleMs }: { call: Call; idleMs: number },
): AsyncGenerator<Uint8Array> {
  throwIfStopped(call);
  let isWaiting = true;
  let why: unknown;
  const end = (error: unknown): void => {
    why ??= error;
    stream.destroy();
  };
  const timer = setTimeout(() => {
    if (isWaiting) end(new IdleError(idleMs));
  }, idleMs);
  const onAbort = (): void => end(stopped());
  setMaxListeners(0, call.signal);
  call.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const pieces: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
    for (;;) {
      isWaiting = true;
      timer.refresh();
      const next = await pieces.next();
      isWaiting = false;
      throwIfStopped(call);
      if (next.done === true) break;
      yield next.value;
    }
  } catch (error) {
    throw why ?? error;
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", onAbort);
  }
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Why an answer is not the range that was asked for, or undefined. */
function wrongRange(
  headers: Headers,
  { from, to }: ByteRange,
  packBytes: number | undefined,
): string | undefined {
  const range = headers["content-range"]?.toString() ?? "";
  const length = headers["content-length"]?.toString();
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
  if (first !== String(from) || last !== String(to - 1))
    return `bytes ${from} to ${to - 1} were asked for, '${show(range, 60)}' came`;
  if (packBytes !== undefined && total !== "*" && total !== String(packBytes))
    return `the pack has ${show(total ?? "", 20)} bytes, and had ${packBytes}`;
  if (length === undefined || length === String(to - from)) return undefined;
  return `${show(length, 20)} bytes come instead of ${to - from}`;
}

/** The server verifies what is in it; here only its length is looked at. Throws PACK_CORRUPT for another one. */
async function* wholeFile(
  { path, name, sizeBytes }: Pick<PackFile, "path" | "name" | "sizeBytes">,
  call: Call,
): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const piece of readOnce(path, call)) {
    sent += piece.length;
    if (sent > sizeBytes) break;
    yield piece;
  }
  if (sent !== sizeBytes) throw new SmcError("PACK_CORRUPT", `pack ${name} changed on its way`);
}

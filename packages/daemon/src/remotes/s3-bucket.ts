/** A bucket of S3, or of a server that speaks as S3 does. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import type { Call } from "@smc/store";
import { assert, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { attempt, type Attempt } from "./attempt.ts";
import type { Bucket, BucketAbilities, BucketBody, BucketEntry, StaleUploads } from "./bucket.ts";
import { bodyStream } from "./body-stream.ts";
import { bodyBytes, bodySha256, bytePieces, onSentOf, readBody } from "./bucket-body.ts";
import { assertBucketKey, assertBucketPrefix, isBucketKey } from "./bucket-key.ts";
import type { S3Url } from "./bucket-url.ts";
import { assertOutsideHost, NO_HOSTS, type PrivateHosts } from "./outside-addresses.ts";
import { probeBucket } from "./probe.ts";
import { backOff, type Limits, LIMITS } from "./retry.ts";
import { CLAIM, claimBytes, createClient, Heard, loadSdk, type Sdk } from "./s3-client.ts";
import { type InParts, isGoneUpload, PART_LIMITS, type PartLimits, putInParts } from "./s3-multipart.ts";
import { dropUploads, type Uploads } from "./s3-uploads.ts";
import { isWrongChecksum, type Trouble, troubleOf } from "./s3-trouble.ts";
import { throwIfStopped } from "./stopped.ts";

/**
 * Of this many bytes we ask whether they are there before we send them; some servers break the connection to
 * say so.
 */
const LOOK_FIRST_BYTES = 1024 * 1024;
/** Of one list; a page has 1000 keys at most. */
const PAGES_MAX = 100_000;

/** What is being done with which key, for messages. */
interface Step {
  readonly phase: "store" | "look at" | "read" | "list" | "remove";
  readonly key: string;
}

export interface S3Options {
  readonly limits?: Partial<Limits>;
  readonly parts?: Partial<PartLimits>;
  /** Hosts that may be asked although machines are told their keys there; none when left out. */
  readonly metadataHosts?: PrivateHosts;
}

type Range = { readonly from: number; readonly to: number };

export class S3Bucket implements Bucket {
  readonly url: string;
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #at: S3Url;
  readonly #limits: Limits;
  readonly #parts: PartLimits;
  readonly #heard = new Heard();
  #isSeen = false;

  private constructor(options: { sdk: Sdk; client: S3Client; at: S3Url; limits: Limits; parts: PartLimits }) {
    this.url = options.at.url;
    this.#sdk = options.sdk;
    this.#client = options.client;
    this.#at = options.at;
    this.#limits = options.limits;
    this.#parts = options.parts;
    this.#heard.watch(options.client);
  }

  /** Asks nobody yet. Throws URL_INVALID for an endpoint that may not be asked. */
  static async open(at: S3Url, options: S3Options = {}): Promise<S3Bucket> {
    const { metadataHosts = NO_HOSTS } = options;
    if (at.endpoint !== undefined) assertOutsideHost(new URL(at.endpoint), metadataHosts);
    const sdk = await loadSdk();
    const limits = { ...LIMITS, ...options.limits };
    const client = createClient(sdk, { url: at, limits, metadataHosts });
    return new S3Bucket({ sdk, client, at, limits, parts: { ...PART_LIMITS, ...options.parts } });
  }

  async create(key: string, body: BucketBody, call: Call): Promise<boolean> {
    assertBucketKey(key);
    throwIfStopped(call);
    const sizeBytes = bodyBytes(body);
    const { objectBytesMax, wholeBytesMax } = this.#parts;
    if (sizeBytes > objectBytesMax) {
      throw new SmcError("LIMIT_EXCEEDED", `'${key}' has ${sizeBytes} bytes; S3 takes ${objectBytesMax}`);
    }
    if (sizeBytes > LOOK_FIRST_BYTES && (await this.stat(key, call)) !== undefined) return false;
    const sha256 = bodySha256(body);
    const step: Step = { phase: "store", key };
    let wasLost = false;
    const onShort = (): void => {
      wasLost = true;
    };
    try {
      if (sizeBytes > wholeBytesMax) {
        const { bucket } = this.#at;
        const place = { Bucket: bucket, Key: this.#full(key) };
        const send: InParts["send"] = (run) => this.#send(step, call, run, onShort);
        const [sdk, client, limits] = [this.#sdk, this.#client, this.#parts];
        await putInParts({ sdk, client, limits, place, body, sha256, send }, call);
      } else {
        const put = (now: Attempt) => this.#put({ key, body, sha256 }, call, now);
        const answer = await this.#send(step, call, put, onShort);
        if (answer.ETag === undefined) throw this.#failed(step, "the answer is none of S3");
      }
    } catch (error) {
      const isThere = isSmcError(error) && (error.details.status === 412 || isGoneUpload(error));
      if (!isThere) throw error;
      return wasLost && (await this.#isSame({ key, sizeBytes, sha256 }, call));
    }
    const there = await this.stat(key, call);
    if (there?.sizeBytes === sizeBytes) return true;
    const found =
      there === undefined ? "it is not there" : `it has ${there.sizeBytes} bytes instead of ${sizeBytes}`;
    throw this.#failed(step, `the server says that it stored it, but ${found}`);
  }

  async stat(key: string, call: Call): Promise<BucketEntry | undefined> {
    assertBucketKey(key);
    const step: Step = { phase: "look at", key };
    try {
      const command = { Bucket: this.#at.bucket, Key: this.#full(key) };
      const answer = await this.#send(step, call, ({ signal }) =>
        this.#client.send(new this.#sdk.HeadObjectCommand(command), { abortSignal: signal }),
      );
      const { ContentLength: sizeBytes, LastModified: modified, ETag: etag } = answer;
      if (sizeBytes === undefined || modified === undefined || etag === undefined) {
        throw this.#failed(step, "the answer is none of S3");
      }
      this.#isSeen = true;
      return { key, sizeBytes, modifiedMs: modified.getTime() };
    } catch (error) {
      if (!isSmcError(error, "REMOTE_NOT_FOUND")) throw error;
      await this.#assertBucket(call);
      return undefined;
    }
  }

  async *read(key: string, call: Call, range?: Range): AsyncGenerator<Uint8Array> {
    assertBucketKey(key);
    throwIfStopped(call);
    assert(
      range === undefined || (range.from >= 0 && range.to >= range.from),
      "a range begins before it ends",
    );
    if (range !== undefined && range.from === range.to) return;
    const step: Step = { phase: "read", key };
    const first = range?.from ?? 0;
    let at = first;
    let end = range?.to;
    let etag: string | undefined;
    for (let retry = 0; ; retry++) {
      const wanted = end === undefined ? undefined : { from: at, to: end };
      const answer = await this.#get(step, { range: wanted, etag }, call);
      end ??= answer.sizeBytes;
      etag = answer.etag;
      let why = "the connection was closed";
      try {
        for await (const piece of this.#pieces(answer.body, call)) {
          at += piece.length;
          if (at > end) throw this.#failed(step, "more bytes came than there are");
          yield piece;
        }
      } catch (error) {
        if (isSmcError(error)) throw error;
        const trouble = troubleOf(error, this.#heard.without);
        if (!trouble.isShort) throw this.#tell(step, trouble, error);
        why = trouble.text;
      }
      if (at === end) return;
      if (retry >= this.#limits.retriesMax) {
        throw this.#failed(step, `${at - first} of ${end - first} bytes came: ${why}`);
      }
      await backOff({ call, limits: this.#limits, retry });
    }
  }

  async *list(prefix: string, call: Call, options: { after?: string } = {}): AsyncGenerator<BucketEntry> {
    assertBucketPrefix(prefix);
    if (options.after !== undefined) assertBucketPrefix(options.after);
    throwIfStopped(call);
    const step: Step = { phase: "list", key: prefix };
    const tokens = new Set<string>();
    let last = options.after ?? "";
    let token: string | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const answer = await this.#page(step, { token, after: options.after }, call);
      for (const { Key: encoded, Size: sizeBytes, LastModified: modified } of answer.Contents ?? []) {
        const key = this.#own(encoded ?? "");
        if (key === undefined || !key.startsWith(prefix) || key <= (options.after ?? "")) continue;
        if (key <= last) throw this.#failed(step, "the list is not in the order of its keys");
        if (sizeBytes === undefined || modified === undefined)
          throw this.#failed(step, "the answer is no list");
        throwIfStopped(call);
        last = key;
        yield { key, sizeBytes, modifiedMs: modified.getTime() };
      }
      if (answer.IsTruncated !== true) return;
      token = answer.NextContinuationToken;
      if (token === undefined || token === "" || tokens.has(token))
        throw this.#failed(step, "the list does not go on");
      tokens.add(token);
    }
    throw this.#failed(step, `the list has more than ${PAGES_MAX} pages`);
  }

  async remove(key: string, call: Call): Promise<void> {
    assertBucketKey(key);
    try {
      const command = { Bucket: this.#at.bucket, Key: this.#full(key) };
      await this.#send({ phase: "remove", key }, call, ({ signal }) =>
        this.#client.send(new this.#sdk.DeleteObjectCommand(command), { abortSignal: signal }),
      );
    } catch (error) {
      if (!isSmcError(error, "REMOTE_NOT_FOUND") || error.details.name === "NoSuchBucket") throw error;
    }
  }

  dropUploads(stale: StaleUploads, call: Call): Promise<number> {
    const { bucket: Bucket, prefix } = this.#at;
    const send: Uploads["send"] = (run) =>
      this.#send({ phase: "list", key: "uploads" }, call, ({ signal }) => run(signal));
    return dropUploads({ sdk: this.#sdk, client: this.#client, Bucket, prefix, send }, stale, call);
  }

  probe(call: Call): Promise<BucketAbilities> {
    return probeBucket(this, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
  }

  #full(key: string): string {
    return `${this.#at.prefix}${key}`;
  }

  /** The key of ours that a server wrote in a list, or undefined for what somebody else put there. */
  #own(encoded: string): string | undefined {
    // Of what our keys are made of, the slash is all that a server may have escaped.
    const full = encoded.replaceAll(/%2f/gi, "/");
    if (!full.startsWith(this.#at.prefix)) return undefined;
    const key = full.slice(this.#at.prefix.length);
    return isBucketKey(key) ? key : undefined;
  }

  async #put(object: { key: string; body: BucketBody; sha256: string }, call: Call, now: Attempt) {
    const { key, body, sha256 } = object;
    const pieces = "path" in body ? readBody(body, call) : bytePieces(body.bytes, call);
    const stream = bodyStream(pieces, now, onSentOf(body));
    const command = new this.#sdk.PutObjectCommand({
      Bucket: this.#at.bucket,
      Key: this.#full(key),
      Body: stream,
      ContentLength: bodyBytes(body),
      ContentType: "application/octet-stream",
      ChecksumSHA256: Buffer.from(sha256, "hex").toString("base64"),
      IfNoneMatch: "*",
    });
    command.middlewareStack.add((next) => (args) => next(claimBytes(args, sha256)), CLAIM);
    try {
      return await this.#client.send(command, { abortSignal: now.signal });
    } finally {
      // Closes the file also when the server did not want the rest.
      stream.destroy();
    }
  }

  /** Whether the object that is there has the bytes that we sent before the answer was lost. */
  async #isSame(object: { key: string; sizeBytes: number; sha256: string }, call: Call): Promise<boolean> {
    const there = await this.stat(object.key, call);
    if (there?.sizeBytes !== object.sizeBytes) return false;
    const hash = createHash("sha256");
    for await (const piece of this.read(object.key, call)) hash.update(piece);
    return hash.digest("hex") === object.sha256;
  }

  async #get(
    step: Step,
    { range, etag }: { range: Range | undefined; etag: string | undefined },
    call: Call,
  ): Promise<{ body: Readable; sizeBytes: number; etag: string }> {
    const command = {
      Bucket: this.#at.bucket,
      Key: this.#full(step.key),
      ...(range === undefined ? {} : { Range: `bytes=${range.from}-${range.to - 1}` }),
      ...(etag === undefined ? {} : { IfMatch: etag }),
    };
    const answer = await this.#send(step, call, ({ signal }) =>
      this.#client.send(new this.#sdk.GetObjectCommand(command), { abortSignal: signal }),
    );
    const { Body: body, ContentLength: sizeBytes, ETag: found } = answer;
    if (!(body instanceof Readable)) throw this.#failed(step, "the answer has no body");
    // What is left of a body that is not read ends with an error that nobody waits for.
    body.on("error", () => undefined);
    const wrong = range === undefined ? undefined : wrongRange(answer, range);
    if (wrong === undefined && sizeBytes !== undefined && found !== undefined) {
      return { body, sizeBytes, etag: found };
    }
    body.destroy();
    throw this.#failed(step, wrong ?? "the answer is none of S3");
  }

  async *#pieces(body: Readable, call: Call): AsyncGenerator<Uint8Array> {
    const pieces: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
    const { idleMs } = this.#limits;
    try {
      for (;;) {
        const next = await attempt({ call, idleMs }, () => pieces.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      body.destroy();
    }
  }

  async #page(step: Step, from: { token: string | undefined; after: string | undefined }, call: Call) {
    const command = {
      Bucket: this.#at.bucket,
      Prefix: this.#full(step.key),
      // Names of others may hold what XML cannot say.
      EncodingType: "url" as const,
      ...(from.after === undefined ? {} : { StartAfter: this.#full(from.after) }),
      ...(from.token === undefined ? {} : { ContinuationToken: from.token }),
    };
    const answer = await this.#send(step, call, ({ signal }) =>
      this.#client.send(new this.#sdk.ListObjectsV2Command(command), { abortSignal: signal }),
    );
    if (answer.IsTruncated === undefined) throw this.#failed(step, "the answer is no list");
    return answer;
  }

  /** A HEAD says 404 of a missing object as of a missing bucket; only the first is "absent". */
  async #assertBucket(call: Call): Promise<void> {
    if (this.#isSeen) return;
    const step: Step = { phase: "look at", key: this.#at.bucket };
    await this.#send(step, call, ({ signal }) =>
      this.#client.send(new this.#sdk.HeadBucketCommand({ Bucket: this.#at.bucket }), {
        abortSignal: signal,
      }),
    );
    this.#isSeen = true;
  }

  /**
   * Sends a request, again while the trouble is short; `onShort` hears of answers that may have been lost.
   */
  async #send<T>(
    step: Step,
    call: Call,
    run: (now: Attempt) => Promise<T>,
    onShort: () => void = () => undefined,
  ): Promise<T> {
    for (let retry = 0; ; retry++) {
      try {
        return await attempt({ call, idleMs: this.#limits.idleMs }, run);
      } catch (error) {
        if (isSmcError(error)) throw error;
        const trouble = troubleOf(error, this.#heard.without);
        if (!trouble.isShort || retry >= this.#limits.retriesMax) throw this.#tell(step, trouble, error);
        onShort();
        await backOff({ call, limits: this.#limits, retry }, trouble.retryAfterMs);
      }
    }
  }

  #tell(step: Step, trouble: Trouble, error: unknown): SmcError {
    const { code, hint, status, name } = trouble;
    const refused = isWrongChecksum(trouble) ? { refused: "sha256" } : {};
    return new SmcError(code, this.#sentence(step, trouble.text), {
      ...(hint === undefined ? {} : { hint }),
      // Errors of the SDK hold the whole answer: a log is no place for it.
      ...(status === undefined ? { cause: error } : {}),
      details: { phase: step.phase, key: step.key, status, name: show(name, 60), ...refused },
    });
  }

  #failed(step: Step, text: string): SmcError {
    return new SmcError("REMOTE_FAILED", this.#sentence(step, text), {
      details: { phase: step.phase, key: step.key },
    });
  }

  #sentence({ phase, key }: Step, text: string): string {
    return `cannot ${phase} '${key}' in ${show(this.url)}: ${text}`;
  }
}

/** Why an answer is not the range that was asked for, or undefined. */
function wrongRange(answer: GetObjectCommandOutput, { from, to }: Range): string | undefined {
  const { ContentLength: length, ContentRange: range } = answer;
  const isWhole = range === undefined && from === 0;
  if (!isWhole && range?.startsWith(`bytes ${from}-${to - 1}/`) !== true) {
    return `bytes ${from} to ${to - 1} were asked for, ${show(range ?? "all", 60)} came`;
  }
  return length === to - from ? undefined : `${length ?? "no"} bytes came instead of ${to - from}`;
}

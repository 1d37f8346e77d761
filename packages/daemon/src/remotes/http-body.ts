/** Bodies of answers, read with a limit before anything of them is kept. */
import { show } from "@smc/store/show";
import { NDJSON_TYPE } from "../protocol.ts";
import type { HttpAnswer } from "./http-connection.ts";
import { nonsense } from "./http-trouble.ts";

const NEWLINE = 10;

/** The whole body. Throws an AnswerError for more than `bytesMax`, also when they are only announced. */
export async function readWhole({ headers, body }: HttpAnswer, bytesMax: number): Promise<Buffer> {
  const announced = Number(headers["content-length"] ?? 0);
  if (announced > bytesMax)
    throw nonsense(`the answer would have ${announced} bytes; at most ${bytesMax} are read`);
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of body) {
    sizeBytes += piece.length;
    if (sizeBytes > bytesMax) throw nonsense(`the answer has more than ${bytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** What stands in `result`. Throws an AnswerError for what is not JSON with one. */
export async function readResult(
  answer: HttpAnswer,
  bytesMax: number,
): Promise<Readonly<Record<string, unknown>>> {
  const value = parseObject(await readWhole(answer, bytesMax));
  const { result } = value;
  if (typeof result !== "object" || result === null) throw nonsense("the answer has no result");
  return result as Readonly<Record<string, unknown>>;
}

export function parseObject(bytes: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw nonsense("the answer is not JSON");
  }
  if (typeof value !== "object" || value === null) throw nonsense("the answer is not an object of JSON");
  return value as Readonly<Record<string, unknown>>;
}

/**
 * Frames of a length (u32, little-endian) and as many bytes. Throws an AnswerError over a limit and for half a frame.
 */
export async function* readFrames(
  { body }: HttpAnswer,
  { frameMax, totalMax }: { frameMax: number; totalMax: number },
): AsyncGenerator<Buffer> {
  const held = new Held();
  let total = 0;
  for await (const piece of body) {
    total += piece.length;
    if (total > totalMax) throw nonsense(`the answer has more than ${totalMax} bytes`);
    held.add(piece);
    for (;;) {
      const head = held.peek(4);
      if (head === undefined) break;
      const length = head.readUInt32LE(0);
      if (length > frameMax)
        throw nonsense(`a part of the answer would have ${length} bytes; at most ${frameMax} are read`);
      const frame = held.take(4 + length);
      if (frame === undefined) break;
      yield frame.subarray(4);
    }
  }
  if (held.sizeBytes > 0) throw nonsense("the answer ends in the middle of a part");
}

/** Bytes that wait until there are enough of them; each is copied once. */
class Held {
  sizeBytes = 0;
  #pieces: Buffer[] = [];

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.sizeBytes += piece.length;
  }

  /** The first bytes, which stay; undefined while there are not so many. */
  peek(count: number): Buffer | undefined {
    if (this.sizeBytes < count) return undefined;
    const [first] = this.#pieces;
    if (first !== undefined && first.length >= count) return first;
    return this.#join();
  }

  take(count: number): Buffer | undefined {
    if (this.sizeBytes < count) return undefined;
    const all = this.#join();
    this.#pieces = [];
    this.sizeBytes = 0;
    this.add(all.subarray(count));
    return all.subarray(0, count);
  }

  #join(): Buffer {
    const [first] = this.#pieces;
    if (this.#pieces.length === 1 && first !== undefined) return first;
    const all = Buffer.concat(this.#pieces);
    this.#pieces = [all];
    return all;
  }
}

/** Lines of a body, without their ends. Throws an AnswerError for one that is longer than `lineMax`. */
export async function* readLines({ headers, body }: HttpAnswer, lineMax: number): AsyncGenerator<Buffer> {
  const type = headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== NDJSON_TYPE && type !== "application/json")
    throw nonsense(`the answer is ${show(type ?? "of no type", 60)} and not ${NDJSON_TYPE}`);
  let parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of body) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...parts, piece.subarray(start, end)]);
      if (line.length > lineMax) throw nonsense(`a line of the answer has more than ${lineMax} bytes`);
      if (line.length > 0) yield line;
      parts = [];
      sizeBytes = 0;
      start = end + 1;
    }
    parts.push(piece.subarray(start));
    sizeBytes += piece.length - start;
    if (sizeBytes > lineMax) throw nonsense(`a line of the answer has more than ${lineMax} bytes`);
  }
  const rest = Buffer.concat(parts);
  if (rest.length > 0) yield rest;
}

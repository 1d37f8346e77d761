/** Files of named float32 tensors. Format: https://github.com/huggingface/safetensors#format */
import { createHash } from "node:crypto";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { sizeOf } from "./engine/network.ts";
import type { NamedTensors } from "./engine/model.ts";

const HEAD_BYTES_MAX = 64 * 1024 * 1024;
const ALIGNMENT = 8;
/** The digest of the head without this key, and of the bytes behind it: by it damage is found. */
const DIGEST_KEY = "smc.sha256";

export interface TensorFile {
  readonly tensors: NamedTensors;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** The same tensors and metadata give the same bytes. */
export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array {
  const parts = [...tensors.values()].map(({ values }) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  const data = Buffer.concat(parts);
  const entries: Record<string, unknown> = {};
  let at = 0;
  for (const [name, { shape, values }] of tensors) {
    entries[name] = { dtype: "F32", shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  const digest = digestOf({ metadata, entries, data });
  const text = Buffer.from(
    JSON.stringify({ __metadata__: { ...metadata, [DIGEST_KEY]: digest }, ...entries }),
  );
  const padded = Math.ceil((8 + text.length) / ALIGNMENT) * ALIGNMENT - 8;
  const start = Buffer.alloc(8 + padded, " ");
  start.writeBigUInt64LE(BigInt(padded), 0);
  text.copy(start, 8);
  return Buffer.concat([start, data]);
}

function digestOf({
  metadata,
  entries,
  data,
}: {
  metadata: Readonly<Record<string, string>>;
  entries: Readonly<Record<string, unknown>>;
  data: Uint8Array;
}): string {
  return createHash("sha256")
    .update(JSON.stringify([metadata, entries]))
    .update(data)
    .digest("hex");
}

/** Throws FILE_MALFORMED when the bytes are not what `encodeTensors` wrote: cut off or changed in any place. */
export function decodeTensors(bytes: Uint8Array, name: string): TensorFile {
  const refuse = (why: string): SmcError =>
    new SmcError("FILE_MALFORMED", `'${show(name)}' is damaged: ${why}; nothing was taken from it`);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = file.length < 8 ? Number.POSITIVE_INFINITY : Number(file.readBigUInt64LE(0));
  if (length > HEAD_BYTES_MAX || 8 + length > file.length) throw refuse("its head is cut off");
  const head = parseHead(file.toString("utf8", 8, 8 + length));
  if (head === undefined) throw refuse("its head is no JSON object");
  const data = file.subarray(8 + length);
  const { [DIGEST_KEY]: digest, ...metadata } = head.metadata;
  if (digest !== digestOf({ metadata, entries: head.entries, data })) {
    throw refuse("its bytes are not those that were written");
  }
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [key, { dtype, shape, data_offsets: offsets }] of Object.entries(head.entries)) {
    const part = data.subarray(...offsets);
    if (dtype !== "F32" || part.length !== 4 * sizeOf(shape))
      throw refuse(`'${show(key, 80)}' has a wrong size`);
    // A copy of its own begins at a multiple of four.
    tensors.set(key, { shape, values: new Float32Array(Uint8Array.from(part).buffer) });
  }
  return { tensors, metadata };
}

function parseHead(
  text: string,
): { metadata: Record<string, string>; entries: Record<string, Entry> } | undefined {
  let head: unknown;
  try {
    head = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof head !== "object" || head === null) return undefined;
  const { __metadata__: metadata = {}, ...entries } = head as { __metadata__?: Record<string, string> };
  return { metadata, entries };
}

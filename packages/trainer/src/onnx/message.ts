/**
 * Messages of Protocol Buffers, as parts in a row: weights are not copied. Format:
 * https://protobuf.dev/programming-guides/encoding/
 */
const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

export interface Message {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
}

/** Whole fields as they are. */
export function raw(...fields: readonly Uint8Array[]): Message {
  return joined(fields);
}

function varintOf(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

function joined(parts: readonly Uint8Array[]): Message {
  return { parts, length: parts.reduce((sum, part) => sum + part.length, 0) };
}

export function message(...fields: readonly Message[]): Message {
  return joined(fields.flatMap(({ parts }) => parts));
}

/** A whole number from 0 on. */
export function numberField(field: number, value: number): Message {
  return joined([Uint8Array.from([...varintOf(field * 8 + VARINT), ...varintOf(value)])]);
}

export function floatField(field: number, value: number): Message {
  const bytes = new Uint8Array(Float32Array.of(value).buffer);
  return joined([Uint8Array.from([...varintOf(field * 8 + FIXED32), ...bytes])]);
}

export function textField(field: number, text: string): Message {
  return bytesField(field, Buffer.from(text));
}

export function bytesField(field: number, bytes: Uint8Array): Message {
  return messageField(field, joined([bytes]));
}

export function messageField(field: number, { parts, length }: Message): Message {
  const head = Uint8Array.from([...varintOf(field * 8 + BYTES), ...varintOf(length)]);
  return joined([head, ...parts]);
}

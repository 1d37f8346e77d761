/** Writes ZIP archives, right and wrong ones. For tests. */
import { crc32, deflateRawSync } from "node:zlib";

interface Fields {
  readonly name?: string | Buffer;
  readonly flags?: number;
  readonly method?: number;
  readonly crc?: number;
  readonly stored?: number;
  readonly size?: number;
  readonly extra?: Buffer;
  /** Of the directory only. */
  readonly offset?: number;
}

export interface Entry extends Fields {
  readonly bytes: Buffer;
  readonly name: string | Buffer;
  /** What the header before the data says instead. */
  readonly local?: Fields;
  /** What the directory says instead. */
  readonly central?: Fields;
  /** Written behind the data. */
  readonly descriptor?: Buffer;
  readonly deflate?: boolean;
}

interface End {
  readonly comment?: Buffer;
  readonly prefix?: Buffer;
  readonly suffix?: Buffer;
  readonly count?: number;
  readonly sizeBytes?: number;
  readonly offset?: number;
  readonly disk?: number;
  /** Adds the records of ZIP64, with these numbers where they are given. */
  readonly zip64?: {
    readonly count?: bigint;
    readonly sizeBytes?: bigint;
    readonly offset?: bigint;
    readonly at?: bigint;
  };
}

export const u16 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => bytes.writeUInt16LE(value, index * 2));
  return bytes;
};
export const u32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
};
export const u64 = (...values: (number | bigint)[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => bytes.writeBigUInt64LE(BigInt(value), index * 8));
  return bytes;
};

function header(signature: number, fields: Required<Fields>, isCentral: boolean): Buffer {
  const name = Buffer.from(fields.name);
  const { flags, method, crc, stored, size, extra, offset } = fields;
  return Buffer.concat([
    u32(signature),
    isCentral ? u16(20) : Buffer.alloc(0),
    u16(20, flags, method, 0, 0),
    u32(crc, stored, size),
    u16(name.length, extra.length),
    isCentral ? Buffer.concat([u16(0, 0, 0), u32(0, offset)]) : Buffer.alloc(0),
    name,
    extra,
  ]);
}

export function zip(entries: readonly Entry[], end: End = {}): Buffer {
  const pieces: Buffer[] = [end.prefix ?? Buffer.alloc(0)];
  const directory: Buffer[] = [];
  let at = pieces[0]?.length ?? 0;
  for (const { local, central, ...entry } of entries) {
    const data = entry.deflate === true ? deflateRawSync(entry.bytes) : entry.bytes;
    const fields = {
      flags: 0,
      method: entry.deflate === true ? 8 : 0,
      crc: crc32(entry.bytes),
      stored: data.length,
      size: entry.bytes.length,
      extra: Buffer.alloc(0),
      offset: at,
      ...entry,
    };
    const piece = Buffer.concat([
      header(0x04034b50, { ...fields, ...local }, false),
      data,
      entry.descriptor ?? Buffer.alloc(0),
    ]);
    directory.push(header(0x02014b50, { ...fields, ...central }, true));
    pieces.push(piece);
    at += piece.length;
  }
  const list = Buffer.concat(directory);
  const { count = entries.length, sizeBytes = list.length, offset = at, disk = 0 } = end;
  pieces.push(list, zip64End(end, { count: entries.length, sizeBytes: list.length, offset: at }));
  const comment = end.comment ?? Buffer.alloc(0);
  pieces.push(
    u32(0x06054b50),
    u16(disk, disk, count, count),
    u32(sizeBytes, offset),
    u16(comment.length),
    comment,
  );
  return Buffer.concat([...pieces, end.suffix ?? Buffer.alloc(0)]);
}

function zip64End(end: End, real: { count: number; sizeBytes: number; offset: number }): Buffer {
  if (end.zip64 === undefined) return Buffer.alloc(0);
  const { count = real.count, sizeBytes = real.sizeBytes, offset = real.offset } = end.zip64;
  const record = [u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0), u64(count, count, sizeBytes, offset)];
  const at = end.zip64.at ?? real.offset + real.sizeBytes;
  return Buffer.concat([...record, u32(0x07064b50, 0), u64(at), u32(1)]);
}

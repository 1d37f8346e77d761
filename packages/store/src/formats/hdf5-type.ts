/** Element types of HDF5. What is not exactly one of the types of a tensor table is opaque. */
import { readHeader, MESSAGE } from "./hdf5-header.ts";
import type { Hdf5Reader, Message } from "./hdf5-reader.ts";
import type { Dtype } from "./table.ts";

export interface Hdf5Type {
  readonly dtype: Dtype;
  readonly widthBytes: number;
}

const FLAG_SHARED = 0x02;
const SHARED_IN_HEADER = 2;
const CLASS_FIXED = 0;
const CLASS_FLOAT = 1;
const CLASS_COMPOUND = 6;
const CLASS_ENUM = 8;
const CLASS_COMPLEX = 11;
const BIG_ENDIAN = 0x01;
const VAX = 0x40;
const SIGNED = 0x08;
const NAME_BYTES_MAX = 1024;

/** The type that a message holds, or that the object it points to holds. */
export function readType(reader: Hdf5Reader, message: Message): Hdf5Type {
  if ((message.flags & FLAG_SHARED) === 0) {
    reader.seek(message.offset);
    return typeAt(reader);
  }
  reader.seek(message.offset);
  const version = reader.u8();
  const kind = reader.u8();
  if (version === 1) reader.skip(6);
  if (version > 3 || (version === 3 && kind !== SHARED_IN_HEADER))
    reader.fail("a type that is kept in a heap");
  const offset = reader.place("a type");
  const named = readHeader(reader, offset).find(({ type }) => type === MESSAGE.DATATYPE);
  if (named === undefined || (named.flags & FLAG_SHARED) !== 0) return reader.fail(`no type at ${offset}`);
  reader.seek(named.offset);
  return typeAt(reader);
}

/** The type at the cursor. */
function typeAt(reader: Hdf5Reader): Hdf5Type {
  const classAndVersion = reader.u8();
  const bits = [reader.u8(), reader.u8(), reader.u8()] as const;
  const widthBytes = reader.u32();
  return { dtype: dtypeAt(reader, { classAndVersion, bits, widthBytes }), widthBytes };
}

interface Head {
  readonly classAndVersion: number;
  readonly bits: readonly [number, number, number];
  readonly widthBytes: number;
}

function dtypeAt(reader: Hdf5Reader, head: Head): Dtype {
  switch (head.classAndVersion & 0x0f) {
    case CLASS_FIXED:
      return fixed(reader, head);
    case CLASS_FLOAT:
      return float(reader, head);
    case CLASS_COMPOUND:
      return pairOfFloats(reader, head);
    case CLASS_ENUM:
      return boolean(reader, head);
    case CLASS_COMPLEX:
      return complexOf(typeAt(reader).dtype);
    default:
      return "opaque";
  }
}

function fixed(reader: Hdf5Reader, { bits, widthBytes }: Head): Dtype {
  const bitOffset = reader.u16();
  const precision = reader.u16();
  if (bitOffset !== 0 || precision !== widthBytes * 8) return "opaque";
  if ((bits[0] & BIG_ENDIAN) !== 0 && widthBytes > 1) return "opaque";
  const signed = { 1: "i8", 2: "i16", 4: "i32", 8: "i64" } as const;
  const unsigned = { 1: "u8", 2: "u16", 4: "u32", 8: "u64" } as const;
  const names: Readonly<Record<number, Dtype>> = (bits[0] & SIGNED) !== 0 ? signed : unsigned;
  return names[widthBytes] ?? "opaque";
}

/** Width, sign bit, exponent's place and size, mantissa's place and size, bias. */
const FLOATS: readonly (readonly [Dtype, readonly number[]])[] = [
  ["f16", [2, 15, 10, 5, 0, 10, 15]],
  ["bf16", [2, 15, 7, 8, 0, 7, 127]],
  ["f32", [4, 31, 23, 8, 0, 23, 127]],
  ["f64", [8, 63, 52, 11, 0, 52, 1023]],
];

function float(reader: Hdf5Reader, { bits, widthBytes }: Head): Dtype {
  const bitOffset = reader.u16();
  const precision = reader.u16();
  const places = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
  const layout = [widthBytes, bits[1], ...places, reader.u32()];
  if (bitOffset !== 0 || precision !== widthBytes * 8 || (bits[0] & (BIG_ENDIAN | VAX)) !== 0)
    return "opaque";
  const found = FLOATS.find(([, known]) => known.every((value, index) => value === layout[index]));
  return found?.[0] ?? "opaque";
}

/** h5py writes booleans as a one-byte enumeration of FALSE and TRUE. */
function boolean(reader: Hdf5Reader, { classAndVersion, bits, widthBytes }: Head): Dtype {
  const count = bits[0] | (bits[1] << 8);
  if (widthBytes !== 1 || count !== 2 || typeAt(reader).dtype !== "i8") return "opaque";
  const names = [paddedName(reader, classAndVersion), paddedName(reader, classAndVersion)];
  const isBoolean = names.join() === "FALSE,TRUE" && reader.u8() === 0 && reader.u8() === 1;
  return isBoolean ? "bool" : "opaque";
}

/** Up to version 2 names are padded to a multiple of 8 bytes. */
function paddedName(reader: Hdf5Reader, classAndVersion: number): string {
  const name = reader.nullEnded(NAME_BYTES_MAX);
  const bytes = Buffer.byteLength(name) + 1;
  if (classAndVersion >> 4 < 3) reader.skip((8 - (bytes % 8)) % 8);
  return name;
}

/** h5py writes complex numbers as a record of `r` and `i`. */
function pairOfFloats(reader: Hdf5Reader, { classAndVersion, bits, widthBytes }: Head): Dtype {
  const version = classAndVersion >> 4;
  const count = bits[0] | (bits[1] << 8);
  if (count !== 2 || (widthBytes !== 8 && widthBytes !== 16)) return "opaque";
  const parts = ["r", "i"].map((expected, index) => {
    const name = paddedName(reader, classAndVersion);
    const offset = reader.uint(version < 3 ? 4 : 1);
    if (version === 1) reader.skip(28);
    const { dtype } = typeAt(reader);
    return name === expected && offset === (index * widthBytes) / 2 ? dtype : "opaque";
  });
  return parts[0] === parts[1] ? complexOf(parts[0]) : "opaque";
}

function complexOf(part: Dtype | undefined): Dtype {
  if (part === "f32") return "c64";
  return part === "f64" ? "c128" : "opaque";
}

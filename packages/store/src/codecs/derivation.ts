/** How the elements of DRV follow from those of the parent: the rules, and the first sixteen bytes of a payload. */
import { damaged } from "./blocks.ts";
import type { EncodeHints } from "./codec.ts";
import { floatType, floatTypeOfKind } from "./floats.ts";
import { isLead } from "./layout.ts";

export const DERIVATION_BYTES = 16;
const ZERO_POINT_MAX = 65_536;

/** What an element is predicted to be; the numbers are those of the kernels. */
const TARGET = { bf16: 1, f16: 2, f32: 3, quantised: 4 } as const;

/** How the elements follow from the parent's. */
export interface Derivation {
  readonly rule: number;
  readonly target: number;
  /** Bytes of an element. */
  readonly width: number;
  readonly lead: number;
  /** Of the parent's elements: FloatType.kind, and their bytes. */
  readonly parentKind: number;
  readonly parentWidth: number;
  readonly scale: number;
  readonly zeroPoint: number;
  readonly isSigned: boolean;
}

const CASTS = [
  { rule: 1, dtype: "bf16", parent: "f32" },
  { rule: 2, dtype: "f16", parent: "f32" },
  { rule: 3, dtype: "f32", parent: "bf16" },
  { rule: 4, dtype: "f32", parent: "f16" },
] as const;
const QUANTISED_RULE = 5;

function castOf(rule: number): Omit<Derivation, "lead"> | undefined {
  const cast = CASTS.find((one) => one.rule === rule);
  const [type, parent] = [floatType(cast?.dtype), floatType(cast?.parent)];
  if (cast === undefined || type === undefined || parent === undefined) return undefined;
  const target = TARGET[cast.dtype];
  const { kind: parentKind, width: parentWidth } = parent;
  return {
    rule,
    target,
    width: type.width,
    parentKind,
    parentWidth,
    scale: 0,
    zeroPoint: 0,
    isSigned: false,
  };
}

/** Undefined when no rule leads from the parent's elements to these. */
export function derivationOf({ dtype, lead = 0, parent, affine }: EncodeHints): Derivation | undefined {
  if (parent === undefined) return undefined;
  const cast = CASTS.find((one) => one.dtype === dtype && one.parent === parent.dtype);
  const known = cast && castOf(cast.rule);
  if (known !== undefined) return isLead(lead, known.width) ? { ...known, lead } : undefined;
  const type = floatType(parent.dtype);
  if (affine === undefined || type === undefined || type.width > 4 || (dtype !== "u8" && dtype !== "i8"))
    return undefined;
  const scale = Math.fround(affine.scale);
  const { zeroPoint } = affine;
  if (!(scale > 0) || !Number.isFinite(scale) || !isZeroPoint(zeroPoint) || lead !== 0) return undefined;
  const { kind: parentKind, width: parentWidth } = type;
  const isSigned = dtype === "i8";
  return {
    rule: QUANTISED_RULE,
    target: TARGET.quantised,
    width: 1,
    lead,
    parentKind,
    parentWidth,
    scale,
    zeroPoint,
    isSigned,
  };
}

function isZeroPoint(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= ZERO_POINT_MAX;
}

export function encodeDerivation({
  rule,
  parentKind,
  lead,
  scale,
  zeroPoint,
  isSigned,
}: Derivation): Uint8Array {
  const header = Buffer.alloc(DERIVATION_BYTES);
  header.writeUInt8(rule, 0);
  header.writeUInt8(parentKind, 1);
  header.writeUInt16LE(lead, 2);
  header.writeFloatLE(scale, 4);
  header.writeInt32LE(zeroPoint, 8);
  header.writeUInt32LE(isSigned ? 1 : 0, 12);
  return header;
}

/** Throws OBJECT_CORRUPT. */
export function decodeDerivation(stored: Uint8Array): Derivation {
  if (stored.length < DERIVATION_BYTES) throw damaged("DRV", "the header is cut off");
  const header = Buffer.from(stored.buffer, stored.byteOffset, DERIVATION_BYTES);
  const rule = header.readUInt8(0);
  const parent = floatTypeOfKind(header.readUInt8(1));
  const lead = header.readUInt16LE(2);
  const [scale, zeroPoint, signed] = [header.readFloatLE(4), header.readInt32LE(8), header.readUInt32LE(12)];
  const cast = castOf(rule);
  const isSound =
    cast === undefined
      ? rule === QUANTISED_RULE &&
        (parent?.width ?? 8) <= 4 &&
        lead === 0 &&
        signed <= 1 &&
        scale > 0 &&
        isZeroPoint(zeroPoint)
      : parent?.kind === cast.parentKind &&
        isLead(lead, cast.width) &&
        signed === 0 &&
        scale === 0 &&
        zeroPoint === 0;
  if (!isSound || parent === undefined || scale === Infinity) throw damaged("DRV", "the header is damaged");
  if (cast !== undefined) return { ...cast, lead };
  const { kind: parentKind, width: parentWidth } = parent;
  const isSigned = signed === 1;
  return {
    rule,
    target: TARGET.quantised,
    width: 1,
    lead,
    parentKind,
    parentWidth,
    scale,
    zeroPoint,
    isSigned,
  };
}

/** Smallest and largest quantised element. */
export function quantisedRange({ isSigned }: Derivation): readonly [number, number] {
  return isSigned ? [-128, 127] : [0, 255];
}

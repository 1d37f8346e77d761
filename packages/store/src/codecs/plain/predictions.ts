/** The predictions of kernels/predict.ts in plain TypeScript. */
import type { PlainBlock } from "../blocks.ts";
import { type Derivation, quantisedRange } from "../derivation.ts";

const F16 = 1;
const BF16 = 2;
const TO_BF16 = 1;
const TO_F16 = 2;
const TO_F32 = 3;
const F32_INFINITY = 0x7f800000;
const F32_OF_F16_MIN = 113 << 23;
const F32_OF_F16_OVERFLOW = (127 + 16) << 23;
const QUOTIENT_MAX = 65_536;

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

function toFloat(bits: number): number {
  floatBits[0] = bits;
  return float[0] as number;
}

function toBits(value: number): number {
  float[0] = value;
  return floatBits[0] as number;
}

function f16ToF32(half: number): number {
  const magnitude = half & 0x7fff;
  const sign = (half & 0x8000) << 16;
  if (magnitude >= 0x7c00) return (sign | F32_INFINITY | ((magnitude & 0x3ff) << 13)) >>> 0;
  if (magnitude < 0x400) return (sign | toBits(magnitude / 2 ** 24)) >>> 0;
  return (sign | ((magnitude << 13) + ((127 - 15) << 23))) >>> 0;
}

function f32ToF16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= F32_OF_F16_OVERFLOW) return sign | (magnitude > F32_INFINITY ? 0x7e00 : 0x7c00);
  if (magnitude < F32_OF_F16_MIN) {
    // Adding a float whose last bit is the smallest half rounds in the adder.
    return sign | (toBits(Math.fround(toFloat(magnitude) + 0.5)) - toBits(0.5));
  }
  return sign | ((magnitude + ((15 - 127) << 23) + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

function f32ToBf16(bits: number): number {
  if ((bits & 0x7fffffff) > F32_INFINITY) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The nearest whole number, the even one of two. */
function roundToEven(value: number): number {
  const below = Math.floor(value);
  const above = value - below;
  if (above !== 0.5) return above < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

function quantise(value: number, derivation: Derivation): number {
  const quotient = Math.fround(value / derivation.scale);
  const bounded = Math.max(-QUOTIENT_MAX, Math.min(QUOTIENT_MAX, Number.isNaN(quotient) ? 0 : quotient));
  const [from, to] = quantisedRange(derivation);
  return Math.max(from, Math.min(to, roundToEven(bounded) + derivation.zeroPoint));
}

function predicted(bits: number, derivation: Derivation): number {
  if (derivation.target === TO_BF16) return f32ToBf16(bits);
  if (derivation.target === TO_F16) return f32ToF16(bits);
  if (derivation.target === TO_F32) return bits;
  return quantise(toFloat(bits), derivation);
}

/** Adds to the zig-zagged residual in `raw` what the parent's elements predict. */
export function addPredictions({ raw, parent, count }: PlainBlock, derivation: Derivation): void {
  const { width, parentKind, parentWidth } = derivation;
  const to = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  const from = Buffer.from(parent.buffer, parent.byteOffset, parent.length);
  for (let index = 0; index < count; index++) {
    const element = from.readUIntLE(index * parentWidth, parentWidth);
    const wide = parentKind === BF16 ? element * 65_536 : element;
    const old = parentKind === F16 ? f16ToF32(element) : wide;
    const z = to.readUIntLE(index * width, width);
    const difference = z % 2 === 0 ? z / 2 : -(z + 1) / 2;
    const value = predicted(old, derivation) + difference;
    const range = 2 ** (width * 8);
    to.writeUIntLE(((value % range) + range) % range, index * width, width);
  }
}

/** Models as large as one likes whose numbers look like trained weights, and fine-tunes of them. */
import { closeSync, openSync, writeSync } from "node:fs";

const PIECE_VALUES = 1024 * 1024;
const QUANTILES = 65_536;
/** What an optimiser moves a weight by in some hundred steps. */
const STEP = 1e-4;

/** The normal distribution's inverse at the middle of each of QUANTILES + 1 parts (Acklam's rational approximation). */
const NORMAL = Float64Array.from({ length: QUANTILES + 1 }, (_, index) =>
  inverseNormal((index + 0.5) / (QUANTILES + 1)),
);

function inverseNormal(p) {
  if (p > 0.5) return -inverseNormal(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    const top =
      ((((-0.007784894002430293 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) *
        q +
        4.374664141464968) *
        q +
      2.938163982698783;
    return (
      top /
      ((((0.007784695709041462 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) *
        q +
        1)
    );
  }
  const q = p - 0.5;
  const r = q * q;
  const top =
    (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
      2.506628277459239) *
    q;
  return (
    top /
    (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
      1)
  );
}

/** Mixes 32 bits well (the last step of MurmurHash3). */
function mix(bits) {
  let mixed = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Normal numbers from 32 bits each, which are a keyed mix of their index; the same seed gives the same numbers. */
function fillNormal(out, count, { seed, scale }) {
  const key = mix(seed);
  const other = mix(key + 0x9e3779b9);
  for (let index = 0; index < count; index++) {
    const mixed = mix(mix(index ^ key) + other);
    const from = NORMAL[mixed >>> 16];
    out[index] = (from + (NORMAL[(mixed >>> 16) + 1] - from) * ((mixed & 0xffff) / 65_536)) * scale;
  }
}

/** Tensors of a decoder with twelve layers, about `values` numbers in all. */
function layout(values) {
  const width = Math.max(64, Math.round(Math.sqrt(values / 134) / 64) * 64);
  const inner = Math.round(2.75 * width);
  const tensors = [["model.embed_tokens.weight", [8 * width, width]]];
  for (let layer = 0; layer < 12; layer++) {
    const name = `model.layers.${layer}`;
    tensors.push([`${name}.input_layernorm.weight`, [width]]);
    for (const part of ["q_proj", "o_proj"])
      tensors.push([`${name}.self_attn.${part}.weight`, [width, width]]);
    for (const part of ["k_proj", "v_proj"])
      tensors.push([`${name}.self_attn.${part}.weight`, [width / 8, width]]);
    tensors.push([`${name}.post_attention_layernorm.weight`, [width]]);
    for (const part of ["gate_proj", "up_proj"]) tensors.push([`${name}.mlp.${part}.weight`, [inner, width]]);
    tensors.push([`${name}.mlp.down_proj.weight`, [width, inner]]);
  }
  return [...tensors, ["model.norm.weight", [width]]];
}

function header(tensors, dtype, widthBytes) {
  let offset = 0;
  const entries = tensors.map(([name, shape]) => {
    const start = offset;
    offset += shape.reduce((product, side) => product * side, widthBytes);
    return [name, { dtype: dtype.toUpperCase(), shape, data_offsets: [start, offset] }];
  });
  const text = JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) });
  const bytes = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

/** f32 numbers as bf16: the upper halves, rounded to nearest, ties to even. */
function roundInto(out, values, count) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, count);
  for (let index = 0; index < count; index++) {
    const value = bits[index];
    out[index] = (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
}

/**
 * Writes a safetensors file of about `sizeMib` in "bf16" or "f32": each tensor normal with a deviation of its own,
 * norms around 1. With `isTuned` the same masters moved by normal steps, before they are rounded.
 */
export function writeModel(path, { dtype, sizeMib, seed, isTuned = false }) {
  const widthBytes = dtype === "bf16" ? 2 : 4;
  const tensors = layout((sizeMib * 1024 * 1024) / widthBytes);
  const values = new Float32Array(PIECE_VALUES);
  const steps = new Float32Array(PIECE_VALUES);
  const rounded = new Uint16Array(PIECE_VALUES);
  const fd = openSync(path, "w");
  writeSync(fd, header(tensors, dtype, widthBytes));
  let piece = seed * 1_000_003;
  for (const [index, [, shape]] of tensors.entries()) {
    const isNorm = shape.length === 1;
    const scale = isNorm ? 0.05 : 0.02 * 2 ** (((index * 7) % 9) / 4 - 1);
    const total = shape.reduce((product, side) => product * side, 1);
    for (let done = 0; done < total; done += PIECE_VALUES) {
      const count = Math.min(PIECE_VALUES, total - done);
      piece += 1;
      fillNormal(values, count, { seed: piece, scale });
      if (isNorm) for (let at = 0; at < count; at++) values[at] += 1;
      if (isTuned) {
        fillNormal(steps, count, { seed: ~piece, scale: STEP });
        for (let at = 0; at < count; at++) values[at] += steps[at];
      }
      if (dtype === "bf16") roundInto(rounded, values, count);
      writeSync(fd, new Uint8Array((dtype === "bf16" ? rounded : values).buffer, 0, count * widthBytes));
    }
  }
  closeSync(fd);
}

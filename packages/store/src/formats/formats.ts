/** The formats whose tensors this version finds, and the one question: where are the tensors of this file? */
import { gguf } from "./gguf.ts";
import { hdf5 } from "./hdf5.ts";
import { npy } from "./npy.ts";
import { onnx } from "./onnx.ts";
import { pickleFile } from "./pickle-file.ts";
import { safetensors, safetensorsIndex } from "./safetensors.ts";
import { tfjs } from "./tfjs.ts";
import type { ByteSource, Format, TensorTable } from "./table.ts";
import { zipFile } from "./zip-file.ts";

/** The first that matches takes the file: those that look at bytes before those that look at names. */
export const FORMATS: readonly Format[] = [
  safetensors,
  safetensorsIndex,
  gguf,
  onnx,
  tfjs,
  zipFile,
  hdf5,
  npy,
  pickleFile,
];

/** Bytes shown to `matches`. */
const HEAD_BYTES = 64 * 1024;

/** Undefined when no format takes the file. Throws FILE_MALFORMED when one does and then cannot read it. */
export function parseTensors(source: ByteSource, fileName: string): TensorTable | undefined {
  const head = source.read(0, Math.min(HEAD_BYTES, source.sizeBytes)).slice();
  return FORMATS.find((format) => format.matches(head, fileName))?.parse(source, fileName);
}

/** The bytes of an ONNX model, its weights in files beside it included. */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { posix } from "node:path";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { insidePath } from "../data/load.ts";
import { type ReadWeights, withWeights } from "./weights.ts";

const FILE_BYTES_MAX = 1024 * 1024 * 1024;

/** Which model, and how errors call it. */
export interface ModelFile {
  /** Holds it. */
  readonly inputDir: string;
  /** Path below `inputDir`. */
  readonly file: string;
  /** `the backbone 'm.onnx'`. */
  readonly called: string;
}

/** How a model is refused that is none, or cannot be run. */
export function modelFault({ called }: ModelFile, why: string): SmcError {
  return new SmcError("FILE_MALFORMED", `${called}: ${why}; nothing was trained`, {
    hint: 'it must be an ONNX model; see "smc inspect"',
  });
}

/**
 * The whole model, and the SHA-256 of its file. Throws PATH_NOT_FOUND, UNSAFE_PATH, FILE_MALFORMED, LIMIT_EXCEEDED over
 * 1 GiB in all.
 */
export async function readModelFile(source: ModelFile): Promise<{ bytes: Buffer; sha256: string }> {
  const path = await insidePath(source.inputDir, source.file, "backbone.file");
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) throw tooLarge(source, size);
    bytes = await readFile(path);
  } catch (error) {
    throw fromErrno(error, `cannot read ${source.called}`);
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const refuse = (why: string): SmcError => modelFault(source, why);
  return { bytes: await withWeights(bytes, weightsBeside(source, bytes.length), refuse), sha256 };
}

function tooLarge({ called }: ModelFile, sizeBytes: number): SmcError {
  return new SmcError(
    "LIMIT_EXCEEDED",
    `${called} has ${sizeBytes} bytes, more than ${FILE_BYTES_MAX}; nothing was trained`,
  );
}

/** Weights lie below the inputs, as seen from the folder of the model. */
function weightsBeside(source: ModelFile, modelBytes: number): ReadWeights {
  const { inputDir, file: modelPath, called } = source;
  let allBytes = modelBytes;
  return async (location, { offset, length }) => {
    const path = posix.join(posix.dirname(modelPath), location);
    try {
      await using file = await open(await insidePath(inputDir, path, "backbone.file"), constants.O_RDONLY);
      const { size } = await file.stat();
      const wanted = length ?? Math.max(0, size - offset);
      allBytes += wanted;
      if (allBytes > FILE_BYTES_MAX) throw tooLarge(source, allBytes);
      if (offset + wanted > size) throw modelFault(source, `its weights '${show(path)}' are truncated`);
      const bytes = Buffer.alloc(wanted);
      await file.read(bytes, 0, wanted, offset);
      return bytes;
    } catch (error) {
      throw fromErrno(error, `cannot read the weights '${show(path)}' of ${called}`);
    }
  };
}

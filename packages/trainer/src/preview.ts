/** What a training would see, without training. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { SmcError } from "@smc/store/errors";
import { replaceFile } from "@smc/store/fs";
import { PNG } from "pngjs";
import { makeBatch, scalingOf } from "./data/batches.ts";
import { dataError } from "./data/dataset.ts";
import { loadData, splitData } from "./data/load.ts";
import { firstBatch } from "./epoch.ts";
import { resolveSpec } from "./spec.ts";

const SAMPLES_MAX = 1000;

export interface PreviewedSample {
  /** Of the written file, below `outputDir`. */
  readonly path: string;
  /** Number of the sample in the data. */
  readonly sample: number;
  readonly label: string;
  readonly sha256: string;
}

/**
 * Writes the first `count` images of the first batch as PNG files, changed as training would change them: the same spec
 * and data give the same files. Throws what `train` throws for specs and data, FILE_MALFORMED for data that are no
 * images, and ARGUMENT_INVALID for a count that is not 1 to 1000.
 */
export async function previewBatch(
  given: unknown,
  context: { inputDir: string; outputDir: string; signal: AbortSignal; count: number },
): Promise<PreviewedSample[]> {
  const { outputDir, count } = context;
  if (!Number.isInteger(count) || count < 1 || count > SAMPLES_MAX) {
    throw new SmcError("ARGUMENT_INVALID", `a preview has 1 to ${SAMPLES_MAX} images, not ${count}`);
  }
  const spec = resolveSpec(given);
  const data = await loadData(spec, context);
  const [height = 0, width = 0, channels = 0] = data.shape;
  if (data.shape.length !== 3 || (channels !== 1 && channels !== 3)) {
    throw dataError("the samples are no images that could be shown", {
      hint: "look at images, or at digits",
    });
  }
  const split = splitData(data, spec);
  // Without scaling the numbers stay those of pixels.
  const scaling = scalingOf(data, split.train, "none");
  const { indices, random } = firstBatch({ spec, split });
  const batch = makeBatch(data, indices, { spec, scaling, random });
  const size = height * width * channels;
  const written: PreviewedSample[] = [];
  for (const [place, sample] of indices.subarray(0, count).entries()) {
    context.signal.throwIfAborted();
    const pixels = batch.inputs.subarray(place * size, (place + 1) * size);
    const path = `preview-${String(place + 1).padStart(4, "0")}.png`;
    const image = encodePng(pixels, { width, height, channels });
    await replaceFile(join(outputDir, path), image, { durable: false });
    const sha256 = createHash("sha256").update(image).digest("hex");
    written.push({ path, sample, label: data.classes[data.labels[sample] ?? 0] ?? "", sha256 });
  }
  return written;
}

function encodePng(
  pixels: Float32Array,
  { width, height, channels }: { width: number; height: number; channels: number },
): Buffer {
  const image = new PNG({ width, height });
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const value = pixels[pixel * channels + (channels === 1 ? 0 : channel)] ?? 0;
      image.data[pixel * 4 + channel] = Math.min(255, Math.max(0, Math.round(value)));
    }
    image.data[pixel * 4 + 3] = 255;
  }
  return PNG.sync.write(image, { colorType: channels === 1 ? 0 : 2 });
}

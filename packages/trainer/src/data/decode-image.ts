/** A PNG or JPEG file as pixels of a size, for this thread or another one. */
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { type Pixels, resize, withChannels } from "./pixels.ts";

const PIXELS_MAX = 50_000_000;
const DECODER_MEMORY_MIB = 1024;
const PNG_HEAD = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

export interface ImageForm {
  readonly channels: number;
  /** Brought to this width and height; absent: as it is. */
  readonly inputSize: number | undefined;
}

/** By what the file is, not by its name. Throws what the decoder says. */
export function decodeImage(bytes: Buffer, { channels, inputSize }: ImageForm): Pixels {
  const pixels = withChannels(decode(bytes), channels);
  return inputSize === undefined ? pixels : resize(pixels, inputSize);
}

function decode(bytes: Buffer): Pixels {
  if (bytes.subarray(0, PNG_HEAD.length).equals(PNG_HEAD)) {
    // A few bytes may claim a picture that no memory holds; width and height stand first.
    const pixels = bytes.length < 24 ? 0 : bytes.readUInt32BE(16) * bytes.readUInt32BE(20);
    if (pixels > PIXELS_MAX) throw new Error(`it claims ${pixels} pixels, more than ${PIXELS_MAX}`);
    const { width, height, data } = PNG.sync.read(bytes);
    return { width, height, channels: 4, data };
  }
  const { width, height, data } = jpeg.decode(bytes, {
    useTArray: true,
    tolerantDecoding: false,
    maxResolutionInMP: PIXELS_MAX / 1e6,
    maxMemoryUsageInMB: DECODER_MEMORY_MIB,
  });
  return { width, height, channels: 4, data };
}

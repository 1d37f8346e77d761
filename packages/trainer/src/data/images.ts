/** Folders of images, one folder for each class: `cats/1.png`, `dogs/7.jpg`. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { SmcError, fromErrno } from "@smc/store/errors";
import { show } from "@smc/store/show";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { assertFits, CLASSES_MAX, type Dataset, dataError, limitError, SAMPLES_MAX } from "./dataset.ts";
import { type Pixels, resize, withChannels } from "./pixels.ts";
import type { Problems } from "./problems.ts";

const FILE_BYTES_MAX = 64 * 1024 * 1024;
const PIXELS_MAX = 50_000_000;
const DECODER_MEMORY_MIB = 1024;

export interface ImageOptions {
  readonly channels: number;
  /** Every image is brought to this width and height; absent: they must have one size. */
  readonly inputSize: number | undefined;
  /** At most this many images, the first of each class in turn. */
  readonly samples: number | undefined;
  readonly signal: AbortSignal;
  readonly problems: Problems;
}

interface ImageFile {
  readonly name: string;
  readonly label: number;
}

/**
 * Reads PNG and JPEG files; other files and links are left alone. Throws FILE_MALFORMED for a file that is broken or of
 * another size, LIMIT_EXCEEDED for more than memory may hold, PATH_NOT_FOUND.
 */
export async function readImages(folder: string, options: ImageOptions): Promise<Dataset> {
  const { problems } = options;
  const { classes, files } = await listImages(folder, options);
  let shape: readonly [number, number, number] | undefined;
  let features = new Uint8Array(0);
  const good: ImageFile[] = [];
  for (const file of files) {
    const { name } = file;
    options.signal.throwIfAborted();
    const pixels = await readPixels(join(folder, name), name, problems);
    if (pixels === undefined) continue;
    const decoded = withChannels(pixels, options.channels);
    const image = options.inputSize === undefined ? decoded : resize(decoded, options.inputSize);
    if (shape === undefined) {
      shape = [image.height, image.width, image.channels];
      assertFits(files.length, image.data.length);
      features = new Uint8Array(files.length * image.data.length);
    }
    const [height, width] = shape;
    if (image.height !== height || image.width !== width) {
      problems.addSample(
        `'${show(name)}' has ${image.width} x ${image.height} pixels, '${show(good[0]?.name ?? "")}' ${width} x ${height}`,
        { hint: "set backbone.inputSize (--input-size): every image is then brought to that size" },
      );
      continue;
    }
    features.set(image.data, good.length * image.data.length);
    good.push(file);
  }
  const labels = Int32Array.from(good, ({ label }) => label);
  const [height, width, channels] = shape ?? [1, 1, options.channels];
  const filled = features.subarray(0, good.length * height * width * channels);
  return { shape: [height, width, channels], features: filled, labels, classes, count: good.length };
}

/** Sorted by name, so that the same folder is the same data on every machine. */
async function listImages(
  folder: string,
  { samples = SAMPLES_MAX, problems }: ImageOptions,
): Promise<{ classes: string[]; files: ImageFile[] }> {
  const classes = (await entries(folder)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  classes.sort();
  if (classes.length > CLASSES_MAX) throw limitError(`${classes.length} classes`, CLASSES_MAX);
  if (classes.length === 0) {
    throw dataError(`'${show(folder)}' has no folders`, {
      hint: "put the images of each class into a folder",
    });
  }
  const lists: string[][] = [];
  for (const name of classes) {
    const images = (await entries(join(folder, name)))
      .filter((entry) => entry.isFile() && /\.(png|jpe?g)$/i.test(entry.name))
      .map((entry) => `${name}/${entry.name}`);
    if (images.length === 0) problems.add(`the class '${show(name, 80)}' has no PNG or JPEG files`);
    lists.push(images.sort());
  }
  const longest = Math.max(...lists.map(({ length }) => length));
  const files: ImageFile[] = [];
  for (let index = 0; index < longest; index += 1) {
    for (const [label, list] of lists.entries()) {
      const name = list[index];
      if (name !== undefined && files.length < samples) files.push({ name, label });
    }
  }
  return { classes, files };
}

async function entries(folder: string): Promise<import("node:fs").Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw fromErrno(error, `cannot read the folder '${show(folder)}'`);
  }
}

/** Undefined for a file that is no image. */
async function readPixels(path: string, name: string, problems: Problems): Promise<Pixels | undefined> {
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) throw limitError(`a file '${show(name)}' of ${size} bytes`, FILE_BYTES_MAX);
    bytes = await readFile(path);
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(name)}'`);
  }
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof SmcError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    problems.addSample(`'${show(name)}' is truncated or no image: ${show(why, 200)}`);
    return undefined;
  }
}

const PNG_HEAD = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** By what the file is, not by its name. Throws what the decoder says. */
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

/** Folders of images, one folder for each class: `cats/1.png`, `dogs/7.jpg`. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { SmcError, fromErrno } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { assertFits, CLASSES_MAX, type Dataset, dataError, limitError, SAMPLES_MAX } from "./dataset.ts";
import { decodeImage, type ImageForm } from "./decode-image.ts";
import { ImageThreads } from "./image-threads.ts";
import type { Pixels } from "./pixels.ts";
import type { Problems } from "./problems.ts";

const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** Images that are on their way for each thread: read from the disk, or decoded and not yet taken. */
const AHEAD = 2;

/** Without an input size the images must have one size. */
export interface ImageOptions extends ImageForm {
  /** Threads that decode; with 1 it is this one. */
  readonly workers: number;
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
  await using threads = options.workers > 1 ? new ImageThreads(options.workers) : undefined;
  const read = (file: ImageFile): Promise<ReadImage> => readImage(folder, { file, options, threads });
  for await (const { file, image, why } of inOrder(
    files,
    (threads === undefined ? 1 : options.workers) * AHEAD,
    read,
  )) {
    const { name } = file;
    if (image === undefined) {
      problems.addSample(`'${show(name)}' is truncated or no image: ${show(why ?? "", 200)}`);
      continue;
    }
    if (shape === undefined) {
      shape = [image.height, image.width, image.channels];
      assertFits(files.length, image.data.length);
      features = new Uint8Array(files.length * image.data.length);
    }
    const [height, width] = shape;
    if (image.height !== height || image.width !== width) {
      problems.addSample(
        `'${show(name)}' has ${image.width} x ${image.height} pixels, '${show(good[0]?.name ?? "")}' ${width} x ${height}`,
        { hint: "name a size with --set backbone.inputSize=N: every image is then brought to it" },
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

interface ReadImage {
  readonly file: ImageFile;
  /** Absent: it is no image. */
  readonly image?: Pixels;
  readonly why?: string;
}

/** Throws what reading the file throws. */
async function readImage(
  folder: string,
  { file, options, threads }: { file: ImageFile; options: ImageOptions; threads: ImageThreads | undefined },
): Promise<ReadImage> {
  const { name } = file;
  const { signal, channels, inputSize } = options;
  signal.throwIfAborted();
  let bytes: Buffer;
  try {
    const path = join(folder, name);
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) throw limitError(`a file '${show(name)}' of ${size} bytes`, FILE_BYTES_MAX);
    bytes = await readFile(path);
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(name)}'`);
  }
  const form = { channels, inputSize };
  if (threads !== undefined) {
    const { pixels, why } = await threads.decode({ bytes, form });
    return pixels === undefined ? { file, why: why ?? "" } : { file, image: pixels };
  }
  try {
    return { file, image: decodeImage(bytes, form) };
  } catch (error) {
    if (error instanceof SmcError) throw error;
    return { file, why: error instanceof Error ? error.message : String(error) };
  }
}

/** The results in the order of the items, of which so many are worked on at a time. */
async function* inOrder<T, R>(
  items: readonly T[],
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  for (let at = 0; at < items.length || running.length > 0;) {
    for (; at < items.length && running.length < ahead; at += 1) {
      const begun = work(items[at] as T);
      // It is looked at in its turn; until then nobody waits for it.
      begun.catch(() => undefined);
      running.push(begun);
    }
    yield (await running.shift()) as R;
  }
}

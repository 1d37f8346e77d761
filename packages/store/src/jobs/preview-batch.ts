/** Images of the first batch of a training, as it would see them: written without training. */
import { randomBytes } from "node:crypto";
import { isAbsolute, join } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { createFolder, removeTree } from "../fs.ts";
import { placeFiles } from "../layout/place-files.ts";
import { assertFree } from "../new-file.ts";
import { requireWorktree, type Repository } from "../repository.ts";
import { show } from "../show.ts";
import type { TrainPlace } from "./job-queue.ts";

export interface PreviewImage {
  /** Below the folder of the images. */
  readonly path: string;
  /** Number of the sample in the data. */
  readonly sample: number;
  readonly label: string;
  readonly sha256: string;
}

export interface PreviewedBatch {
  /** Absolute path of the folder with the images. */
  readonly output: string;
  readonly images: readonly PreviewImage[];
}

export interface PreviewWish {
  readonly count: number;
  /** Absolute path of the folder for the images. */
  readonly output: string;
}

/**
 * Reads the data of the worktree as they are now. Throws ARGUMENT_INVALID, WOULD_OVERWRITE, and what the trainer says
 * of data; then no file is left.
 */
export async function previewBatch(
  place: Pick<TrainPlace, "store" | "previewBatch">,
  { repository, spec, wish }: { repository: Repository; spec: string; wish: PreviewWish },
  call: Call,
): Promise<PreviewedBatch> {
  const { output, count } = wish;
  if (!isAbsolute(output))
    throw new SmcError("ARGUMENT_INVALID", `'${show(output, 200)}' is no absolute path; nothing was written`);
  const { root } = requireWorktree(repository);
  await assertFree(join(output, "preview-0001.png"), false);
  // A start of the daemon empties `incoming/`.
  const aside = join(place.store.path, "incoming", `batch-${randomBytes(8).toString("hex")}`);
  try {
    await createFolder(aside);
    const images = await place.previewBatch(spec, { root, output: aside, count }, call);
    await placeFiles(images, { aside, output, force: false }, call);
    return { output, images };
  } finally {
    await removeTree(aside);
  }
}

/** `smc export`: the trained model of a version as files that other programs run. */
import { join } from "node:path";
import type { Call } from "../call.ts";
import { dataHere } from "../data/data-here.ts";
import type { Settings } from "../data/data-file.ts";
import { SmcError } from "../errors.ts";
import { createFolder } from "../fs.ts";
import { withTrainedModel } from "../jobs/trained-model.ts";
import { type FilesPlace, pathOf } from "../layout/folders.ts";
import { placeFiles } from "../layout/place-files.ts";
import { assertFree } from "../new-file.ts";
import type { Digest } from "../objects/digest.ts";

export type ExportFormat = "onnx" | "tfjs";
const EXPORT_FORMATS: readonly ExportFormat[] = ["onnx", "tfjs"];
const FILES: Readonly<Record<ExportFormat, readonly string[]>> = {
  onnx: ["model.onnx"],
  tfjs: ["tfjs/group1-shard1of1.bin", "tfjs/model.json"],
};

/** What the trainer has written, and how near it is to what it computes itself. */
export interface ExportedModel {
  readonly formats: readonly {
    readonly format: ExportFormat;
    readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly sha256: string }[];
    /** Largest difference of an output to what the trainer computes. */
    readonly difference: number;
  }[];
  /** On which it was compared. */
  readonly samples: number;
  /** False: no data could be read, and the samples were made up. */
  readonly areReal: boolean;
}

export interface ExportPlace extends FilesPlace {
  /**
   * Writes the model in the folder `model` into the folder `output`; null for the data that it was trained on. In a
   * process of its own.
   */
  readonly exportModel: (
    settings: Settings | null,
    options: { root: string; model: string; output: string; formats: readonly ExportFormat[] },
    call: Call,
  ) => Promise<ExportedModel>;
}

export interface ExportOptions {
  /** A version, or `REV:FOLDER` where it holds several models; HEAD when left out. */
  readonly revision?: string;
  /** All when left out. */
  readonly formats?: readonly ExportFormat[];
  /** The folder for the files, as seen from where the user stands, which it is when left out. */
  readonly output?: string;
  /** On which the files are compared: a data set of the worktree, a path in it, or `digits`. */
  readonly data?: string;
  /** Replaces files that are there. */
  readonly force?: boolean;
}

export interface ExportResult extends ExportedModel {
  readonly commit: Digest;
  /** Of the version, where the model is; empty for its root. */
  readonly folder: string;
  /** Absolute path of the folder with the files. */
  readonly output: string;
}

/**
 * Each file appears whole, and only after all were run and compared with the trainer. Throws EXPORT_DIFFERS,
 * WOULD_OVERWRITE, REVISION_NOT_FOUND, FILE_UNSUPPORTED for a version whose model the trainer of smc did not write or
 * that is no whole network, PATH_NOT_FOUND, LIMIT_EXCEEDED, DISK_FULL: then no new file is left.
 */
export async function exportModel(
  place: ExportPlace,
  options: ExportOptions,
  call: Call,
): Promise<ExportResult> {
  const { revision = "HEAD", force = false } = options;
  const formats = EXPORT_FORMATS.filter((format) => options.formats?.includes(format) ?? true);
  if (formats.length === 0) throw new SmcError("USAGE", "name a format; nothing was written");
  const output = pathOf(place, options.output ?? ".");
  for (const name of formats.flatMap((format) => FILES[format])) await assertFree(join(output, name), force);
  const repository = await place.openRepository();
  const settings = options.data === undefined ? null : (await dataHere(place, options.data)).settings;
  return withTrainedModel(repository, revision, {
    call,
    use: async ({ commit, folder, path }) => {
      const aside = join(path, "export");
      await createFolder(aside);
      const asked = { root: place.root, model: path, output: aside, formats };
      const exported = await place.exportModel(settings, asked, call);
      await placeFiles(
        exported.formats.flatMap(({ files }) => files),
        { aside, output, force },
        call,
      );
      return { commit, folder, output, ...exported };
    },
  });
}

/** The model of a version, as files of a folder: for a trainer that runs it again. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { createFolder, removeTree } from "../fs.ts";
import { readCommit } from "../history/graph.ts";
import { resolveCommit } from "../history/revision.ts";
import { parseJson } from "../json.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";
import { readTable } from "../tensors/listing.ts";
import { flattenTree, type FlatTree } from "../trees/tree-read.ts";

const ARCHITECTURE = "architecture.json";
const WEIGHTS = "model.safetensors";
const NEEDED = [ARCHITECTURE, WEIGHTS, "params.json"];
/** Not needed, but told from where it is there. */
const FURTHER = ["environment.json"];
/** An ONNX model for the trainer: the frozen one that a head was learned on, or one of another program. */
const ONNX = "onnx/model.onnx";
const ONNX_END = ".onnx";
/** Files with weights of one ONNX model. */
const WEIGHTS_MAX = 1000;
const SHOWN_MAX = 5;
/** Of one file: what the trainer takes of a model and of its backbone. */
const FILE_BYTES_MAX = 1024 * 1024 * 1024;
const JSON_BYTES_MAX = 16 * 1024 * 1024;

export interface TrainedModel {
  readonly commit: Digest;
  /** Where it is in the version: a folder, empty for its root, or an ONNX file. */
  readonly folder: string;
  /** Absolute path of a folder with its files, and `onnx/model.onnx` where it has one; gone afterwards. */
  readonly path: string;
  /** It is just that ONNX model. */
  readonly isOnnx: boolean;
}

interface Source {
  readonly store: OwnedStore;
  readonly files: FlatTree;
  /** As the user named the version. */
  readonly revision: string;
  /** Of an ONNX file the trainer can say something, too. */
  readonly takesOnnx: boolean;
}

/**
 * Lets `use` work with the model of `REV` or `REV:FOLDER`, with `takesOnnx` also of `REV:FILE.onnx`. gc waits only
 * while its files are written, not for `use`.
 * Throws REVISION_NOT_FOUND, FILE_UNSUPPORTED for a version without such a model, ARGUMENT_INVALID for one with
 * several, PATH_NOT_FOUND, LIMIT_EXCEEDED, OBJECT_CORRUPT, DISK_FULL.
 */
export async function withTrainedModel<T>(
  { store, ...repository }: OwnedRepository,
  revision: string,
  {
    use,
    call,
    takesOnnx = false,
  }: { use: (model: TrainedModel) => Promise<T>; call: Call; takesOnnx?: boolean },
): Promise<T> {
  const cut = revision.indexOf(":");
  const [version, wanted] =
    cut < 0 ? [revision, undefined] : [revision.slice(0, cut), revision.slice(cut + 1).replace(/\/$/, "")];
  // A start of the daemon empties `incoming/`.
  const path = join(store.path, "incoming", `model-${randomBytes(8).toString("hex")}`);
  try {
    const found = { commit: "" as Digest, folder: "", isOnnx: false };
    {
      using _ = store.calls.enter();
      const commit = await resolveCommit({ ...repository, store }, version, call);
      const files = await flattenTree(store.objects, (await readCommit(store, commit)).tree, call);
      const source = { store, files, revision, takesOnnx };
      const folder = folderOf(source, wanted);
      const isOnnx = takesOnnx && folder.endsWith(ONNX_END) && files.has(folder);
      await createFolder(path);
      await (isOnnx ? takeOnnx(source, { file: folder, path }, call) : write(source, { folder, path }, call));
      Object.assign(found, { commit, folder, isOnnx });
    }
    return await use({ ...found, path });
  } finally {
    await removeTree(path);
  }
}

/** The one that is wanted, else the root, else the only one. */
function folderOf({ files, revision, takesOnnx }: Source, wanted: string | undefined): string {
  const trained = [...files.keys()]
    .filter((path) => posix.basename(path) === ARCHITECTURE)
    .map((path) => posix.dirname(path))
    .map((folder) => (folder === "." ? "" : folder))
    .filter((folder) => NEEDED.every((name) => files.has(posix.join(folder, name))));
  const onnx = takesOnnx ? [...files.keys()].filter((path) => path.endsWith(ONNX_END)) : [];
  // One of the trainer comes first: an ONNX file beside it is what it was learned on, or an export of it.
  const folders = wanted === undefined && trained.length > 0 ? trained : [...trained, ...onnx];
  const named = show(revision, 80);
  if (wanted !== undefined ? folders.includes(wanted) : folders.includes("")) return wanted ?? "";
  const [only, ...more] = folders;
  if (wanted === undefined && only !== undefined && more.length === 0) return only;
  const shown = folders.slice(0, SHOWN_MAX).map((folder) => `'${show(folder, 200)}'`);
  if (wanted === undefined && only !== undefined)
    throw new SmcError(
      "ARGUMENT_INVALID",
      `'${named}' has ${folders.length} models: ${shown.join(", ")}${more.length >= SHOWN_MAX ? ", …" : ""}; nothing was computed`,
      { hint: `name one of them: ${named}:${show(only, 200)}` },
    );
  if (wanted !== undefined && only !== undefined)
    throw new SmcError("FILE_UNSUPPORTED", `there is no model at '${named}'; nothing was computed`, {
      hint: `there are ${shown.join(", ")}`,
    });
  throw new SmcError(
    "FILE_UNSUPPORTED",
    `'${named}' holds no model that the trainer of smc wrote (${NEEDED.join(", ")} in one folder)${takesOnnx ? ", and no ONNX file" : ""}; nothing was computed`,
    {
      hint: `measure it with a program of your own and write that down: smc note ${named} --metric acc=0.97`,
    },
  );
}

async function write(
  source: Source,
  { folder, path }: { folder: string; path: string },
  call: Call,
): Promise<void> {
  const { files } = source;
  const wanted = new Map<string, string>();
  for (const name of [...NEEDED, ...FURTHER]) {
    const from = posix.join(folder, name);
    if (files.has(from)) wanted.set(name, from);
  }
  await take(source, { wanted, path }, call);
  const backbone = await backboneOf(join(path, ARCHITECTURE));
  if (backbone === undefined) return;
  if (!files.has(backbone))
    throw new SmcError(
      "PATH_NOT_FOUND",
      `'${show(source.revision, 80)}' lacks '${show(backbone, 200)}', on which its model was learned; nothing was computed`,
    );
  await takeOnnx(source, { file: backbone, path }, call);
}

/** The model, and the files beside it that hold its weights, as it names them. */
async function takeOnnx(
  source: Source,
  { file, path }: { file: string; path: string },
  call: Call,
): Promise<void> {
  const { store, files, revision } = source;
  const wanted = new Map([[ONNX, file]]);
  const model = files.get(file);
  const table = model === undefined ? undefined : await readTable(store, { ...model, path: file }, call);
  // What is no model, the trainer says better.
  const external = table === undefined || "problem" in table ? [] : table.external;
  const named = new Set(external.map((span) => span.file));
  if (named.size > WEIGHTS_MAX)
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `'${show(file, 200)}' has its weights in ${named.size} files, more than ${WEIGHTS_MAX}; nothing was computed`,
    );
  for (const name of named) {
    const from = posix.join(posix.dirname(file), name);
    if (!files.has(from))
      throw new SmcError(
        "PATH_NOT_FOUND",
        `'${show(revision, 80)}' lacks '${show(from, 200)}', the weights of '${show(file, 200)}'; nothing was computed`,
      );
    wanted.set(posix.join(posix.dirname(ONNX), name), from);
  }
  for (const name of wanted.keys()) await createFolder(join(path, posix.dirname(name)));
  await take(source, { wanted, path }, call);
}

async function take(
  { store, files, revision }: Source,
  { wanted, path }: { wanted: ReadonlyMap<string, string>; path: string },
  call: Call,
): Promise<void> {
  const exported = [...wanted].flatMap(([name, from]) => {
    const file = files.get(from);
    if (file === undefined) return [];
    const limit = name.endsWith(".json") ? JSON_BYTES_MAX : FILE_BYTES_MAX;
    if (file.mode === "120000" || file.sizeBytes > limit)
      throw new SmcError(
        "LIMIT_EXCEEDED",
        `'${show(from, 200)}' of '${show(revision, 80)}' is a link, or larger than ${limit} bytes; nothing was computed`,
      );
    return [{ path: join(path, name), digest: file.digest, executable: false }];
  });
  await store.objects.exportFiles(exported, call);
}

/** Of a trained network whose inputs another model makes; what is no such file the trainer refuses. */
async function backboneOf(path: string): Promise<string | undefined> {
  const architecture = parseJson(await readFile(path)) as
    | { extractor?: { file?: unknown } }
    | undefined
    | null;
  const file = architecture?.extractor?.file;
  return typeof file === "string" ? posix.normalize(file) : undefined;
}

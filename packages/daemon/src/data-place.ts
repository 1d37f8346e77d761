/**
 * For `data`, `eval` and `export`: their verbs with the trainer that reads; and for `train`: what its words for data
 * and backbone name.
 */
import { isAbsolute, posix } from "node:path";
import {
  type Call,
  cat,
  type CheckedSettings,
  data,
  type DataResult,
  dataSetsOf,
  type EvalResult,
  evaluate,
  exportModel,
  type ExportResult,
  mayBeInVersion,
  settingsOfPath,
} from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Input } from "./api.ts";
import { type Context, openRepository } from "./context.ts";
import { filesPlaceOf } from "./files-place.ts";
import { evaluateModel, exportTrained, inspectData } from "./jobs/check-training.ts";

type Scalars = Readonly<Record<string, string | number | boolean | null>>;

/** Reading data may take minutes: nobody waits for it. */
export async function dataIn(context: Context, input: Input<"data">, call: Call): Promise<DataResult> {
  return data({ ...(await filesPlaceOf(context)), inspect: inspectData }, input, call);
}

/** It enters the store for the parts that need it. */
export async function evalIn(context: Context, input: Input<"eval">, call: Call): Promise<EvalResult> {
  return evaluate({ ...(await filesPlaceOf(context)), evaluate: evaluateModel }, input, call);
}

export async function exportIn(context: Context, input: Input<"export">, call: Call): Promise<ExportResult> {
  return exportModel({ ...(await filesPlaceOf(context)), exportModel: exportTrained }, input, call);
}

/**
 * `{"data": "cats"}` → the settings of that data set in the version that is learned from, else those of the path; other
 * settings win. Throws FILE_MALFORMED, and as `dataSetsOf`.
 */
export async function withDataSet(
  context: Context,
  { settings, revision = "HEAD" }: { settings: Scalars; revision: string | undefined },
  call: Call,
): Promise<Scalars> {
  const { data: word, ...others } = settings;
  if (word === undefined) return settings;
  const name = String(word);
  const sets = await dataSetsOf(await openRepository(context), revision, call);
  const set = sets.find((each) => each.name === name);
  return { ...(set?.settings ?? settingsOfPath(name)), ...others };
}

/** What is wrong with the place of the data: only looked at, not read. */
export async function missingData(
  context: Context,
  { settings, named, revision = "HEAD" }: { settings: Scalars; named: Scalars; revision: string | undefined },
  call: Call,
): Promise<CheckedSettings["faults"]> {
  const { "data.path": path, "data.kind": kind } = named;
  if (typeof path !== "string" || kind === "digits") return [];
  const field = settings["data"] === undefined ? "data.path" : "data";
  if (isAbsolute(path) || posix.normalize(path).split("/")[0] === "..")
    return [{ field, message: `'${show(path, 200)}' leads out of the version; name it from its root on` }];
  const isThere = await mayBeInVersion(await openRepository(context), { revision, path }, call);
  if (isThere) return [];
  const message = `'${show(path, 200)}' is not in ${show(revision, 80)}; add and commit it first`;
  return [{ field, message }];
}

const EXTRACTOR = /^onnx:(?:(.+):)?([^:]+)$/s;

/** As they are for the trainer, with data and model of the worktree. */
export function settingsHere(settings: Scalars): Scalars {
  const { data: word, ...others } = settings;
  const own = word === undefined ? others : { ...settingsOfPath(String(word)), ...others };
  const [, , file = ""] = EXTRACTOR.exec(String(settings["backbone.name"] ?? "")) ?? [];
  return file === "" ? own : { ...own, "backbone.name": "onnx", "backbone.file": file };
}

/**
 * `{"backbone.name": "onnx:models/m.onnx"}` → the model of that path; `onnx:REV:models/m.onnx` only when the version
 * that is trained on has the same: a job sees the files of one version. Throws ARGUMENT_INVALID, and as `cat`.
 */
export async function withExtractor(
  context: Context,
  { settings, revision = "HEAD" }: { settings: Scalars; revision: string | undefined },
  call: Call,
): Promise<Scalars> {
  const [, from, file = ""] = EXTRACTOR.exec(String(settings["backbone.name"] ?? "")) ?? [];
  if (file === "") return settings;
  if (from !== undefined) {
    const repository = await openRepository(context);
    const wanted = await cat(repository, { revision: `${from}:${file}` }, call);
    const there = await cat(repository, { revision: `${revision}:${file}` }, call);
    if (wanted.digest !== there.digest)
      throw new SmcError(
        "ARGUMENT_INVALID",
        `'${show(file, 200)}' of ${show(from, 80)} is another file than that of ${show(revision, 80)}, which is trained on; no job was made`,
        { hint: `bring it there and commit: smc restore --source ${show(from, 80)} ${show(file, 200)}` },
      );
  }
  return { ...settings, "backbone.name": "onnx", "backbone.file": file };
}

/** `smc eval`: runs the model of a version over data and keeps the numbers as an evaluation of that version. */
import type { Call } from "../call.ts";
import { dataHere } from "../data/data-here.ts";
import type { Settings } from "../data/data-file.ts";
import { SmcError } from "../errors.ts";
import { type TrainedModel, withTrainedModel } from "../jobs/trained-model.ts";
import type { FilesPlace } from "../layout/folders.ts";
import type { Digest } from "../objects/digest.ts";
import { addNote, type Note } from "../registry/notes.ts";
import { show } from "../show.ts";

/** What the trainer says of a model and data. */
export interface ModelReport {
  /** SHA-256 of all samples in their order. */
  readonly digest: string;
  /** The samples are those that the model was trained on; null where that was not kept. */
  readonly isTrainingData: boolean | null;
  /** As many were looked at. */
  readonly samples: number;
  /** loss, acc and balanced_acc; or loss, mae and rmse. */
  readonly metrics: Readonly<Record<string, number>>;
  /** In the model's order; none where numbers are predicted. */
  readonly classes: readonly { readonly name: string; readonly samples: number; readonly right: number }[];
  /** How often a class was taken for which, the most frequent first; at most 10,000 pairs. */
  readonly confusion: readonly {
    readonly expected: string;
    readonly predicted: string;
    readonly samples: number;
  }[];
  /** What computed. */
  readonly backend: string;
  /** Who says which class is which output; "data" is a guess: the order in which they name them. */
  readonly classesFrom: "model" | "asked" | "data";
}

export type EvalSplit = "all" | "validation";

export interface EvalPlace extends FilesPlace {
  /**
   * Runs the model in the folder `model` over data below the worktree, in a process of its own. `onnx`: it is the file
   * `onnx/model.onnx` of another program, with the names of its classes.
   */
  readonly evaluate: (
    settings: Settings,
    options: {
      root: string;
      model: string;
      split: EvalSplit;
      onnx: { readonly classes?: readonly string[] } | null;
    },
    call: Call,
  ) => Promise<ModelReport>;
}

export interface EvalOptions {
  /** A version, or `REV:FOLDER` or `REV:FILE.onnx` where it holds several models; HEAD when left out. */
  readonly revision?: string;
  /** A data set of the worktree, a path in it, or `digits`. */
  readonly data: string;
  /** What goes before the settings of the data set; of an ONNX model also `backbone.pixels`, `.layout`, `.output`. */
  readonly settings?: Readonly<Record<string, string | number | boolean | null>>;
  /** Of an ONNX model, in the order of its outputs. */
  readonly classes?: readonly string[];
  /** validation: only what a training keeps aside; all when left out. */
  readonly split?: EvalSplit;
  /** `acc`, or `NAME=acc` for a name of one's own: what is noted. All of them when left out. */
  readonly metrics?: readonly string[];
  /** Notes nothing. */
  readonly dryRun?: boolean;
}

export interface EvalResult extends Omit<ModelReport, "digest"> {
  readonly commit: Digest;
  /** Of the version, where the model is: a folder, empty for its root, or an ONNX file. */
  readonly folder: string;
  readonly data: { readonly name: string; readonly digest: string };
  readonly split: EvalSplit;
  /** As the version has them from now on. */
  readonly noted: Readonly<Record<string, number>>;
  /** Null for a dry run. */
  readonly note: Note | null;
}

/**
 * The note is added when all of it is known. Throws REVISION_NOT_FOUND, FILE_UNSUPPORTED for a version that has neither
 * a model of the trainer of smc nor one as ONNX, PATH_NOT_FOUND, FILE_MALFORMED for data or a model that do not fit,
 * CONFIG_INVALID, ARGUMENT_INVALID, LIMIT_EXCEEDED.
 */
export async function evaluate(place: EvalPlace, options: EvalOptions, call: Call): Promise<EvalResult> {
  const { revision = "HEAD", split = "all", dryRun = false } = options;
  const repository = await place.openRepository();
  const { name, settings: own } = await dataHere(place, options.data);
  const settings = { ...own, ...checkedSettings(options.settings ?? {}) };
  const prefix = `${name.replace(/[^A-Za-z0-9_]+/g, "_")}_${split === "all" ? "" : "val_"}`;
  const wishes = (options.metrics ?? []).map((text) => parseWish(text, prefix));
  const { classes } = options;
  const use = async ({ commit, folder, path, isOnnx }: TrainedModel) => {
    if (!isOnnx && classes !== undefined)
      throw new SmcError(
        "ARGUMENT_INVALID",
        "a model of the trainer of smc knows its classes: they are named for ONNX models only; nothing was computed",
      );
    const onnx = isOnnx ? (classes === undefined ? {} : { classes }) : null;
    const report = await place.evaluate(settings, { root: place.root, model: path, split, onnx }, call);
    return { commit, folder, ...report };
  };
  const { digest, ...report } = await withTrainedModel(repository, revision, { use, call, takesOnnx: true });
  const noted = notedOf(report, { wishes, prefix });
  const { commit, samples } = report;
  const told = { ...report, data: { name, digest }, split, noted };
  if (dryRun) return { ...told, note: null };
  using _ = place.store.calls.enter();
  const evaluated = { data: name, digest, split, samples };
  const text = `${show(name, 200)}${split === "all" ? "" : ` (${split})`}: ${samples} samples, data ${digest.slice(0, 12)}`;
  const note = await addNote(
    repository,
    { commit, kind: "evaluation", text, metrics: noted, evaluated },
    call,
  );
  return { ...told, note };
}

const SETTING =
  /^(?:data\.[A-Za-z]{1,40}|validation|splitSeed|backbone\.(?:inputSize|pixels|layout|output))$/;

function checkedSettings(settings: NonNullable<EvalOptions["settings"]>): Settings {
  const all = Object.entries(settings);
  const [strange] = all.find(([name, value]) => value === null || !SETTING.test(name)) ?? [];
  if (strange === undefined)
    return Object.fromEntries(all.flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
  throw new SmcError(
    "ARGUMENT_INVALID",
    `'${show(strange, 80)}' does not say how data are read or brought to a model; nothing was computed`,
    { hint: "such are data.label, data.task, backbone.inputSize, backbone.pixels, backbone.output" },
  );
}

interface Wish {
  readonly metric: string;
  /** Under which it is noted. */
  readonly name: string;
}

function parseWish(text: string, prefix: string): Wish {
  const cut = text.lastIndexOf("=");
  const [name, metric] = cut < 0 ? [`${prefix}${text}`, text] : [text.slice(0, cut), text.slice(cut + 1)];
  if (/^[A-Za-z0-9_][A-Za-z0-9_./@-]{0,199}$/.test(name)) return { metric, name };
  throw new SmcError(
    "ARGUMENT_INVALID",
    `'${show(text, 80)}' is no name for a metric; nothing was computed`,
    {
      hint: "write it as --metric acc or --metric name=acc",
    },
  );
}

function notedOf(
  { metrics }: Pick<ModelReport, "metrics">,
  { wishes, prefix }: { wishes: readonly Wish[]; prefix: string },
): Record<string, number> {
  const all = Object.keys(metrics).map((metric) => ({ metric, name: `${prefix}${metric}` }));
  const noted = (wishes.length === 0 ? all : wishes).map(({ metric, name }) => {
    const value = metrics[metric];
    if (value !== undefined) return [name, value] as const;
    const there = Object.keys(metrics).join(", ");
    throw new SmcError(
      "ARGUMENT_INVALID",
      `there is no metric '${show(metric, 80)}', there are ${there}; nothing was noted`,
    );
  });
  return Object.fromEntries(noted);
}

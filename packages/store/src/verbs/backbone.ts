/** `smc backbone`: which networks there are, what one builds, which one a training takes, and which is the best. */
import { join } from "node:path";
import type { Call } from "../call.ts";
import { dataPath, readDataFile } from "../data/data-file.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { type BackboneRun, backboneHistory } from "../jobs/backbone-history.ts";
import { bestRow, compareGroup, findGroup, type GroupComparison } from "../jobs/compare-group.ts";
import type { Settings, TrainPlace } from "../jobs/job-queue.ts";
import { changeText, type TrainingChange } from "../jobs/train-config.ts";
import { editSettings, readTrainText, settingsIn, TRAIN_FILE, writeTrainFile } from "../jobs/train-file.ts";
import type { FilesPlace } from "../layout/folders.ts";
import { FileWork, noteFiles } from "../layout/note-files.ts";
import type { Answer } from "../registry/change-role.ts";
import { readLower } from "../registry/metrics-lower.ts";
import { show } from "../show.ts";
import { exclusively } from "../worktree/worktree.ts";
import { train, type TrainResult } from "./train.ts";

const VALUE_SHOWN = 200;
const CHANGES_SHOWN = 20;
const BENCH_NAME = "bench";
const PART = "backbone.";
/** What says something about the data stays when another backbone is used. */
const KEPT = "backbone.inputSize";

export interface BackboneKind {
  readonly name: string;
  readonly summary: string;
  /** `layers` where nobody says. */
  readonly layers: number;
  /** For images of 32 x 32 x 3 and 10 classes; null where it depends on a file. */
  readonly weights: number | null;
}

export interface BackboneLayer {
  readonly kind: string;
  /** Empty where it has no weights. */
  readonly name: string;
  /** What comes out of it. */
  readonly shape: readonly number[];
  /** Numbers that are learned. */
  readonly weights: number;
}

/** What the trainer says of settings. */
export interface DescribedBackbone {
  readonly faults: readonly { readonly field: string; readonly message: string }[];
  /** Its settings with their defaults; empty with faults, as all that follows. */
  readonly backbone: Readonly<Record<string, string | number | boolean>>;
  readonly inputShape: readonly number[];
  readonly outputs: number;
  readonly layers: readonly BackboneLayer[];
  /** Numbers that are learned. */
  readonly weights: number;
}

/** What is known of data before they are read. */
export interface KnownData {
  readonly shape?: readonly number[];
  readonly outputs?: number;
}

export interface BackbonePlace
  extends FilesPlace, Pick<TrainPlace, "queue" | "checkSettings" | "previewBatch"> {
  readonly kinds: (call: Call) => Promise<readonly BackboneKind[]>;
  /** Settings of a training, `data.kind` in place of `data`. Throws PATH_NOT_FOUND for a model that is not there. */
  readonly describe: (
    settings: Settings,
    options: { root: string; known: KnownData },
    call: Call,
  ) => Promise<DescribedBackbone>;
}

export interface BackboneOptions {
  readonly action: "list" | "show" | "use" | "set" | "validate" | "bench" | "apply";
  /** `show`, `use`, `validate`: a backbone; `apply`: a search. `bench`: of its search, "bench" when left out. */
  readonly name?: string;
  /** `bench`: the backbones to try. */
  readonly backbones?: readonly string[];
  /** `use`, `set`, `validate`: parts of it, `layers`; null for the usual. `bench`: settings of a training. */
  readonly settings?: Settings;
  /** `list`: those that can learn this. */
  readonly task?: "classify" | "regress" | "detect";
  /** For `show` and `validate`, in place of what the file says: a data set, or a path of the worktree. */
  readonly data?: string;
  /** `apply`: by which they are ranked. */
  readonly metric?: string;
  /** A value that was set and is replaced must be answered "yes"; "plan" changes nothing. */
  readonly answer?: Answer;
}

export interface BackboneResult {
  readonly action: BackboneOptions["action"];
  /** Absolute path of `smc.train.yaml`. */
  readonly file: string;
  /** `list`. */
  readonly kinds: readonly BackboneKind[];
  /** `show`, `validate`, and of `use`, `set` and `apply` what is now there. */
  readonly described: DescribedBackbone | null;
  /** `show`: what was trained with it, the newest 50 jobs. */
  readonly history: readonly BackboneRun[];
  /** What was or would be changed in the file. */
  readonly changes: readonly TrainingChange[];
  /** In the audit log; false when nothing changed, and when the store takes no writes. */
  readonly recorded: boolean;
  /** `bench`. */
  readonly training: TrainResult | null;
  /** `apply`. */
  readonly comparison: GroupComparison | null;
}

/**
 * Throws USAGE, CONFIG_INVALID with all that is wrong, CONFIRMATION_NEEDED, FILE_MALFORMED for the file,
 * PATH_NOT_FOUND, JOB_NOT_FOUND, JOB_STATE_WRONG, and as `train` for `bench`; then nothing was changed.
 */
export async function backbone(
  place: BackbonePlace,
  options: BackboneOptions,
  call: Call,
): Promise<BackboneResult> {
  const { action, name } = options;
  const file = join(place.root, TRAIN_FILE);
  const nothing = {
    action,
    file,
    kinds: [],
    described: null,
    history: [],
    changes: [],
    recorded: false,
    training: null,
    comparison: null,
  };
  switch (action) {
    case "list":
      return { ...nothing, kinds: await kindsFor(place, options.task, call) };
    case "show":
    case "validate": {
      const settings = asked(settingsIn(file, await readTrainText(file)), options);
      const described = await describe(place, settings, call);
      assertFits(described, "nothing was changed");
      if (action === "validate") return { ...nothing, described };
      return { ...nothing, described, history: await historyOf(place, described) };
    }
    case "use":
      if (name === undefined) throw new SmcError("USAGE", "name the backbone to use; nothing was changed");
      return { ...nothing, ...(await change(place, { ...options, name, file }, call)) };
    case "set":
      if (Object.keys(options.settings ?? {}).length === 0)
        throw new SmcError("USAGE", "say what to set, such as layers=3; nothing was changed");
      return { ...nothing, ...(await change(place, { ...options, file }, call)) };
    case "bench":
      return { ...nothing, ...(await bench(place, options, call)) };
    case "apply":
      return { ...nothing, ...(await apply(place, { ...options, file }, call)) };
    default: {
      const unknown: never = action;
      throw new SmcError("INTERNAL", `no action '${String(unknown)}'`);
    }
  }
}

async function kindsFor(
  { kinds }: BackbonePlace,
  task: BackboneOptions["task"],
  call: Call,
): Promise<readonly BackboneKind[]> {
  if (task !== "detect") return kinds(call);
  throw new SmcError("ARGUMENT_INVALID", "smc has no backbone that finds objects in images", {
    hint: 'run a detector as a program: "smc train -- python train.py"',
  });
}

/** The settings with what was asked for put over them. */
function asked(
  before: Settings,
  { name, settings = {}, data }: Pick<BackboneOptions, "name" | "settings" | "data">,
): Settings {
  const isOther = name !== undefined && name !== before["backbone.name"];
  const kept = Object.entries(before).filter(
    ([key]) => !(isOther && key.startsWith(PART) && key !== KEPT) && !(data !== undefined && isData(key)),
  );
  const own = Object.entries(settings).map(([key, value]) => [PART + key, value] as const);
  const all = {
    ...Object.fromEntries(kept),
    ...(name === undefined ? {} : { "backbone.name": name }),
    ...(data === undefined ? {} : { data }),
    ...Object.fromEntries(own),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

function isData(key: string): boolean {
  return key === "data" || key.startsWith("data.");
}

async function describe(place: BackbonePlace, settings: Settings, call: Call): Promise<DescribedBackbone> {
  const { data: word, ...others } = settings;
  const { sets } = word === undefined ? { sets: [] } : await readDataFile(dataPath(place));
  const set = sets.find(({ name }) => name === word);
  const checked = set?.checked ?? undefined;
  const classes = Object.keys(checked?.classes ?? {}).length;
  const known = {
    ...(checked === undefined ? {} : { shape: checked.shape }),
    ...(classes === 0 ? {} : { outputs: classes }),
  };
  const whole = set === undefined ? settings : { ...set.settings, ...others };
  return place.describe(whole, { root: place.root, known }, call);
}

function assertFits({ faults }: DescribedBackbone, unchanged: string): void {
  if (faults.length === 0) return;
  const lines = faults.map(({ field, message }) => `${field}: ${message}`);
  throw new SmcError(
    "CONFIG_INVALID",
    `the backbone cannot be trained: ${show(lines.join("; "), 10 * VALUE_SHOWN)}; ${unchanged}`,
    { hint: "correct all of these and say it again", details: { faults } },
  );
}

/** Outside of a repository nothing was trained. */
async function historyOf(
  { openRepository, queue }: BackbonePlace,
  { backbone: { name, file } }: DescribedBackbone,
): Promise<readonly BackboneRun[]> {
  const word = file === undefined ? String(name) : `${String(name)}:${String(file)}`;
  try {
    return await backboneHistory(await openRepository(), { records: queue.list(), backbone: word });
  } catch (error) {
    if (isSmcError(error, "WORKTREE_NOT_FOUND") || isSmcError(error, "REPOSITORY_NOT_FOUND")) return [];
    throw error;
  }
}

interface ChangeAsked extends Pick<BackboneOptions, "action" | "name" | "settings" | "answer"> {
  readonly file: string;
}

type Changed = Pick<BackboneResult, "described" | "changes" | "recorded">;

async function change(place: BackbonePlace, options: ChangeAsked, call: Call): Promise<Changed> {
  const { file, answer } = options;
  return exclusively({ root: file }, call, async () => {
    const text = await readTrainText(file);
    const before = settingsIn(file, text);
    const after = asked(before, options);
    const changes = changesOf(before, after);
    const described = await describe(place, after, call);
    assertFits(described, "nothing was changed");
    const told = { described, changes, recorded: false };
    const what = changes.slice(0, CHANGES_SHOWN).map(changeText).join("; ");
    const isReplacing = changes.some(({ before: was }) => was !== undefined);
    if (changes.length === 0 || answer === "plan") return told;
    if (isReplacing && answer === undefined)
      throw new SmcError(
        "CONFIRMATION_NEEDED",
        `'${show(file)}' says otherwise: ${what}; nothing was changed`,
        {
          details: { changes },
        },
      );
    const note = { op: "backbone.set", what };
    if (answer === "no") {
      await noteFiles(place, { ...note, what: `declined: ${what}` });
      return told;
    }
    const edited = editSettings(file, text, Object.fromEntries(changes.map(newValue)));
    await using work = await FileWork.begin(place, note);
    await writeTrainFile(file, edited);
    return { ...told, recorded: await work.record() };
  });
}

function newValue({ key, after }: TrainingChange): [string, Settings[string]] {
  return [key, (after ?? null) as Settings[string]];
}

function changesOf(before: Settings, after: Settings): TrainingChange[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) => {
    const [was, is] = [before[key], after[key]];
    if (was === is) return [];
    return [
      { key, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) },
    ];
  });
}

async function bench(
  place: BackbonePlace,
  { backbones = [], settings = {}, name = BENCH_NAME }: BackboneOptions,
  call: Call,
): Promise<Pick<BackboneResult, "training" | "recorded">> {
  if (backbones.length === 0) throw new SmcError("USAGE", "name the backbones to try; no job was made");
  const grid = { "backbone.name": backbones };
  const training = await train(place, { argv: [], engine: "tfjs", name, grid, settings }, call);
  const what = `${backbones.map((each) => show(each, VALUE_SHOWN)).join(", ")}: group ${training.group ?? ""}`;
  return { training, recorded: await noteFiles(place, { op: "backbone.bench", what }) };
}

async function apply(
  place: BackbonePlace,
  { name = BENCH_NAME, metric, answer, file }: BackboneOptions & { readonly file: string },
  call: Call,
): Promise<Changed & Pick<BackboneResult, "comparison">> {
  const { store } = place;
  const records = findGroup(place.queue.list(), name);
  const lower = await readLower({ store, worktree: undefined });
  const comparison = await compareGroup(store, records, { metric, lower });
  const { name: repository } = await place.openRepository();
  const { values } = bestRow(comparison, { repository, unchanged: "nothing was changed" });
  const best = values["backbone.name"];
  if (best === undefined)
    throw new SmcError("USAGE", `group ${comparison.name} did not try backbones; nothing was changed`);
  const asking = { action: "apply" as const, name: best, file, ...(answer === undefined ? {} : { answer }) };
  return { ...(await change(place, asking, call)), comparison };
}

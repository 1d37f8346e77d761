/** For verbs about jobs: the queue, and the repository that the user stands in. */
import {
  audit,
  type AuditResult,
  backbone,
  type BackbonePlace,
  type BackboneResult,
  type Call,
  type CheckedSettings,
  findJob,
  flattenSettings,
  jobPlaces,
  JOB_ID,
  type JobRecord,
  jobs,
  type TrainPlace,
  type JobsResult,
  readHistoryEnds,
  stateOfJob,
} from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import type { Input } from "./api.ts";
import { type Context, openRepository } from "./context.ts";
import { missingData, settingsHere, withDataSet, withExtractor } from "./data-place.ts";
import { filesPlaceOf } from "./files-place.ts";
import {
  checkTraining,
  checkTrainings,
  describeBackbone,
  listBackbones,
  nest,
  previewBatch,
} from "./jobs/check-training.ts";

export function onJobs<Options, Result>(
  verb: (place: TrainPlace, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    const { store, jobs } = context;
    using _ = store.calls.enter();
    const open = (): ReturnType<typeof openRepository> => openRepository(context);
    const checkSettings = checkerOf(context, call);
    const place = { store, queue: jobs, openRepository: open, checkSettings, previewBatch };
    return await verb(place, input, call);
  };
}

/** A job is named as for `jobs`; of one that was removed, its id is what the journal knows. */
export async function auditIn(context: Context, input: Input<"audit">, call: Call): Promise<AuditResult> {
  const { job } = input;
  if (job === undefined) return audit(context.store, input, call);
  return audit(context.store, { ...input, job: idOfJob(context, job) }, call);
}

function idOfJob({ jobs: queue }: Context, text: string): string {
  try {
    return findJob({ queue }, text).id;
  } catch (error) {
    if (!isSmcError(error, "JOB_NOT_FOUND") || !JOB_ID.test(text)) throw error;
    return text;
  }
}

function checkerOf(context: Context, call: Call): TrainPlace["checkSettings"] {
  return async (all, revision) => {
    const whole: object[] = [];
    const missing: CheckedSettings["faults"][] = [];
    for (const settings of all) {
      const named = await withDataSet(context, { settings, revision }, call);
      missing.push(await missingData(context, { settings, named, revision }, call));
      whole.push(nest(await withExtractor(context, { settings: named, revision }, call)));
    }
    const checked = await checkTrainings(whole, call.signal);
    return checked.map((each, at) => ({ ...each, faults: [...each.faults, ...(missing[at] ?? [])] }));
  };
}

export async function backboneIn(
  context: Context,
  input: Input<"backbone">,
  call: Call,
): Promise<BackboneResult> {
  using _ = context.store.calls.enter();
  const place: BackbonePlace = {
    ...(await filesPlaceOf(context)),
    queue: context.jobs,
    checkSettings: checkerOf(context, call),
    previewBatch,
    kinds: listBackbones,
    describe: (settings, options, asked) => describeBackbone(settingsHere(settings), options, asked),
  };
  return await backbone(place, input, call);
}

/** A job that is resumed may get more epochs and more patience: both are settings of the engine `tfjs`. */
export async function jobsIn(context: Context, input: Input<"jobs">, call: Call): Promise<JobsResult> {
  const { epochs, patience, ...options } = input;
  const isPlain = epochs === undefined && patience === undefined;
  if (isPlain && (options.action !== "retry" || options.resume !== true))
    return onJobs(jobs)(context, options, call);
  const record = findJob({ queue: context.jobs }, options.job ?? "");
  if (isPlain && record.spec.engine !== "tfjs") return onJobs(jobs)(context, options, call);
  const spec = await extended(record, input, call);
  await assertNotLearned(context, record, spec);
  if (isPlain) return onJobs(jobs)(context, options, call);
  const settings = { spec, params: flattenSettings(JSON.parse(spec)) };
  return onJobs(jobs)(context, { ...options, settings }, call);
}

async function extended(
  { spec, id }: JobRecord,
  { epochs, patience }: Pick<Input<"jobs">, "epochs" | "patience">,
  call: Call,
): Promise<string> {
  if (spec.engine !== "tfjs")
    throw new SmcError(
      "USAGE",
      `job ${id} runs a program, whose words stay as they are; nothing was changed`,
      {
        hint: 'start it with other words: "smc train -- PROGRAM ..."',
      },
    );
  const now = JSON.parse(spec.argv[1] ?? "{}") as { readonly earlyStop?: object };
  if (patience !== undefined && now.earlyStop === undefined)
    throw new SmcError("USAGE", `job ${id} has no early stop whose patience there is; nothing was changed`);
  const changed = {
    ...now,
    ...(epochs === undefined ? {} : { epochs }),
    ...(patience === undefined ? {} : { earlyStop: { ...now.earlyStop, patience } }),
  };
  return checkTraining(changed, call.signal);
}

/** Of a job that has given its model, an end with the same one is refused: whoever asks for it expects more. */
async function assertNotLearned({ store }: Context, record: JobRecord, spec: string): Promise<void> {
  const { epochs } = JSON.parse(spec) as { readonly epochs: number };
  const last = (await readHistoryEnds(jobPlaces(store.path, record).history)).last?.epoch ?? 0;
  const isWhole = stateOfJob(record) === "finished" && record.commit !== null;
  if (isWhole ? epochs > last : epochs >= last) return;
  const { id } = record;
  throw new SmcError(
    "ARGUMENT_INVALID",
    `job ${id} has learned ${last} epochs already; nothing was changed`,
    {
      hint: `name more than those: "smc jobs retry --resume ${id} --epochs ${2 * last}"`,
    },
  );
}

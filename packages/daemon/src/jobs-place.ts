/** For verbs about jobs: the queue, and the repository that the user stands in. */
import {
  type Call,
  findJob,
  jobPlaces,
  type JobRecord,
  jobs,
  type JobsPlace,
  type JobsResult,
  readHistory,
  train,
  type TrainResult,
} from "@smc/store";
import { SmcError } from "@smc/store/errors";
import type { Input } from "./api.ts";
import { type Context, openRepository } from "./context.ts";
import { withDataSet, withExtractor } from "./data-place.ts";
import { checkTraining, nest } from "./jobs/check-training.ts";

/** Checkpoints of the engine `tfjs`, in its output. */
const CHECKPOINTS = "checkpoints/*";

export function onJobs<Options, Result>(
  verb: (place: JobsPlace, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    const { store, jobs } = context;
    using _ = store.calls.enter();
    const open = (): ReturnType<typeof openRepository> => openRepository(context);
    return await verb({ store, queue: jobs, openRepository: open }, input, call);
  };
}

/** Settings are those of the engine `tfjs`; another program has words of its own. */
export async function trainIn(context: Context, input: Input<"train">, call: Call): Promise<TrainResult> {
  const { settings, ...options } = input;
  if (options.engine !== "tfjs") {
    if (settings !== undefined)
      throw new SmcError("USAGE", "settings go with the engine tfjs; no job was made");
    return onJobs(train)(context, options, call);
  }
  if (options.argv.length > 0)
    throw new SmcError("USAGE", "the engine tfjs takes no program; no job was made");
  const { revision } = options;
  const named = await withDataSet(context, { settings: settings ?? {}, revision }, call);
  const whole = await withExtractor(context, { settings: named, revision }, call);
  const spec = await checkTraining(nest(whole), call.signal);
  const params = { ...flatten(JSON.parse(spec)), ...options.params };
  return onJobs(train)(context, { ...options, argv: [spec], params, checkpoints: CHECKPOINTS }, call);
}

/** A job that is resumed may get more epochs and more patience: both are settings of the engine `tfjs`. */
export async function jobsIn(context: Context, input: Input<"jobs">, call: Call): Promise<JobsResult> {
  const { epochs, patience, ...options } = input;
  if (epochs === undefined && patience === undefined) return onJobs(jobs)(context, options, call);
  const record = findJob({ queue: context.jobs }, options.job ?? "");
  const spec = await extended(record, input, call);
  if (epochs !== undefined) await assertNotLearned(context, record, epochs);
  const settings = { spec, params: flatten(JSON.parse(spec)) };
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

async function assertNotLearned({ store }: Context, record: JobRecord, epochs: number): Promise<void> {
  const last = (await readHistory(jobPlaces(store.path, record).history)).at(-1)?.epoch ?? 0;
  if (epochs >= last) return;
  const { id } = record;
  throw new SmcError(
    "ARGUMENT_INVALID",
    `job ${id} has learned ${last} epochs already; nothing was changed`,
    {
      hint: `name more than those: "smc jobs retry --resume ${id} --epochs ${2 * last}"`,
    },
  );
}

type Scalar = string | number | boolean | null;

/** `{"optimizer": {"name": "sgd"}}` → `{"optimizer.name": "sgd"}`. */
function flatten(value: object, prefix = ""): Record<string, Scalar> {
  const all = Object.entries(value).flatMap(([name, inner]: [string, unknown]): [string, Scalar][] => {
    if (typeof inner === "object" && inner !== null)
      return Object.entries(flatten(inner, `${prefix}${name}.`));
    return [[prefix + name, inner as Scalar]];
  });
  return Object.fromEntries(all);
}

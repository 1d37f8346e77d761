/** For verbs about jobs: the queue, and the repository that the user stands in. */
import { type Call, type JobsPlace, train, type TrainResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import type { Input } from "./api.ts";
import { type Context, openRepository } from "./context.ts";
import { checkTraining } from "./jobs/check-training.ts";

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
  const spec = await checkTraining(settings ?? {}, call.signal);
  const params = { ...flatten(JSON.parse(spec)), ...options.params };
  return onJobs(train)(context, { ...options, argv: [spec], params, checkpoints: CHECKPOINTS }, call);
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

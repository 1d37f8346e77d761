/** For verbs about jobs: the queue, and the repository that the user stands in. */
import type { Call, JobsPlace } from "@smc/store";
import { type Context, openRepository } from "./context.ts";

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

/** For verbs that download files from the web. They hold up nobody: a download may take hours. */
import type { Call, WebPlace } from "@smc/store";
import type { Context } from "../context.ts";
import { filesPlaceOf } from "../files-place.ts";
import { download } from "./download.ts";

export function withWeb<Options, Result>(
  verb: (place: WebPlace, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) =>
    verb({ ...(await filesPlaceOf(context)), web: { download } }, input, call);
}

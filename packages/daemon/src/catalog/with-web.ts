/** For verbs that download files from the web. They hold up nobody: a download may take hours. */
import type { Call, WebAccess, WebPlace } from "@smc/store";
import type { Context } from "../context.ts";
import { filesPlaceOf } from "../files-place.ts";
import { readAllowedHosts } from "../remotes/allowed-hosts.ts";
import { download } from "./download.ts";

export function withWeb<Options, Result>(
  verb: (place: WebPlace, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    const place = await filesPlaceOf(context);
    const privateHosts = await readAllowedHosts(place.store, "catalog.privateHosts");
    const web: WebAccess = { download: (file, call) => download(file, call, { privateHosts }) };
    return verb({ ...place, web }, input, call);
  };
}

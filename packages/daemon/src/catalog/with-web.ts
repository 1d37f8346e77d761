/** For verbs that download files from the web. They hold up nobody: a download may take hours. */
import { type Call, readConfig, type WebAccess, type WebPlace } from "@smc/store";
import type { Context } from "../context.ts";
import { filesPlaceOf } from "../files-place.ts";
import { parsePrivateHosts } from "../remotes/outside-addresses.ts";
import { download } from "./download.ts";

export function withWeb<Options, Result>(
  verb: (place: WebPlace, options: Options, call: Call) => Promise<Result>,
): (context: Context, input: Options, call: Call) => Promise<Result> {
  return async (context, input, call) => {
    const place = await filesPlaceOf(context);
    const { entries } = await readConfig({ storePath: place.store.path });
    const privateHosts = parsePrivateHosts(String(entries.get("catalog.privateHosts")?.value ?? ""));
    const web: WebAccess = { download: (file, call) => download(file, call, { privateHosts }) };
    return verb({ ...place, web }, input, call);
  };
}

/** Of `smc doctor`: is there a network, are addresses right, do remotes answer. */
import { networkInterfaces } from "node:os";
import { type Call, fail, type Finding, pass, readRemotes, type RemoteRecord, warn } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Context } from "./context.ts";
import { troubleOfRequest } from "./remotes/http-trouble.ts";
import { openRemote } from "./remotes/open-remote.ts";
import { NO_HOSTS } from "./remotes/outside-addresses.ts";
import { askOutside, parseOutsideUrl } from "./remotes/outside.ts";
import { parseRemoteUrl } from "./remotes/remote-url.ts";

/** What a remote or an address gets to answer. */
const ANSWER_MS = 5_000;
const REMOTES_MAX = 20;
const ADDRESSES_MAX = 20;

/** Asks nobody: what lies outside is the business of remotes. */
export function checkNetwork(): readonly Finding[] {
  const outside = Object.values(networkInterfaces())
    .flat()
    .filter((address) => address?.internal === false);
  if (outside.length > 0) return [pass(`this machine has ${outside.length} addresses`)];
  const hint = "connect it, or see that its network is up; folders as remotes do not need one";
  return [warn("this machine has no address in any network", hint)];
}

/** The remotes of all repositories. */
export async function listRemotes({ store }: Context): Promise<RemoteRecord[]> {
  const found: RemoteRecord[] = [];
  for (const { name } of await store.refs.listRepositories()) found.push(...(await readRemotes(store, name)));
  return found.slice(0, REMOTES_MAX);
}

/** Are the addresses of remotes ones, and do those that were named answer? */
export async function checkUrls(
  { remotes, urls }: { remotes: readonly RemoteRecord[]; urls: readonly string[] },
  call: Call,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { repository, name, url } of remotes) {
    try {
      parseRemoteUrl(url);
    } catch (error) {
      if (!isSmcError(error)) throw error;
      const hint = `smc --repo ${repository} remote set-url ${name} URL`;
      findings.push(fail(`${repository} ${name}: ${error.message}`, hint));
    }
  }
  findings.push(...(await Promise.all(urls.slice(0, ADDRESSES_MAX).map((url) => checkUrl(url, call)))));
  return findings.length > 0 ? findings : [pass(`${remotes.length} addresses of remotes, all well-formed`)];
}

async function checkUrl(text: string, call: Call): Promise<Finding> {
  const shown = `'${show(text, 200)}'`;
  try {
    const { href } = parseOutsideUrl(text, { isPlain: true });
    const { status, location } = await askOutside(
      { method: "HEAD", url: href, metadataHosts: NO_HOSTS },
      ANSWER_MS,
      call,
    );
    if (status >= 200 && status < 300) return pass(`${shown} answers ${status}`);
    if (status >= 300 && status < 400)
      return warn(
        `${shown} answers ${status} and leads to '${show(location ?? "nowhere", 200)}'`,
        "name that",
      );
    const hint =
      status === 401 || status === 403
        ? "it wants to know who asks: see your token or the link's signature"
        : "see that the address is right and that the file is still there";
    return fail(`${shown} answers ${status}`, hint);
  } catch (error) {
    if (isSmcError(error)) {
      if (error.code === "CANCELED") throw error;
      return fail(`${shown}: ${error.message}`, error.hint ?? "see that the address is right");
    }
    const { text: why, hint = "see that the address is right and that this machine is online" } =
      troubleOfRequest(error);
    return fail(`${shown}: ${why}`, hint);
  }
}

/** Does each remote tell its refs? Nothing is written there. */
export async function checkRemotes(
  context: Context,
  remotes: readonly RemoteRecord[],
  call: Call,
): Promise<readonly Finding[]> {
  if (remotes.length === 0) return [pass("none is configured")];
  return Promise.all(remotes.map((record) => checkRemote(context, record, call)));
}

async function checkRemote(
  context: Context,
  { repository, name, url }: RemoteRecord,
  call: Call,
): Promise<Finding> {
  const timeout = AbortSignal.timeout(ANSWER_MS);
  const bounded = { ...call, signal: AbortSignal.any([call.signal, timeout]) };
  const who = `${repository} ${name}`;
  try {
    await using remote = await openRemote(url, context);
    const refs = await remote.refs(bounded);
    return pass(`${who}: ${show(remote.url, 300)} answers, ${refs.length} refs`);
  } catch (error) {
    if (!isSmcError(error) || call.signal.aborted) throw error;
    const hint = "see that it runs, that this machine is online, and what the address says: smc remote";
    if (error.code === "CANCELED") return fail(`${who}: it did not answer in ${ANSWER_MS / 1000} s`, hint);
    return fail(`${who}: ${error.message}`, error.hint ?? hint);
  }
}

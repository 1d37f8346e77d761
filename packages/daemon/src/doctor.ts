/** `smc doctor`: what the store can see of itself, then this process, then what lies outside. */
import {
  type Call,
  doctor,
  type DoctorOptions,
  type DoctorResult,
  type DoctorRow,
  type Finding,
  pass,
  type RemoteRecord,
  runCheck,
  warn,
} from "@smc/store";
import type { Input } from "./api.ts";
import { type Context, folderOf } from "./context.ts";
import { checkNetwork, checkRemotes, checkUrls, listRemotes } from "./network-checks.ts";
import { VERSION } from "./protocol.ts";

/** More than the worst case of a busy daemon. */
const RSS_WARN_BYTES = 4 * 2 ** 30;

/** As `doctor`; without `offline` remotes and addresses are asked, each for a few seconds. */
export async function doctorIn(context: Context, input: Input<"doctor">, call: Call): Promise<DoctorResult> {
  const { urls = [], offline = false, ...options } = input;
  const { store } = context;
  const wanted: DoctorOptions = { ...options, folder: folderOf(context, input.folder) };
  const { checks: inside } = await doctor(store, wanted, call);
  const checks: DoctorRow[] = [...inside, ...(await runCheck("daemon", async () => checkDaemon()))];
  if (!offline) {
    const remotes = async (): Promise<RemoteRecord[]> => listRemotes(context);
    checks.push(
      ...(await runCheck("network", async () => checkNetwork())),
      ...(await runCheck("url", async () => checkUrls({ remotes: await remotes(), urls }, call))),
      ...(await runCheck("remote", async () => checkRemotes(context, await remotes(), call))),
    );
  }
  return { ok: checks.every(({ state }) => state !== "fail"), checks };
}

function checkDaemon(): readonly Finding[] {
  const rssBytes = process.memoryUsage.rss();
  const message = `pid ${process.pid}, version ${VERSION}, up ${Math.round(process.uptime())} s, ${Math.round(rssBytes / 2 ** 20)} MiB`;
  return [rssBytes > RSS_WARN_BYTES ? warn(message, "smc daemon restart") : pass(message)];
}

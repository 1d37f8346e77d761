/** `smc hook`: what the store keeps, and the way to receivers. */
import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { type Call, hook, type HookRecord, type HookResult } from "@smc/store";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Input } from "../api.ts";
import { type Context, folderOf } from "../context.ts";
import { readAllowedHosts } from "../remotes/allowed-hosts.ts";
import { assertOutsideHost } from "../remotes/outside-addresses.ts";
import { parseOutsideUrl } from "../remotes/outside.ts";
import { LIMITS } from "../remotes/retry.ts";
import { deliver } from "./deliver.ts";
import { testEvent } from "./message.ts";

/** Throws as `hook`. */
export async function hookIn(context: Context, input: Input<"hook">, call: Call): Promise<HookResult> {
  const { store } = context;
  const metadataHosts = await readAllowedHosts(store, "network.metadataHosts");
  const access = {
    store,
    checkUrl: (text: string) => {
      const url = parseOutsideUrl(text);
      assertOutsideHost(url, metadataHosts);
      return url.href;
    },
    checkProgram: (exec: readonly string[]) => checkProgram(context, exec),
    tell: (record: HookRecord, now: Call) =>
      deliver(record, testEvent(store.id), {
        call: now,
        limits: { ...LIMITS, retriesMax: 0 },
        metadataHosts,
      }),
    changed: () => context.onHooksChanged?.(),
  };
  return hook(access, input, call);
}

/** A word with `/` is a path as seen from where the user stands; any other is looked for in PATH when it is run. */
function checkProgram(context: Context, [program = "", ...args]: readonly string[]): readonly string[] {
  if (program === "") throw new SmcError("ARGUMENT_INVALID", "the program of the hook has no name");
  if (!program.includes("/")) return [program, ...args];
  const path = resolve(folderOf(context), program);
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw fromErrno(error, `cannot run '${show(path)}'; no hook was added`);
  }
  return [path, ...args];
}

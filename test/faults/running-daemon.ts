/** A daemon in the foreground, in an environment that a test spoils. */
import type { Ran, Sandbox } from "../e2e/sandbox.ts";

/** A value for the shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * Starts the daemon of a sandbox after the words of bash in `before`. Resolves with `undefined` when it runs, or with
 * what it printed when it ended before that.
 */
export async function startDaemon(sandbox: Sandbox, before: string): Promise<Ran | undefined> {
  await sandbox.ok("daemon", "stop");
  let ended: Ran | undefined;
  const running = sandbox.shell(`${before}\nexec "$SMC_TEST_NODE" "$SMC_TEST_BIN" daemon run`);
  void running.then((ran) => {
    ended = ran;
  });
  for (;;) {
    if ((await sandbox.smc(["daemon", "status"])).code === 0) return undefined;
    if (ended !== undefined) return ended;
  }
}

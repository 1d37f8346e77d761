/** Settings of the engine `tfjs` → its spec. Checked in a process of its own: the daemon loads no training. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type ErrorJson, SmcError } from "@smc/store/errors";

const ANSWER_BYTES_MAX = 1024 * 1024;
const CHECK_MS_MAX = 30_000;

type Scalars = Readonly<Record<string, string | number | boolean | null>>;

export function trainProgram(): string {
  // Built code also when the tests run from source: a child process cannot load TypeScript.
  return fileURLToPath(new URL("../../dist/jobs/train-program.js", import.meta.url));
}

/** `{"optimizer.name": "sgd"}` → `{"optimizer": {"name": "sgd"}}`. Throws ARGUMENT_INVALID for a name that is a value and a part. */
export function nest(settings: Scalars): Record<string, unknown> {
  const spec: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(settings)) {
    const parts = name.split(".");
    const last = parts.pop() ?? "";
    let part: Record<string, unknown> = spec;
    for (const key of parts) {
      const inner = Object.hasOwn(part, key) ? part[key] : Object.create(null);
      if (typeof inner !== "object" || inner === null || key === "__proto__")
        throw new SmcError(
          "ARGUMENT_INVALID",
          `the setting '${name}' is a value and a part; no job was made`,
        );
      part[key] = inner;
      part = inner as Record<string, unknown>;
    }
    if (last === "__proto__")
      throw new SmcError("ARGUMENT_INVALID", "'__proto__' is no setting; no job was made");
    part[last] = value;
  }
  return spec;
}

/** The spec with every default, as JSON. Throws CONFIG_INVALID with all that is wrong. */
export async function checkTraining(settings: object, signal: AbortSignal): Promise<string> {
  const words = [trainProgram(), "check", JSON.stringify(settings)];
  const child = spawn(process.execPath, words, {
    env: {},
    stdio: ["ignore", "pipe", "ignore"],
    timeout: CHECK_MS_MAX,
    signal,
    windowsHide: true,
  });
  const closed = once(child, "close");
  let text = "";
  for await (const part of child.stdout.setEncoding("utf8") as AsyncIterable<string>) {
    text += part;
    if (text.length > ANSWER_BYTES_MAX) child.kill("SIGKILL");
  }
  await closed;
  if (!text.endsWith("}\n"))
    throw new SmcError("INTERNAL", "the settings of the training could not be checked");
  const answer = JSON.parse(text) as { spec?: unknown; error?: ErrorJson };
  if (answer.error !== undefined) throw SmcError.fromJSON(answer.error);
  return JSON.stringify(answer.spec);
}

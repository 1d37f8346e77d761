/** Asks the engine `tfjs` about settings and data, in a process of its own: the daemon loads no training. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type {
  BackboneKind,
  Call,
  CheckedSettings,
  DataReport,
  DescribedBackbone,
  EvalPlace,
  ExportedModel,
  ExportFormat,
  KnownData,
  ModelReport,
  PreviewImage,
} from "@smc/store";
import { type ErrorJson, SmcError } from "@smc/store/errors";

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const CHECK_MS_MAX = 120_000;

type Scalars = Readonly<Record<string, string | number | boolean | null>>;

export function trainProgram(): string {
  // Built code also when the tests run from source: a child process cannot load TypeScript.
  return fileURLToPath(new URL("../../dist/jobs/train-program.js", import.meta.url));
}

/**
 * `{"optimizer.name": "sgd"}` → `{"optimizer": {"name": "sgd"}}`. Throws ARGUMENT_INVALID for a name that is a value
 * and a part.
 */
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
  const [answer] = await check([settings], signal);
  if (answer?.error !== undefined) throw SmcError.fromJSON(answer.error);
  return JSON.stringify(answer?.spec);
}

/** Of several at once; what is wrong is in `faults`. */
export async function checkTrainings(
  all: readonly object[],
  signal: AbortSignal,
): Promise<readonly CheckedSettings[]> {
  return (await check(all, signal)).map(({ spec, error }) => {
    if (error === undefined) return { spec: JSON.stringify(spec), faults: [] };
    if (error.code !== "CONFIG_INVALID") throw SmcError.fromJSON(error);
    return { faults: (error.details?.["faults"] ?? []) as CheckedSettings["faults"] };
  });
}

interface Checked {
  readonly spec?: unknown;
  readonly error?: ErrorJson;
}

async function check(all: readonly object[], signal: AbortSignal): Promise<readonly Checked[]> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CHECK_MS_MAX)]);
  return (await askTrainer(["check", JSON.stringify(all)], limit)) as readonly Checked[];
}

/**
 * Data below `root` as a training would read them. Throws CONFIG_INVALID, PATH_NOT_FOUND, UNSAFE_PATH, LIMIT_EXCEEDED.
 */
export async function inspectData(
  settings: Scalars,
  { root, show }: { root: string; show: number },
  { signal }: Call,
): Promise<DataReport> {
  const words = ["inspect", JSON.stringify(nest(settings)), root, String(show)];
  // It is what the same program writes, of the same version.
  return (await askTrainer(words, signal)) as DataReport;
}

/**
 * The model in a folder over data below `root`. Throws as the trainer's functions `evaluateModel` and, where `onnx` is
 * not null, `evaluateOnnx`.
 */
export async function evaluateModel(
  settings: Scalars,
  { root, model, split, onnx }: Parameters<EvalPlace["evaluate"]>[1],
  { signal }: Call,
): Promise<ModelReport> {
  const more = onnx === null ? "" : JSON.stringify(onnx);
  const words = ["eval", JSON.stringify(nest(settings)), root, model, split, more];
  // It is what the same program writes, of the same version.
  return (await askTrainer(words, signal)) as ModelReport;
}

/**
 * Writes the model in a folder into another, compared on data below `root`; null: on those that it was trained on.
 * Throws as the trainer's `exportModel`.
 */
export async function exportTrained(
  settings: Scalars | null,
  options: { root: string; model: string; output: string; formats: readonly ExportFormat[] },
  { signal }: Call,
): Promise<ExportedModel> {
  const { root, model, output, formats } = options;
  const spec = settings === null ? null : nest(settings);
  const words = ["export", JSON.stringify(spec), root, model, output, formats.join(",")];
  // It is what the same program writes, of the same version.
  return (await askTrainer(words, signal)) as ExportedModel;
}

/** Throws as the trainer's function of this name. */
export async function previewBatch(
  spec: string,
  { root, output, count }: { root: string; output: string; count: number },
  { signal }: Call,
): Promise<readonly PreviewImage[]> {
  // It is what the same program writes, of the same version.
  return (await askTrainer(["batch", spec, root, output, String(count)], signal)) as readonly PreviewImage[];
}

export async function listBackbones({ signal }: Call): Promise<readonly BackboneKind[]> {
  return (await askTrainer(["backbones"], signal)) as readonly BackboneKind[];
}

/** What a training with these settings would build, without training. Throws PATH_NOT_FOUND, UNSAFE_PATH. */
export async function describeBackbone(
  settings: Scalars,
  { root, known }: { root: string; known: KnownData },
  { signal }: Call,
): Promise<DescribedBackbone> {
  const asked = { spec: nest(settings), known };
  const words = ["describe", JSON.stringify(asked), root];
  return (await askTrainer(words, signal)) as DescribedBackbone;
}

/** What the program answers, in a process of its own. Throws what it throws; CANCELED. */
async function askTrainer(words: readonly string[], signal: AbortSignal): Promise<unknown> {
  const child = spawn(process.execPath, [trainProgram(), ...words], {
    env: {},
    stdio: ["ignore", "pipe", "ignore"],
    windowsHide: true,
  });
  const closed = once(child, "close");
  const stop = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  let text = "";
  for await (const part of child.stdout.setEncoding("utf8") as AsyncIterable<string>) {
    text += part;
    if (text.length > ANSWER_BYTES_MAX) stop();
  }
  await closed;
  signal.removeEventListener("abort", stop);
  if (!text.endsWith("}\n")) {
    if (signal.aborted) throw new SmcError("CANCELED", "the trainer was not waited for; nothing was changed");
    throw new SmcError("INTERNAL", "the trainer gave no answer; nothing was changed");
  }
  const { answer, error } = JSON.parse(text) as { answer?: unknown; error?: ErrorJson };
  if (error !== undefined) throw SmcError.fromJSON(error);
  return answer;
}

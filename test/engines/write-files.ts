/** Has the real libraries write files. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../source.ts";

interface Engine {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ExpectedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly sha256: string;
}

export interface ExpectedFile {
  readonly file: string;
  /** Null when it does not matter. */
  readonly format: string | null;
  readonly tensors: readonly ExpectedTensor[];
  readonly scattered: readonly string[];
  readonly external: readonly (Partial<ExpectedTensor> & { readonly name: string; readonly file: string })[];
  readonly risk: string | null;
}

const RECORD = join(ROOT, ".engines", "engines.json");
const TIMEOUT_MS = 180_000;

/**
 * Fills `folder` with what safetensors, NumPy, h5py, ONNX, GGUF, Keras and torch write, and says what is in each
 * file. Among them are `equal.safetensors`, `equal.npz` and `equal.pt`, with the same tensors. Throws when
 * scripts/engines.mjs has not run.
 */
export function writeFiles(folder: string): ExpectedFile[] {
  return (["files", "torch"] as const).flatMap((name) => {
    runEngine(name, [`write_${name}.py`, folder]);
    return JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as ExpectedFile[];
  });
}

/** The Python that has some of the libraries. Throws when scripts/engines.mjs has not run. */
export function engineOf(name: "files" | "torch" | "dvc"): Engine {
  if (!existsSync(RECORD)) throw new Error('the libraries are not there; run "node scripts/engines.mjs"');
  const engines = JSON.parse(readFileSync(RECORD, "utf8")) as Record<typeof name, Engine>;
  return engines[name];
}

/** Runs a program of this folder with the libraries. Throws when it fails, or when scripts/engines.mjs has not run. */
export function runEngine(name: "files" | "torch", [script = "", ...words]: readonly string[]): void {
  const { command, env } = engineOf(name);
  const args = [join(import.meta.dirname, script), ...words];
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env },
  });
  if (status !== 0) throw new Error(`${command} ended with ${status ?? error?.message}\n${stdout}${stderr}`);
}

/** Which of TensorFlow.js' backends computes. */
import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { registerWasmKernels } from "../kernels/register.ts";

export type BackendName = "native" | "wasm" | "cpu";

export interface Backend {
  readonly name: BackendName;
  /** What a user should know about it. */
  readonly warning: string | undefined;
}

/** Its install script fetches a library; it is used where somebody has installed it. */
const NATIVE_PACKAGE = "@tensorflow/tfjs-node";

/**
 * Makes the fastest backend that loads the current one of this process: the native one when its package is installed,
 * then WASM with our gradient kernels, then plain JavaScript. A name chooses one; the next follows when it does not
 * load.
 */
export async function chooseBackend(wanted: BackendName | "auto" = "auto"): Promise<Backend> {
  // Without it tfjs prints advice on the standard error.
  tf.env().set("PROD", true);
  if (wanted === "auto" || wanted === "native") {
    if (await loadNative()) return { name: "native", warning: undefined };
  }
  if (wanted !== "cpu" && (await loadWasm())) {
    const warning =
      wanted === "native" ? `the package ${NATIVE_PACKAGE} does not load; WASM computes instead` : undefined;
    return { name: "wasm", warning };
  }
  await import("@tensorflow/tfjs-backend-cpu");
  await tf.setBackend("cpu");
  const warning =
    wanted === "cpu" ? undefined : "WASM does not load: plain JavaScript computes, many times slower";
  return { name: "cpu", warning };
}

async function loadNative(): Promise<boolean> {
  try {
    await import(NATIVE_PACKAGE);
  } catch (error) {
    // Not installed, or without its library: whatever it says, the next backend does the work.
    void error;
    return false;
  }
  return tf.setBackend("tensorflow");
}

async function loadWasm(): Promise<boolean> {
  const entry = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
  if (tf.findBackend("wasm") === null) setWasmPaths(dirname(entry) + sep);
  const loaded = await tf.setBackend("wasm");
  if (loaded) registerWasmKernels();
  return loaded;
}

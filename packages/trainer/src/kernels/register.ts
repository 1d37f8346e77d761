/** Kernels that the WASM backend lacks, or has only slow; each gives the numbers of the CPU backend. */
import * as tf from "@tensorflow/tfjs-core";
import { convFilterGradient, convInputGradient } from "./conv-gradients.ts";
import { depthwiseFilterGradient, depthwiseInputGradient } from "./depthwise-gradients.ts";
import { maxPoolGradient } from "./pool-gradient.ts";

const BACKEND = "wasm";

const OURS: Readonly<Record<string, tf.KernelFunc>> = {
  Conv2DBackpropFilter: convFilterGradient,
  Conv2DBackpropInput: convInputGradient,
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  MaxPoolGrad: maxPoolGradient,
};

let registered = false;

/** Puts them into the registry of tfjs, in place of slower ones. Once is enough; again does nothing. */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  for (const [kernelName, kernelFunc] of Object.entries(OURS)) {
    if (tf.getKernel(kernelName, BACKEND) !== undefined) tf.unregisterKernel(kernelName, BACKEND);
    tf.registerKernel({ kernelName, backendName: BACKEND, kernelFunc });
  }
}

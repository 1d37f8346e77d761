/** The compiled kernels: one instance for each thread, made when it is first asked for. Its memory is fixed, 12 MiB. */
import { KERNELS_WASM } from "./kernels.generated.ts";

declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Readonly<Record<string, unknown>> };
  RuntimeError: new () => Error;
};

/** Functions of kernels/; addresses and counts are checked by their callers. */
interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  initialise(): void;
  setLayout(width: number, rotated: number, strideBytes: number, scaleBytes: number): void;
  encodePlanes(from: number, count: number, out: number): number;
  decodePlanes(from: number, end: number, to: number, count: number): number;
  estimatePlanes(from: number, count: number): number;
  encodeDifferences(kind: number, from: number, parent: number, count: number, out: number): number;
  decodeDifferences(
    kind: number,
    from: number,
    end: number,
    parent: number,
    to: number,
    count: number,
  ): number;
  estimateDifferences(kind: number, from: number, parent: number, count: number, out: number): number;
  tablesOfEstimate(): number;
  exclusiveOr(from: number, parent: number, length: number): void;
  addBytes(from: number, parent: number, length: number): void;
  subtractBytes(from: number, parent: number, length: number): void;
  scanGear(from: number, length: number, mask: number, seed: number): number;
  hashOfScan(): number;
  setQuantisation(scale: number, zeroPoint: number, min: number, max: number): void;
  addPredictions(target: number, kind: number, from: number, parent: number, count: number): void;
  subtractPredictions(target: number, kind: number, from: number, parent: number, count: number): void;
}

const ADDRESSES = ["INPUT", "PARENT", "CHUNK_0", "CHUNK_1", "GEAR_TABLE"] as const;

/** The functions, the memory, and the places in it. */
export interface Kernels {
  readonly call: KernelExports;
  /** No Buffer: the slice() of one does not copy. */
  readonly memory: Uint8Array;
  readonly at: Readonly<Record<(typeof ADDRESSES)[number], number>>;
}

let instance: Kernels | undefined;
let isSupported: boolean | undefined;

/** Undefined where WebAssembly cannot do vectors: then the plain decoders work, and nothing is encoded with kernels. */
export function openKernels(): Kernels | undefined {
  if (instance !== undefined) return instance;
  if (isSupported === false) return undefined;
  const wasm = Buffer.from(KERNELS_WASM, "base64");
  isSupported ??= WebAssembly.validate(wasm);
  if (!isSupported) return undefined;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {});
  const call = exports as unknown as KernelExports;
  const at = Object.fromEntries(
    ADDRESSES.map((name) => [name, (exports[name] as { value: number }).value]),
  ) as Kernels["at"];
  call.initialise();
  instance = { call, memory: new Uint8Array(call.memory.buffer), at };
  return instance;
}

/** Runs kernels. When they trap the instance is thrown away, for its memory may be anything, and undefined returned. */
export function runKernels<T>(kernels: Kernels, run: (kernels: Kernels) => T): T | undefined {
  try {
    return run(kernels);
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    if (instance === kernels) instance = undefined;
    return undefined;
  }
}

/** The bytes, copied when they lie in the memory of the kernels, which the next call may change. */
export function outsideKernels(bytes: Uint8Array): Uint8Array {
  return instance !== undefined && bytes.buffer === instance.memory.buffer ? new Uint8Array(bytes) : bytes;
}

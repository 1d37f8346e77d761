/** What a training tells while it runs, and what it ends with. Plain JSON data. */
import type { BackendName } from "./engine/backend.ts";
import type { Metrics } from "./callbacks/watch.ts";
import type { LayerRow } from "./engine/network.ts";
import type { EpochRow } from "./state.ts";

/** What the network makes of a sample that it does not learn from. */
export interface Prediction {
  /** Number of the sample in the data. */
  readonly sample: number;
  /** A class, or a number. */
  readonly expected: string | number;
  readonly predicted: string | number;
  /** How sure it is of the class. */
  readonly probability?: number;
}

export type TrainEvent =
  | { readonly type: "step"; readonly step: "data" | "model" | "train" | "output" }
  | {
      readonly type: "ready";
      readonly samples: { readonly train: number; readonly validation: number };
      readonly classes: number;
      readonly weights: number;
      /** Of each epoch. */
      readonly batches: number;
      readonly layers: readonly LayerRow[];
      readonly backend: BackendName;
      /**
       * Whole epochs that a checkpoint brought along: whoever was killed after the checkpoint has not told the last of
       * them.
       */
      readonly history: readonly EpochRow[];
    }
  | {
      readonly type: "batch";
      readonly epoch: number;
      readonly batch: number;
      readonly batches: number;
      /** Means over the epoch so far. */
      readonly metrics: Metrics;
    }
  | ({ readonly type: "epoch"; readonly epochs: number; readonly predictions: Prediction[] } & EpochRow)
  | { readonly type: "checkpoint"; readonly epoch: number; readonly path: string }
  | { readonly type: "message"; readonly level: "info" | "warning"; readonly text: string };

export interface TrainContext {
  /** Holds the data; nothing is written there. */
  readonly inputDir: string;
  /** Takes the model and the checkpoints. It exists. */
  readonly outputDir: string;
  /** Ends the run after the batch that is being learned, with a checkpoint. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: TrainEvent) => void;
  /** Goes on from the newest checkpoint in `outputDir`; without one it starts anew. */
  readonly resume?: boolean;
}

export interface TrainResult {
  /** Stopped: by the signal or the time limit, and can be resumed. Failed: the loss is no number any more. */
  readonly status: "finished" | "stopped" | "failed";
  /** Why it ended before the last epoch. */
  readonly reason?: string;
  readonly epochs: number;
  /** The epoch of the weights in model.safetensors; absent when there is no such file. */
  readonly modelEpoch?: number;
  /**
   * More than 0 where the run was stopped inside of the next epoch: so many batches were learned after `modelEpoch`.
   */
  readonly modelBatch?: number;
  /** Numbers of that epoch; none where the weights are of the middle of one, which nobody has measured. */
  readonly metrics: Metrics;
  readonly history: readonly EpochRow[];
  /** SHA-256 of model.safetensors: the same for the same spec, data and machine. */
  readonly modelDigest?: string;
  readonly data: {
    readonly digest: string;
    readonly train: number;
    readonly validation: number;
    readonly classes: readonly string[];
  };
  readonly backend: BackendName;
  /** Written files, relative to the output folder. */
  readonly files: readonly string[];
}

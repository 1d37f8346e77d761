/** Folder in, folder out: trains models. Knows nothing of repositories. */
export type { Prediction, TrainContext, TrainEvent, TrainResult } from "./events.ts";
export type { Metrics } from "./callbacks/watch.ts";
export type { EpochRow } from "./state.ts";
export type { LayerRow } from "./engine/network.ts";
export { previewBatch, type PreviewedSample } from "./preview.ts";
export { evaluateModel, type EvaluationReport } from "./evaluate.ts";
export { evaluateOnnx } from "./evaluate-onnx.ts";
export { exportModel, type ExportReport } from "./export/export-model.ts";
export {
  type BackboneKind,
  describeBackbone,
  type DescribedBackbone,
  type KnownData,
  listBackbones,
} from "./describe-backbone.ts";
export { inspectData, type InspectedData, type SampleShown } from "./inspect-data.ts";
export { resolveSpec, type SpecFault, type TrainSpec, TrainSpecSchema } from "./spec.ts";
export { train } from "./train.ts";

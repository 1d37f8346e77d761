/** What tests of other packages use. */
export { PartFile } from "../catalog/part-file.ts";
export { damageRow, flip } from "./damage.ts";
export { createHistory } from "./history.ts";
export type { RemotePlace } from "./remote-scene.ts";
export { readOnlySuite } from "./read-only-suite.ts";
export { remoteSuite, type RemoteSuiteOptions } from "./remote-suite.ts";
export { commitSeries, type Version } from "./series.ts";
export { QUIET, withFolder, withStore, processorMs } from "./testing.ts";

/** What tests of other packages use. */
export { commitSeries, type Version } from "./series.ts";
export { QUIET, withFolder, withStore, processorMs } from "./testing.ts";

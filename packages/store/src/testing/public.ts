/** What tests of other packages use. */
export { commitSeries, type Version } from "./series.ts";
export { QUIET, withFolder, withStore } from "./testing.ts";

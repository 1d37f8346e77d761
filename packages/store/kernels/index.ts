/** What the module exports. */
export { BLOCK_ROOM, CHUNK_0, CHUNK_1, CHUNK_ROOM, GEAR_TABLE, initialise, INPUT, PARENT } from "./memory";
export { decodePlanes, encodePlanes, estimatePlanes, setLayout } from "./pln";
export { encodeDifferences, estimateDifferences, tablesOfEstimate } from "./fxd-encode";
export { decodeDifferences } from "./fxd-decode";
export {
  addBytes,
  addPredictions,
  exclusiveOr,
  setQuantisation,
  subtractBytes,
  subtractPredictions,
} from "./predict";
export { hashOfScan, scanGear } from "./gear";

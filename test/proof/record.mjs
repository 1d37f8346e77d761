/**
 * Runs one operation on a store from opening to closing, to be watched or killed by strace. Marks, written to /dev/null
 * for the trace and to stdout for the parent: "answered" when the operation returned, "closed" when the store is
 * closed.
 */
import { openSync, writeSync } from "node:fs";
import { operationOf } from "./find-operation.mjs";
import { open, placesOf } from "./places.mjs";

const [name, folder] = process.argv.slice(2);
const marks = openSync("/dev/null", "w");
const operation = operationOf(name);
const context = placesOf(folder);
const mark = (text) => {
  writeSync(marks, text);
  writeSync(1, `${text}\n`);
};
mark("begin");
if (operation.from !== "nothing") context.store = await open(context, operation);
await operation.run(context);
mark("answered");
await context.store[Symbol.asyncDispose]();
mark("closed");
process.exit();

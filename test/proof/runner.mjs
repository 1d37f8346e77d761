/** A child that lives through many faults: takes one task after the other over its channel and answers each. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { damaged, survey } from "./damage.mjs";
import { failing, killed, restarted, survived } from "./faults.mjs";
import { arm, disarm } from "./inject.mjs";
import { operationOf } from "./find-operation.mjs";
import { makeBase } from "./operations.mjs";
import { countRecords, describe } from "./oracles.mjs";
import { copy, placesOf, within } from "./places.mjs";

/** What a user sees before and after the operation, and how many calls it makes. */
async function measure({ name, start, folder }) {
  const operation = operationOf(name);
  copy(start, folder);
  if (operation.from !== "nothing") {
    return within(folder, async (context) => {
      const before = await describe(context);
      const records = operation.op === undefined ? 0 : await countRecords(context, operation);
      arm({ mode: "count" });
      const ids = await operation.run(context);
      const { calls } = disarm();
      const after = await describe(context);
      return { calls, ids, expected: { before, after, middle: [before.refs], records } };
    });
  }
  const places = placesOf(folder);
  arm({ mode: "count" });
  const ids = await operation.run(places);
  const { calls } = disarm();
  const after = await describe(places);
  await places.store[Symbol.asyncDispose]();
  return { calls, ids, expected: { before: { refs: [], files: {} }, after, middle: [[], ["demo"]] } };
}

const TASKS = {
  /** The state that operations start from. */
  async base({ folder }) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await within(folder, makeBase, { create: true });
  },
  /** Where one operation starts. */
  async arrange({ name, base, folder }) {
    const operation = operationOf(name);
    copy(operation.from === "nothing" ? join(base, "nothing") : base, folder);
    if (operation.arrange !== undefined) await within(folder, (context) => operation.arrange(context));
  },
  measure,
  failing,
  killed,
  survived,
  restarted,
  damaged,
  survey,
};

process.on("disconnect", () => process.exit());
process.on("message", ({ id, task, input }) => {
  Promise.resolve(TASKS[task](input)).then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, error: error.stack ?? String(error) }),
  );
});

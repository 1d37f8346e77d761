/**
 * Child process: opens a LevelDB that was not closed well, reads all of it and closes it. LevelDB can stop the whole
 * process over damaged bytes, so the daemon lets this one go first. Tells its parent `DbCheckReport`; ends with it.
 */
import { fromLevel, openLevel, unsealValue } from "./db-level.ts";
import { isSmcError, SmcError } from "../errors.ts";
import type { DbCheckReport } from "./db-recovery.ts";

const ROWS = 1000;

async function check(path: string): Promise<void> {
  const level = await openLevel(path, { create: false });
  try {
    const rows = level.iterator({ fillCache: false });
    for (let part = await rows.nextv(ROWS); part.length > 0; part = await rows.nextv(ROWS)) {
      for (const [key, value] of part) unsealValue(key, value);
      // A damaged index of a table hides rows from a search, not from a walk.
      const found = await level.getMany(part.map(([key]) => key));
      if (found.some((row) => row === undefined))
        throw new SmcError("INDEX_CORRUPT", "LevelDB does not find a row that it has");
    }
    await rows.close();
  } catch (error) {
    throw fromLevel(error, { path, doing: "read" });
  } finally {
    await level.close();
  }
}

function tell(report: DbCheckReport): void {
  process.send?.(report, () => process.disconnect());
}

process.on("disconnect", () => process.exit());
check(process.argv[2] ?? "").then(
  () => tell({ ok: true }),
  (error: unknown) => {
    const known = isSmcError(error) ? error : new SmcError("INTERNAL", String(error), { cause: error });
    tell({ ok: false, error: known.toJSON() });
  },
);

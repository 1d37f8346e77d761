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

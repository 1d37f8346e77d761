/**
 * Child process: checks a LevelDB that was not closed well. LevelDB can stop the whole process over damaged bytes, so
 * the daemon lets this one go first. Arguments: path, "killed" or "unknown". Tells its parent `DbCheckReport`; ends
 * with it.
 */
import { isSmcError, SmcError } from "../errors.ts";
import { checkDb } from "./db-check.ts";
import type { DbCheckReport } from "./db-recovery.ts";

function tell(report: DbCheckReport): void {
  process.send?.(report, () => process.disconnect());
}

process.on("disconnect", () => process.exit());
const [, , path = "", stop] = process.argv;
checkDb(path, { wasKilled: stop === "killed" }).then(
  (places) => tell({ ok: true, ...(places === undefined ? {} : { places }) }),
  (error: unknown) => {
    const known = isSmcError(error) ? error : new SmcError("INTERNAL", String(error), { cause: error });
    tell({ ok: false, error: known.toJSON() });
  },
);

/** The curve of a job for who draws it, and as a picture. */
import { isAbsolute } from "node:path";
import { SmcError } from "../errors.ts";
import { writeNewFile } from "../new-file.ts";
import { show } from "../show.ts";
import { type CurvePanel, curvePanels } from "./curve-panels.ts";
import { curveSvg } from "./curve-svg.ts";
import { readHistory } from "./job-history.ts";
import { type JobRecord, titleOfJob } from "./job-record.ts";

export interface PlotOptions {
  readonly historyPath: string;
  /** Names with commas between them; loss and accuracy when left out. */
  readonly metric: string | undefined;
  /** Absolute path of a picture to make. */
  readonly svg: string | undefined;
}

/** Throws ARGUMENT_INVALID for a metric that no epoch has, WOULD_OVERWRITE for a picture that is there. */
export async function plotJob(
  record: JobRecord,
  { historyPath, metric, svg }: PlotOptions,
): Promise<readonly CurvePanel[]> {
  if (svg !== undefined && !isAbsolute(svg))
    throw new SmcError("ARGUMENT_INVALID", `'${show(svg, 200)}' is no absolute path; nothing was written`);
  const panels = curvePanels(await readHistory(historyPath), metric?.split(","));
  if (svg === undefined || panels.length === 0) return panels;
  const picture = Buffer.from(curveSvg(`job ${titleOfJob(record)}`, panels));
  await writeNewFile(svg, { force: false }, (file) => file.write(picture, 0));
  return panels;
}

/** The curve of a job for who draws it, and as pictures. */
import { isAbsolute } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { writeNewFile } from "../new-file.ts";
import type { OwnedStore } from "../open-store.ts";
import { show } from "../show.ts";
import { type CurvePanel, drawnPanel, planPanels } from "./curve-panels.ts";
import { curveSvg } from "./curve-svg.ts";
import { readCurves, readOutline } from "./job-history.ts";
import { type JobRecord, titleOfJob } from "./job-record.ts";

export interface PlotOptions {
  readonly historyPath: string;
  /** Names with commas between them; loss and accuracy when left out. */
  readonly metric: string | undefined;
  /** Absolute paths of pictures to make. */
  readonly svg: string | undefined;
  readonly png: string | undefined;
  /** Replaces pictures that are there. */
  readonly force: boolean;
}

/**
 * Throws ARGUMENT_INVALID for a metric that no epoch has, WOULD_OVERWRITE for a picture that is there, unless `force`:
 * what is written before it stays.
 */
export async function plotJob(
  { pool }: Pick<OwnedStore, "pool">,
  record: JobRecord,
  { historyPath, metric, svg, png, force }: PlotOptions,
  call: Call,
): Promise<readonly CurvePanel[]> {
  const pictures = [svg, png].filter((path) => path !== undefined);
  const strange = pictures.find((path) => !isAbsolute(path));
  if (strange !== undefined)
    throw new SmcError(
      "ARGUMENT_INVALID",
      `'${show(strange, 200)}' is no absolute path; nothing was written`,
    );
  const outline = await readOutline(historyPath);
  const planned = planPanels(outline.names, metric?.split(","));
  const curves = await readCurves(
    historyPath,
    planned.flatMap(({ lines }) => lines),
  );
  const panels = planned.map((panel) => drawnPanel(panel, curves, outline));
  if (pictures.length === 0 || panels.length === 0) return panels;
  const drawn = curveSvg(`job ${titleOfJob(record)}`, panels);
  if (svg !== undefined) await writePicture(svg, Buffer.from(drawn), force);
  if (png !== undefined)
    await writePicture(png, await pool.run("drawPng", { svg: drawn }, { signal: call.signal }), force);
  return panels;
}

async function writePicture(path: string, bytes: Uint8Array, force: boolean): Promise<void> {
  await writeNewFile(path, { force }, (file) => file.write(bytes, 0));
}

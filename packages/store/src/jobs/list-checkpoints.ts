/** The checkpoints of a job for people: which epoch wrote each, how good that was, and their digests. */
import type { Call } from "../call.ts";
import { isSmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import type { Store } from "../store.ts";
import { type FlatTree, flattenTree } from "../trees/tree-read.ts";
import { jobPlaces } from "./job-folder.ts";
import { readHistoryEnds, readPoints } from "./job-history.ts";
import type { JobRecord } from "./job-record.ts";
import { type CheckpointFile, checkpointUnits, bestUnits, type EpochMark } from "./kept-checkpoints.ts";
import { readOutput } from "./output-files.ts";

const CHECKPOINTS_MAX = 10_000;

export interface Checkpoint {
  readonly path: string;
  readonly sizeBytes: number;
  /** When it was written. */
  readonly date: string;
  /** That wrote it; null when no epoch was told. */
  readonly epoch: number | null;
  /** By which checkpoints are judged, and what it was in that epoch. */
  readonly metric: string | null;
  readonly value: number | null;
  readonly isBest: boolean;
  /** Of the file in the store; null as long as the job has not ended, and where it was not stored. */
  readonly digest: Digest | null;
}

/** Newest last, 10,000 at most. Throws FILE_UNSUPPORTED, PATH_INVALID for what is there beside them. */
export async function listCheckpoints(store: Store, record: JobRecord, call: Call): Promise<Checkpoint[]> {
  const { checkpoints: pattern, params, engine } = record.spec;
  if (pattern === null) return [];
  const places = jobPlaces(store.path, record);
  const files = await filesOf(record, { places, call });
  const { best } = await readHistoryEnds(places.history);
  const own = engine === "tfjs" ? params["checkpoint.metric"] : undefined;
  const metric = typeof own === "string" ? own : best?.metric;
  const marks = new Map<number, EpochMark>();
  for await (const { epoch, atMs, metrics } of readPoints(places.history))
    marks.set(epoch, { atMs, value: metrics[metric ?? ""] });
  const units = checkpointUnits(files, { pattern, marks }).slice(-CHECKPOINTS_MAX);
  const [top] = bestUnits(units, { metric: metric ?? "", marks });
  const valueOf = (epoch: number | undefined): number | null => marks.get(epoch ?? -1)?.value ?? null;
  const stored: FlatTree =
    record.checkpoints === undefined || record.checkpoints === null
      ? new Map()
      : await flattenTree(store.objects, record.checkpoints, call);
  return units.flatMap((unit) =>
    unit.files.map(({ path, sizeBytes, mtimeMs }) => {
      const entry = stored.get(path);
      return {
        path,
        sizeBytes,
        date: formatMoment(momentAt(Math.floor(mtimeMs))),
        epoch: unit.epoch ?? null,
        metric: metric ?? null,
        value: valueOf(unit.epoch),
        isBest: unit === top,
        digest: entry?.sizeBytes === sizeBytes ? entry.digest : null,
      };
    }),
  );
}

async function filesOf(
  record: JobRecord,
  { places, call }: { places: ReturnType<typeof jobPlaces>; call: Call },
): Promise<CheckpointFile[]> {
  try {
    const { checkpoints } = await readOutput({ record, places, leaveOut: "" }, call);
    return checkpoints.map(({ path, stat }) => ({
      path,
      sizeBytes: stat?.sizeBytes ?? 0,
      mtimeMs: Number(stat?.mtimeNs ?? 0n) / 1e6,
    }));
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return [];
    throw error;
  }
}

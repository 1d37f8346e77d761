/**
 * Which checkpoints of a job there are, which epoch wrote each, and which of them stay. What lies below one name that a
 * `*` of the pattern stands for, such as a folder `checkpoint-500`, is one checkpoint.
 */
import type { BigIntStats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fromErrno, isSmcError } from "../errors.ts";
import { removeFile } from "../fs.ts";
import { matchesPattern } from "../pattern.ts";
import { isLowerBetter } from "../registry/metric-direction.ts";
import { show } from "../show.ts";

/** Of a folder with more files than this nothing is removed. */
const FILES_MAX = 100_000;

export interface CheckpointFile {
  /** Below the output folder, with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

/** When an epoch was told, and the number that its checkpoint is judged by. */
export interface EpochMark {
  readonly atMs: number;
  readonly value: number | undefined;
}

export interface CheckpointUnit {
  readonly name: string;
  readonly files: readonly CheckpointFile[];
  /** When the newest of its files was written. */
  readonly mtimeMs: number;
  /** That wrote it; undefined when nobody has told any. */
  readonly epoch: number | undefined;
}

export interface KeptSpec {
  readonly best: number;
  readonly last: number;
}

/** Regular files below the folder that fit; undefined when there are too many to look at. An absent folder has none. */
export async function listCheckpointFiles(
  output: string,
  pattern: string,
): Promise<CheckpointFile[] | undefined> {
  const entries = await orAbsent(readdir(output, { recursive: true, withFileTypes: true }), output);
  if ((entries?.length ?? 0) > FILES_MAX) return undefined;
  const files: CheckpointFile[] = [];
  for (const entry of entries ?? []) {
    const path = relative(output, join(entry.parentPath, entry.name)).split(sep).join("/");
    if (!entry.isFile() || !matchesPattern(pattern, path)) continue;
    const stat: BigIntStats | undefined = await orAbsent(lstat(join(output, path), { bigint: true }), path);
    // In nanoseconds, as a fraction: two may be written in one millisecond.
    if (stat !== undefined)
      files.push({ path, sizeBytes: Number(stat.size), mtimeMs: Number(stat.mtimeNs) / 1e6 });
  }
  return files;
}

/** What was asked for; undefined where the path is not there, or not any more. */
export async function orAbsent<T>(work: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}

/** Oldest first, each with the epoch that wrote it. */
export function checkpointUnits(
  files: readonly CheckpointFile[],
  { pattern, marks }: { pattern: string; marks: ReadonlyMap<number, EpochMark> },
): CheckpointUnit[] {
  const depth = depthOf(pattern);
  const byName = new Map<string, CheckpointFile[]>();
  for (const file of files) {
    const name = depth === undefined ? file.path : file.path.split("/").slice(0, depth).join("/");
    byName.set(name, [...(byName.get(name) ?? []), file]);
  }
  const units = [...byName].map(([name, own]) => ({
    name,
    files: own,
    mtimeMs: Math.max(...own.map(({ mtimeMs }) => mtimeMs)),
    number: numberIn(name),
  }));
  // Numbers of steps are no epochs: they count only where all of them are epochs that were told.
  const isNumbered = units.every(({ number }) => number !== undefined && marks.has(number));
  return units
    .map(({ number, ...unit }) => ({ ...unit, epoch: isNumbered ? number : nearest(unit.mtimeMs, marks) }))
    .sort((a, b) => a.mtimeMs - b.mtimeMs || (a.name < b.name ? -1 : 1));
}

/** Parts of a path that name a checkpoint; undefined: all of them. */
function depthOf(pattern: string): number | undefined {
  const parts = pattern.split("/");
  const at = parts.findIndex((part) => /[*?]/.test(part));
  return at >= 0 && parts[at]?.endsWith("*") === true ? at + 1 : undefined;
}

/** `epoch-0003-batch-12` → 3; of other names the last number. */
function numberIn(name: string): number | undefined {
  const last = name.split("/").at(-1) ?? "";
  const text = /epoch[-_=]?(\d+)/i.exec(last)?.[1] ?? /(\d+)\D*$/.exec(last)?.[1];
  return text === undefined ? undefined : Number(text);
}

/** Programs save just before or just after they tell the epoch. */
function nearest(ms: number, marks: ReadonlyMap<number, EpochMark>): number | undefined {
  let found: { epoch: number; awayMs: number } | undefined;
  for (const [epoch, { atMs }] of marks) {
    const awayMs = Math.abs(ms - atMs);
    if (found === undefined || awayMs < found.awayMs) found = { epoch, awayMs };
  }
  return found?.epoch;
}

/** Those whose epoch has a value, the best first; of equal ones the earlier. */
export function bestUnits(
  units: readonly CheckpointUnit[],
  { metric, marks }: { metric: string; marks: ReadonlyMap<number, EpochMark> },
): CheckpointUnit[] {
  const sign = isLowerBetter(metric) ? 1 : -1;
  const scored = units.flatMap((unit) => {
    const value = unit.epoch === undefined ? undefined : marks.get(unit.epoch)?.value;
    return value === undefined ? [] : [{ unit, value: sign * value }];
  });
  scored.sort((a, b) => a.value - b.value || a.unit.mtimeMs - b.unit.mtimeMs);
  return scored.map(({ unit }) => unit);
}

/** Those that stay: the last ones and the best. */
export function keptUnits(
  units: readonly CheckpointUnit[],
  { kept, metric, marks }: { kept: KeptSpec; metric: string; marks: ReadonlyMap<number, EpochMark> },
): CheckpointUnit[] {
  const stay = new Set([
    ...units.slice(-kept.last),
    ...bestUnits(units, { metric, marks }).slice(0, kept.best),
  ]);
  return units.filter((unit) => stay.has(unit));
}

/** Removes the files of the other ones; one that is gone already is fine. */
export async function removeOthers(
  output: string,
  { units, stay }: { units: readonly CheckpointUnit[]; stay: readonly CheckpointUnit[] },
): Promise<number> {
  const others = units.filter((unit) => !stay.includes(unit));
  for (const { files } of others)
    for (const { path } of files) await orAbsent(removeFile(join(output, path)), path);
  return others.length;
}

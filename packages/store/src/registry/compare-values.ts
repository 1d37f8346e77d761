/** Metrics, params and other metadata of several versions side by side. Pure. */
import { subtractDecimals } from "../history/decimal.ts";
import type { CommitMeta, MetaMap, MetaValue } from "../objects/objects.ts";
import { isLowerBetter } from "./metric-direction.ts";

const DEPTH_MAX = 8;

export interface MetricCells {
  readonly name: string;
  readonly lowerIsBetter: boolean;
  /** Null where the version does not have it. */
  readonly values: readonly (number | null)[];
  /** Against the first version; null where one of the two does not have it. */
  readonly deltas: readonly (number | null)[];
  /** Positions of the best value; empty when all are equal. */
  readonly best: readonly number[];
  readonly isSame: boolean;
}

export interface ValueCells {
  readonly name: string;
  /** Null where the version does not have it. */
  readonly values: readonly MetaValue[];
  /** Whether the version has it: null may be its value. */
  readonly has: readonly boolean[];
  readonly isSame: boolean;
}

function names(maps: readonly object[]): string[] {
  return [...new Set(maps.flatMap((map) => Object.keys(map)))].sort();
}

/** One row for each metric that any version has. */
export function compareMetrics(metas: readonly CommitMeta[], lower: readonly string[]): MetricCells[] {
  const maps = metas.map((meta) => meta.metrics ?? {});
  return names(maps).map((name) => {
    const values = maps.map((map) => (Object.hasOwn(map, name) ? (map[name] ?? null) : null));
    const start = values[0] ?? null;
    const lowerIsBetter = isLowerBetter(name, lower);
    const sign = lowerIsBetter ? -1 : 1;
    const top = Math.max(...values.map((value) => (value === null ? -Infinity : sign * value)));
    const isSame = values.every((value) => value === start);
    return {
      name,
      lowerIsBetter,
      values,
      deltas: values.map((value) =>
        value === null || start === null ? null : subtractDecimals(value, start),
      ),
      best: isSame ? [] : values.flatMap((value, at) => (value !== null && sign * value === top ? [at] : [])),
      isSame,
    };
  });
}

/** One row for each name that any map has. */
export function compareValues(maps: readonly MetaMap[]): ValueCells[] {
  return names(maps).map((name) => {
    const has = maps.map((map) => Object.hasOwn(map, name));
    const values = maps.map((map) => (Object.hasOwn(map, name) ? (map[name] ?? null) : null));
    const texts = values.map((value, at) => (has[at] === true ? JSON.stringify(value) : ""));
    return { name, values, has, isSame: texts.every((text) => text === texts[0]) };
  });
}

/** `{data: {digest: "x"}}` → `data.digest`: lists stay whole. */
export function flattenMeta(map: MetaMap): MetaMap {
  const flat: Record<string, MetaValue> = {};
  const add = (prefix: string, from: MetaMap, depth: number): void => {
    for (const [key, value] of Object.entries(from)) {
      const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
      if (isMap && depth < DEPTH_MAX) add(`${prefix}${key}.`, value as MetaMap, depth + 1);
      else flat[prefix + key] = value;
    }
  };
  add("", map, 0);
  return flat;
}

/** Metrics and params of two commits side by side. Pure. */
import { subtractDecimals } from "./decimal.ts";
import type { CommitMeta } from "../objects/objects.ts";

export interface MetricRow {
  readonly name: string;
  /** Null where the commit does not have it. */
  readonly from: number | null;
  readonly to: number | null;
  /** `to - from`; null when one of them is absent. */
  readonly delta: number | null;
}

export type ParamValue = string | number | boolean | null;

export interface ParamRow {
  readonly name: string;
  readonly from: ParamValue;
  readonly to: ParamValue;
}

function namesOf(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function valueOf<T>(values: Readonly<Record<string, T>>, name: string): T | null {
  return Object.hasOwn(values, name) ? (values[name] ?? null) : null;
}

/** Rows that differ, by name; with `all` the equal ones too. */
export function diffMetrics(from: CommitMeta, to: CommitMeta, all: boolean): MetricRow[] {
  const a = from.metrics ?? {};
  const b = to.metrics ?? {};
  const rows = namesOf(a, b).map((name): MetricRow => {
    const [before, after] = [valueOf(a, name), valueOf(b, name)];
    const delta = before === null || after === null ? null : subtractDecimals(after, before);
    return { name, from: before, to: after, delta };
  });
  return all ? rows : rows.filter((row) => row.from !== row.to);
}

/** Rows that differ, by name; with `all` the equal ones too. */
export function diffParams(from: CommitMeta, to: CommitMeta, all: boolean): ParamRow[] {
  const a = from.params ?? {};
  const b = to.params ?? {};
  const isEqual = (name: string): boolean =>
    Object.hasOwn(a, name) === Object.hasOwn(b, name) && a[name] === b[name];
  return namesOf(a, b)
    .filter((name) => all || !isEqual(name))
    .map((name) => ({ name, from: valueOf(a, name), to: valueOf(b, name) }));
}

/**
 * The configuration of a training: flags over the file over defaults, where each value came from, what changed since.
 * Pure.
 */
import { show } from "../show.ts";
import type { ConfigFault, ConfigFile, TrainingValue } from "./config-file.ts";
import type { Grid } from "./grid.ts";
import type { JobRecord, JobSpec, Origin, Origins } from "./job-record.ts";
import { hideSecret } from "./secret-words.ts";
import type { TrainOptions } from "./train-options.ts";

type Scalar = string | number | boolean | null;
type Scalars = Readonly<Record<string, Scalar>>;

/** Keys that are not values of one kind each, but maps of names. */
const MAPS = ["environment", "params", "settings"] as const;
const PLAIN = [
  "engine",
  "revision",
  "name",
  "message",
  "priority",
  "timeout",
  "grace",
  "output",
  "metricsFile",
  "checkpoints",
  "keepBest",
  "keepLast",
] as const;
/** What the engine tfjs calls a setting of its own. */
const OWN_NAMES = { keepBest: "settings.checkpoint.keepBest", keepLast: "settings.checkpoint.keepLast" };
const VALUE_SHOWN = 200;
/** What a value of the environment is shown as. */
const HIDDEN = "***";

export interface TrainingEntry {
  /** `timeout`, `params.lr`, `settings.optimizer.name`. */
  readonly key: string;
  /** Null: none. Values of the environment are `***`. */
  readonly value: TrainingValue;
  readonly origin: Origin;
  /** Of the file. */
  readonly line?: number;
}

export interface TrainingChange {
  readonly key: string;
  /** Undefined: it was not there, or is not there any more. */
  readonly before?: TrainingValue;
  readonly after?: TrainingValue;
}

export interface MergedConfig {
  readonly options: TrainOptions;
  readonly settings: Scalars;
  readonly grid: Grid;
  readonly origins: Origins;
}

/** What was said on the command line goes before what the file says. */
export function mergeConfig(flags: TrainOptions, file: ConfigFile | undefined): MergedConfig {
  const origins: Record<string, { origin: Origin; line?: number }> = {};
  const values = new Map<string, TrainingValue>();
  for (const [key, value] of file?.values ?? []) {
    const line = file?.lines.get(key);
    origins[key] = { origin: "file", ...(line === undefined ? {} : { line }) };
    values.set(key, value);
  }
  const say = (key: string, value: TrainingValue | undefined): void => {
    if (value === undefined) return;
    origins[key] = { origin: "flag" };
    values.set(key, value);
  };
  for (const key of PLAIN) say(key, flags[key]);
  if (flags.argv.length > 0) say("argv", flags.argv);
  for (const map of MAPS)
    for (const [name, value] of Object.entries(flags[map] ?? {})) say(`${map}.${name}`, value);
  for (const [name, list] of Object.entries(flags.grid ?? {})) say(`grid.${name}`, list);
  if (values.get("engine") === "tfjs")
    for (const [key, name] of Object.entries(OWN_NAMES)) {
      const [value, origin] = [values.get(key), origins[key]];
      if (value === undefined || origin === undefined) continue;
      values.set(name, value).delete(key);
      origins[name] = origin;
    }
  const part = (map: string): Scalars =>
    Object.fromEntries(
      [...values].flatMap(([key, value]) =>
        key.startsWith(`${map}.`) ? [[key.slice(map.length + 1), value as Scalar]] : [],
      ),
    );
  const plain = Object.fromEntries(PLAIN.flatMap((key) => (values.has(key) ? [[key, values.get(key)]] : [])));
  const argv = (values.get("argv") ?? []) as readonly string[];
  const environment = part("environment") as Readonly<Record<string, string>>;
  return {
    // Each value was checked to be of its kind, in the file and by the schema of the request.
    options: { ...plain, argv, environment: { ...flags.inherited, ...environment }, params: part("params") },
    settings: part("settings"),
    grid: part("grid") as unknown as Grid,
    origins,
  };
}

/** `{"optimizer": {"name": "sgd"}}` → `{"optimizer.name": "sgd"}`. */
export function flattenSettings(value: object, prefix = ""): Record<string, Scalar> {
  const all = Object.entries(value).flatMap(([name, inner]: [string, unknown]): [string, Scalar][] => {
    if (typeof inner === "object" && inner !== null)
      return Object.entries(flattenSettings(inner, `${prefix}${name}.`));
    return [[prefix + name, inner as Scalar]];
  });
  return Object.fromEntries(all);
}

/** Every value with its origin. Of the environment only what was named, never its values. */
export function configOf({ spec, origins = {} }: Pick<JobRecord, "spec" | "origins">): TrainingEntry[] {
  const named = (map: string): string[] => Object.keys(origins).filter((key) => key.startsWith(`${map}.`));
  const values: [string, TrainingValue][] = [
    ["engine", spec.engine],
    ...(spec.engine === "command"
      ? ([["argv", spec.argv.map(hideSecret)]] as [string, TrainingValue][])
      : []),
    ["message", spec.message],
    ["timeout", secondsOf(spec.timeoutMs)],
    ["grace", secondsOf(spec.graceMs)],
    ["output", spec.output],
    ["metricsFile", spec.metricsFile],
    ...(spec.engine === "command" ? checkpointsOf(spec) : []),
    ...named("params").map((key): [string, TrainingValue] => [key, spec.params[key.slice(7)] ?? null]),
    ...named("environment").map((key): [string, TrainingValue] => [key, HIDDEN]),
    ...settingsOf(spec),
  ];
  return values.map(([key, value]) => ({ key, value, ...originOf(key, origins) }));
}

function checkpointsOf({ checkpoints, kept }: JobSpec): [string, TrainingValue][] {
  return [
    ["checkpoints", checkpoints],
    ["keepBest", kept?.best ?? null],
    ["keepLast", kept?.last ?? null],
  ];
}

/** The word for the data says kind and path. */
function originOf(key: string, origins: Origins): Origins[string] {
  const named = ["settings.data.kind", "settings.data.path"].includes(key)
    ? origins["settings.data"]
    : undefined;
  return origins[key] ?? named ?? { origin: "default" };
}

/** As it is typed: `--timeout 90s`. */
function secondsOf(ms: number | null): string | null {
  return ms === null ? null : `${ms / 1000}s`;
}

function settingsOf({ engine, argv }: JobSpec): [string, TrainingValue][] {
  if (engine !== "tfjs") return [];
  const settings = flattenSettings(JSON.parse(argv[1] ?? "{}") as object);
  return Object.entries(settings).map(([name, value]) => [`settings.${name}`, value]);
}

/** Of what is learned and how; its message is no part of that. A variable is told, its values are not. */
export function configChanges(
  before: Pick<JobRecord, "spec" | "origins">,
  after: Pick<JobRecord, "spec" | "origins">,
): TrainingChange[] {
  const [old, now] = [before, after].map(
    (record) => new Map(configOf(record).map(({ key, value }) => [key, value])),
  );
  const keys = new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])]);
  keys.delete("message");
  return [...keys].flatMap((key) => {
    const [was, is] = [old?.get(key), now?.get(key)];
    const name = key.startsWith("environment.") ? key.slice("environment.".length) : undefined;
    const isSameVariable =
      name === undefined || before.spec.environment[name] === after.spec.environment[name];
    if (JSON.stringify(was) === JSON.stringify(is) && isSameVariable) return [];
    return [
      { key, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) },
    ];
  });
}

/** `settings.lr 0.01 -> 0.02`. */
export function changeText({ key, before, after }: TrainingChange): string {
  const text = (value: TrainingChange["before"]): string =>
    value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
  return show(`${key} ${text(before)} -> ${text(after)}`, VALUE_SHOWN);
}

/** A fault as people read it: the option, or the key of the file with its line. */
export function labelFault({ key, message }: ConfigFault, { origins, lines }: FaultPlaces): string {
  const line = origins[key]?.line ?? lines?.get(key);
  const name = key.replace(/^settings\./, "");
  if (origins[key]?.origin !== "flag" && line !== undefined) return `${name} (line ${line}): ${message}`;
  if (key.startsWith("settings.")) return `${name}: ${message}`;
  if (key === "argv" || key.startsWith("environment")) return message;
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}: ${message}`;
}

interface FaultPlaces {
  readonly origins: Origins;
  readonly lines?: ReadonlyMap<string, number> | undefined;
}

/** A training as a file of YAML: the keys of `smc train`, each with its line. Reads nothing but that file. */
import { isAbsolute } from "node:path";
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type YAMLMap } from "yaml";
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { readYamlDocument } from "../training-files/nested-values.ts";
import { readValuesText, refuserOf } from "../training-files/values-file.ts";
import type { Refuse } from "../training-files/cell.ts";

const FILE_BYTES_MAX = 64 * 1024;
const VALUES_MAX = 10_000;
const DEPTH_MAX = 32;

type Scalar = string | number | boolean | null;
export type TrainingValue = Scalar | readonly Scalar[];

/** Text, a whole number, a list of words, a map of plain values, maps in maps of them, or a map of lists of words. */
type Kind = "text" | "integer" | "words" | "map" | "nested" | "lists";

/** What may stand in the file, and how it is read. */
const KEYS = {
  engine: "text",
  revision: "text",
  name: "text",
  message: "text",
  priority: "integer",
  timeout: "text",
  grace: "text",
  output: "text",
  metricsFile: "text",
  checkpoints: "text",
  keepBest: "integer",
  keepLast: "integer",
  argv: "words",
  environment: "map",
  params: "map",
  settings: "nested",
  grid: "lists",
} as const satisfies Record<string, Kind>;

export interface ConfigFault {
  /** `timeout`, `settings.optimizer.name`. */
  readonly key: string;
  readonly message: string;
}

export interface ConfigFile {
  readonly path: string;
  /**
   * Values by their key: `name`, `argv`, `params.lr`, `settings.optimizer.name`. What is null is left out, but in maps.
   */
  readonly values: ReadonlyMap<string, TrainingValue>;
  readonly lines: ReadonlyMap<string, number>;
  /** Keys that there are not, and values of another kind. */
  readonly faults: readonly ConfigFault[];
}

/**
 * At most 64 KiB and 10,000 values. Throws ARGUMENT_INVALID for a path that is not absolute, PATH_NOT_FOUND,
 * LIMIT_EXCEEDED, and FILE_MALFORMED, with the line, for what is no YAML or no map. What is wrong with single keys is
 * in `faults`.
 */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  if (!isAbsolute(path))
    throw new SmcError("ARGUMENT_INVALID", `'${show(path, 200)}' is not an absolute path; no job was made`);
  return parseConfig(path, await readConfigText(path));
}

/** Throws PATH_NOT_FOUND, LIMIT_EXCEEDED, FILE_MALFORMED for what is no text. */
export function readConfigText(path: string): Promise<string> {
  return readValuesText(path, FILE_BYTES_MAX, configRefuser(path));
}

export function configRefuser(path: string): Refuse {
  return refuserOf(path, "the keys of a training stand in docs/reference/cli.md");
}

/** As `readConfigFile`; `path` is for messages. */
export function parseConfig(path: string, text: string): ConfigFile {
  const refuse = configRefuser(path);
  const lineCounter = new LineCounter();
  const document = readYamlDocument(text, refuse, lineCounter);
  const reading = new Reading(document, lineCounter);
  if (!isMap(document.contents)) return refuse("the outermost value is not a map of names to values");
  for (const { key, value } of reading.pairs(document.contents)) {
    const kind = Object.hasOwn(KEYS, key) ? KEYS[key as keyof typeof KEYS] : undefined;
    reading.see(key, value);
    if (kind === undefined)
      reading.fail(key, `there is no such key; there are ${Object.keys(KEYS).join(", ")}`);
    else reading.take(kind, key, value);
  }
  const { values, lines, faults } = reading;
  if (values.size > VALUES_MAX) refuse(`more than ${VALUES_MAX} values`);
  return { path, values, lines, faults };
}

class Reading {
  readonly values = new Map<string, TrainingValue>();
  readonly lines = new Map<string, number>();
  readonly faults: ConfigFault[] = [];
  readonly #document: Document;
  readonly #lineCounter: LineCounter;

  constructor(document: Document, lineCounter: LineCounter) {
    this.#document = document;
    this.#lineCounter = lineCounter;
  }

  fail(key: string, message: string): void {
    this.faults.push({ key, message });
  }

  see(key: string, node: Node | null): void {
    const offset = node?.range?.[0];
    if (offset !== undefined) this.lines.set(key, this.#lineCounter.linePos(offset).line);
  }

  *pairs(map: YAMLMap): Generator<{ key: string; value: Node | null }> {
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? textOf(key) : String(key);
      const node = isAlias(value) ? value.resolve(this.#document) : value;
      yield { key: name, value: (node ?? null) as Node | null };
    }
  }

  take(kind: Kind, key: string, node: Node | null): void {
    if (isNothing(node)) return;
    if (kind === "text") {
      if (isScalar(node)) this.values.set(key, textOf(node));
      else this.fail(key, "must be text");
    } else if (kind === "integer") {
      const value = isScalar(node) ? node.value : undefined;
      if (Number.isSafeInteger(value)) this.values.set(key, value as number);
      else this.fail(key, "must be a whole number");
    } else if (kind === "words") this.#words(key, node);
    else if (isMap(node)) this.#map(kind, { key, node, depth: 0 });
    else this.fail(key, "must be a map of names to values");
  }

  #words(key: string, node: Node | null): void {
    if (isSeq(node) && node.items.every((item) => isScalar(item)))
      this.values.set(key, node.items.filter((item) => isScalar(item)).map(textOf));
    else this.fail(key, "must be a list of words");
  }

  #map(kind: Kind, { key, node, depth }: { key: string; node: YAMLMap; depth: number }): void {
    for (const pair of this.pairs(node)) {
      const name = `${key}.${pair.key}`;
      this.see(name, pair.value);
      if (this.values.size > VALUES_MAX) return;
      const { value } = pair;
      if (name.split(".").includes("__proto__")) this.fail(name, "this name is not allowed");
      else if (isMap(value) && kind === "nested" && depth < DEPTH_MAX)
        this.#map(kind, { key: name, node: value, depth: depth + 1 });
      else if (this.values.has(name)) this.fail(name, "is there twice");
      else if (kind === "lists") this.#words(name, value);
      else if (value !== null && !isScalar(value)) this.fail(name, "must be a plain value");
      else this.values.set(name, key === "environment" ? textOf(value) : scalarOf(value));
    }
  }
}

function isNothing(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

/** As it was typed: `1e-3` and `007` are what they are for a program. */
function textOf(node: Node | null): string {
  if (!isScalar(node) || node.value === null) return "";
  return typeof node.value === "string" ? node.value : (node.source ?? JSON.stringify(node.value));
}

function scalarOf(node: Node | null): Scalar {
  if (!isScalar(node)) return null;
  const { value } = node;
  if (typeof value === "number") return Number.isFinite(value) ? value : textOf(node);
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}

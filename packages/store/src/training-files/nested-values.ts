/** Nested JSON or YAML as flat names: `{train: {loss: 0.1}}` is `train.loss`. Pure. */
import { type LineCounter, parseDocument } from "yaml";
import type { ParamValue } from "../history/meta-diff.ts";
import { show } from "../show.ts";
import type { FileValues, Refuse } from "./cell.ts";

const DEPTH_MAX = 32;
const ALIASES_MAX = 100;
/** Opened in one text of YAML and not closed, or indicators at the head of one line. */
const OPENED_MAX = 64;
/** Broken JSON above it gets no line. */
const EXPLAINED_BYTES_MAX = 64 * 1024;
const LIST_LENGTH_MAX = 4096;

export function readNested(text: string, isJson: boolean, refuse: Refuse): FileValues {
  const root = isJson ? parseJson(text, refuse) : readYaml(text, refuse);
  if (!isMap(root)) refuse("the outermost value is not a map of names to values");
  const values = new Map<string, ParamValue>();
  flatten(root, { prefix: "", depth: 0, values, refuse });
  return values;
}

function parseJson(text: string, refuse: Refuse): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The YAML parser tells the line, and in its schema "json" also what JSON does not have: NaN.
    const [first] =
      text.length > EXPLAINED_BYTES_MAX ? [] : document(text, { schema: "json" }, refuse).errors;
    if (first === undefined) return refuse(error instanceof Error ? show(error.message, 200) : "not JSON");
    return refuse(`not JSON: ${faultOf(first.message)}`, first.linePos?.[0].line);
  }
}

/** What YAML says, as JSON would. The caller limits the length of the text. */
export function readYaml(text: string, refuse: Refuse): unknown {
  const parsed = readYamlDocument(text, refuse);
  try {
    return parsed.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    // ReferenceError: more aliases than asked for; RangeError: nested deeper than the stack.
    if (error instanceof ReferenceError || error instanceof RangeError)
      refuse("too many or too deep aliases");
    throw error;
  }
}

/** The nodes of a text, whose places a counter of lines knows afterwards. The caller limits the length of the text. */
export function readYamlDocument(text: string, refuse: Refuse, lineCounter?: LineCounter): Parsed {
  const parsed = document(text, { schema: "core", lineCounter }, refuse);
  const [first] = parsed.errors;
  if (first !== undefined) refuse(`not YAML: ${faultOf(first.message)}`, first.linePos?.[0].line);
  return parsed;
}

type Parsed = ReturnType<typeof parseDocument>;

function document(
  text: string,
  { schema, lineCounter }: { schema: "json" | "core"; lineCounter?: LineCounter | undefined },
  refuse: Refuse,
): Parsed {
  assertShallow(text, refuse);
  return parseDocument(text, {
    schema,
    logLevel: "error",
    prettyErrors: true,
    uniqueKeys: true,
    ...(lineCounter === undefined ? {} : { lineCounter }),
  });
}

/** The parser takes memory and time by the square of the depth: 30,000 dashes in a row end the process. */
function assertShallow(text: string, refuse: Refuse): void {
  let depth = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth += bracket === "[" || bracket === "{" ? 1 : -1;
    if (depth > OPENED_MAX) refuse(`nested deeper than ${OPENED_MAX}`);
  }
  for (const [head] of text.matchAll(/^(?:[ \t]*[-?:](?=[ \t]))+/gm)) {
    if (head.replace(/[ \t]/g, "").length > OPENED_MAX) refuse(`nested deeper than ${OPENED_MAX}`);
  }
}

/** The first line, without the place that is told apart. */
function faultOf(message: string): string {
  return show((message.split("\n", 1)[0] ?? "").replace(/ at line \d+, column \d+:?$/, ""), 200);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Flattening {
  readonly prefix: string;
  readonly depth: number;
  readonly values: Map<string, ParamValue>;
  readonly refuse: Refuse;
}

function flatten(map: Readonly<Record<string, unknown>>, into: Flattening): void {
  const { prefix, depth, values, refuse } = into;
  if (depth > DEPTH_MAX) refuse(`nested deeper than ${DEPTH_MAX}`);
  for (const [key, value] of Object.entries(map)) {
    const name = prefix + key.trim();
    if (isMap(value)) flatten(value, { ...into, prefix: `${name}.`, depth: depth + 1 });
    else if (values.has(name)) refuse(`the name '${show(name, 80)}' is there twice`);
    else values.set(name, plainValue(value, name, refuse));
  }
}

function plainValue(value: unknown, name: string, refuse: Refuse): ParamValue {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  const text = JSON.stringify(value) ?? "";
  if (text.length > LIST_LENGTH_MAX) refuse(`the list '${show(name, 80)}' is too long to be kept as a value`);
  return text;
}

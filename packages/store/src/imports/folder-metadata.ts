/**
 * What a `metadata.json` beside model files says, as metrics, params and further keys. Its names are those that people
 * use.
 */
import { isSmcError } from "../errors.ts";
import type { CommitMeta, MetaMap } from "../objects/objects.ts";
import { readNested } from "../training-files/nested-values.ts";
import { readSmall } from "../worktree/head.ts";

const FILE_BYTES_MAX = 1024 * 1024;
const VALUES_MAX = 1000;
const METRICS = ["metrics", "performance", "results", "evaluation"];
const PARAMS = ["training", "training_config", "params", "parameters", "hyperparameters", "config"];

export interface FolderMetadata {
  readonly meta: CommitMeta;
  readonly document: Readonly<Record<string, unknown>>;
  /** Names of metrics that are no numbers, and what came after so many values: not taken over. */
  readonly unused: readonly string[];
}

class NotMetadata extends Error {}

/** Undefined for what is no JSON object: it is a file as any other then. */
export async function readValues(path: string): Promise<FolderMetadata | undefined> {
  let text: string;
  try {
    text = (await readSmall(path, FILE_BYTES_MAX)).toString("utf8").replace(/^\ufeff/, "");
  } catch (error) {
    if (isSmcError(error, "LIMIT_EXCEEDED")) return undefined;
    throw error;
  }
  try {
    const flat = readNested(text, true, (why) => {
      throw new NotMetadata(why);
    });
    return { ...metaOf([...flat]), document: JSON.parse(text) as FolderMetadata["document"] };
  } catch (error) {
    if (error instanceof NotMetadata) return undefined;
    throw error;
  }
}

function metaOf(
  values: readonly (readonly [string, string | number | boolean | null])[],
): Pick<FolderMetadata, "meta" | "unused"> {
  const unused = values.slice(VALUES_MAX).map(([key]) => key);
  const metrics: Record<string, number> = {};
  const params: Record<string, string | number | boolean | null> = {};
  const others: Record<string, MetaMap[string]> = {};
  for (const [key, value] of values.slice(0, VALUES_MAX)) {
    const [, section = "", name = ""] = /^([^.]+)\.(.+)$/s.exec(key) ?? [];
    if (METRICS.includes(section)) {
      if (typeof value === "number") metrics[name] = value;
      else unused.push(key);
    } else if (PARAMS.includes(section)) params[name] = value;
    else if (section === "data" || section === "data_info") others[`data.${name}`] = value;
  }
  const meta = {
    ...others,
    ...(Object.keys(metrics).length === 0 ? {} : { metrics }),
    ...(Object.keys(params).length === 0 ? {} : { params }),
  };
  return { meta, unused };
}

/** The first of these fields that is text with something in it. */
export function textIn(
  document: FolderMetadata["document"],
  ...names: readonly string[]
): string | undefined {
  for (const name of names) {
    const value = Object.hasOwn(document, name) ? document[name] : undefined;
    if (typeof value === "string" && value.trim() !== "") return value.trim();
  }
  return undefined;
}

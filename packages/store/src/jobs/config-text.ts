/** A configuration as YAML that `smc train --config` takes, with the origin of each value beside it. Pure. */
import { Document, type Scalar } from "yaml";
import type { TrainingEntry } from "./train-config.ts";

/** Settings are maps in maps; names of params may have dots in them. */
export function configText(entries: readonly TrainingEntry[]): string {
  const document = new Document({});
  const variables: string[] = [];
  for (const entry of entries) {
    const { key, value } = entry;
    if (key.startsWith("environment.")) {
      variables.push(`${key.slice("environment.".length)} (${originText(entry)})`);
      continue;
    }
    const node = document.createNode(value, { flow: true }) as Scalar;
    node.comment = ` ${originText(entry)}`;
    document.setIn(pathOf(key), node);
  }
  if (variables.length > 0) document.comment = ` environment, without its values: ${variables.join(", ")}`;
  return document.toString({ lineWidth: 0 });
}

function pathOf(key: string): string[] {
  const [first = "", ...rest] = key.split(".");
  return first === "settings" ? [first, ...rest] : rest.length === 0 ? [first] : [first, rest.join(".")];
}

function originText({ origin, line }: TrainingEntry): string {
  return line === undefined ? origin : `${origin}, line ${line}`;
}

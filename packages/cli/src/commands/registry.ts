import { resolve } from "node:path";
import type { RegistryResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { valuesText } from "../commit-text.ts";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, formatTable } from "../format.ts";

const ACTIONS = ["summary", "export", "import"] as const;
type Version = NonNullable<NonNullable<RegistryResult["summary"]>["champion"]>;

function role(title: string, row: Version | null): string[] {
  if (row === null) return [title, "none"];
  return [title, show(row.version, 80), show(row.date.slice(0, 10), 20), valuesText(row.metrics)];
}

export const command = defineCommand({
  usage: ["registry [summary]", "registry export [--schema 2.0] [--named]", "registry import FILE"],
  description: [
    "summary: how many versions there are, which is live, what was archived. export: every version ever committed,",
    "with and without a name, as one JSON document. import: takes reasons of the archive and metrics from such a",
    "document, for versions that are here; what is live is never moved.",
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), completes: ACTIONS },
    { name: "FILE", summary: "for import" },
  ],
  options: {
    schema: { type: "choice", choices: ["2.0"], summary: "for export: the version of the document" },
    named: { type: "boolean", summary: "for export: only what a tag, the archive or a role names" },
  },
  examples: [
    ["smc registry", "what is where"],
    ["smc registry export --schema 2.0 > model_registry.json", "for other programs"],
    ["smc registry import model_registry.json", "reasons and metrics of a registry that was kept by hand"],
  ],
  run: (context, { words, options }) => {
    const [word = "summary", file, ...more] = words;
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined)
      throw new SmcError("USAGE", `registry: '${show(word, 80)}' is not one of ${ACTIONS.join(", ")}`);
    if ((action === "import") !== (file !== undefined) || more.length > 0)
      throw new SmcError("USAGE", 'a file goes with "smc registry import FILE"');
    if (action !== "export" && (options.named || options.schema !== undefined))
      throw new SmcError("USAGE", "--schema and --named go with export");
    return context.call("registry", {
      action,
      named: options.named,
      ...(file === undefined ? {} : { file: resolve(context.folder, file) }),
    });
  },
  print: ({ summary, document, imported }, out) => {
    if (document !== null) out.line(JSON.stringify(document, null, 2));
    if (summary !== null) {
      const { versions, archived, candidates, champion, challenger, sizeBytes } = summary;
      for (const line of formatTable([role("Champion", champion), role("Challenger", challenger)]))
        out.line(line);
      out.line(
        `${formatCount(versions, "version")}, ${archived} archived, ${formatCount(candidates, "candidate")}, ${formatSize(sizeBytes)} of files`,
      );
    }
    if (imported === null) return;
    for (const version of imported.archived) out.line(`archived  ${show(version, 80)}`);
    for (const version of imported.noted) out.line(`noted     ${show(version, 80)}`);
    for (const { version, why } of imported.skipped)
      out.line(`left out  ${show(version, 80)}: ${show(why, 200)}`);
    if (imported.archived.length + imported.noted.length + imported.skipped.length === 0)
      out.line("nothing was new");
  },
  quiet: ({ summary, document, imported }) => {
    if (document !== null) return document.all_versions.map(({ version }) => version);
    if (imported !== null) return [...new Set([...imported.archived, ...imported.noted])];
    const champion = summary?.champion ?? null;
    return champion === null ? [] : [champion.version];
  },
  json: ({ summary, document, imported }) => summary ?? document ?? imported,
});

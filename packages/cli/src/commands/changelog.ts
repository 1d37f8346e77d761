import type { ChangelogResult } from "@smc/store";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatNumber, shortDigest } from "../format.ts";

type Section = ChangelogResult["sections"][number];

export const command = defineCommand({
  usage: ["changelog [REV] [--since REV] [--md]", "changelog FILE [--md]"],
  description: [
    "Tells what each version brought: its commits, its metrics against the version before, its notes, why it was",
    "archived. What came after the last version stands first. A word that is no revision may be a file, found as by",
    "smc show: then it tells when the file came here, and its notes.",
  ],
  positionals: [{ name: "REV", summary: "up to here (HEAD), or a file", completes: "refs" }],
  options: {
    since: { type: "string", value: "REV", summary: "only what came after it" },
    md: { type: "boolean", summary: "as Markdown" },
  },
  examples: [
    ["smc changelog", "all versions up to HEAD"],
    ["smc changelog v1.1.0 --since v1.0.0 --md", "for the notes of a release"],
    ["smc changelog my_model.pt --md", "of a model file that is in no version"],
  ],
  run: (context, { words: [revision], options: { since } }) =>
    context.call("changelog", {
      ...(revision === undefined ? {} : { revision }),
      ...(since === undefined ? {} : { since }),
    }),
  print: ({ sections }, out, { options: { md } }) => {
    if (md) out.line("# Changelog");
    for (const [index, section] of sections.entries()) {
      if (md || index > 0) out.line("");
      const head = headOf(section);
      out.line(md ? `## ${head}` : out.paint("bold", head));
      if (md) out.line("");
      for (const line of linesOf(section)) out.line(md ? `- ${line}` : `  ${line}`);
    }
  },
  quiet: ({ sections }) => sections.flatMap(({ version }) => version ?? []),
});

function headOf({ version, date, status }: Section): string {
  if (version === null) return "Unreleased";
  const role = status === "candidate" || status === null ? "" : `, ${status}`;
  return `${show(version, 200)} (${(date ?? "").slice(0, 10)}${role})`;
}

function linesOf({ metrics, archived, notes, commits }: Section): string[] {
  const values = metrics.map(({ name, value, delta }) => {
    const change = delta === null || delta === 0 ? "" : ` (${delta > 0 ? "+" : ""}${formatNumber(delta)})`;
    return `${show(name, 80)} ${formatNumber(value)}${change}`;
  });
  return [
    ...(values.length === 0 ? [] : [values.join(", ")]),
    ...(archived === null ? [] : [`Archived: ${show(archived, 500)}`]),
    ...notes.map((text) => `Note: ${show(text, 500)}`),
    ...commits.map(({ digest, subject }) => `${show(subject, 200)} (${shortDigest(digest)})`),
  ];
}

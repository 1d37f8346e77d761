import type { BundleResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, shortDigest, shortRef } from "../format.ts";
import type { Output } from "../output.ts";
import { movedDigests, printFetched } from "../ref-moves.ts";

const ACTIONS = ["create", "verify", "list", "import"] as const;

export const command = defineCommand({
  usage: [
    "bundle create FILE [REF ... | --all] [--since REV ...] [--format carv1|carv2] [--force]",
    "bundle verify FILE",
    "bundle list FILE",
    "bundle import FILE [REF ...] [--name NAME]",
  ],
  description: [
    "A bundle is one file with branches, tags and everything that they need: for a stick, a mail, an archive. It is",
    "a CAR file, which the tools of IPFS list and read: CARv1, or with --format carv2 one with an index, so that they",
    'find a block without reading all. With --since it holds only what those revisions do not have. "verify" compares every byte with its digest',
    'and needs no repository. "import" is like a fetch: branches become NAME/BRANCH, tags stay tags, and nothing is',
    "imported of a bundle that is damaged.",
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), required: true, completes: ACTIONS },
    { name: "FILE", summary: "the bundle", required: true },
    {
      name: "REF",
      summary: "branches and tags (the current branch; import: all)",
      many: true,
      completes: "refs",
    },
  ],
  options: {
    all: { type: "boolean", summary: "create: all branches and tags" },
    since: {
      type: "string",
      multiple: true,
      value: "REV",
      summary: "create: leave out what the receiver has",
    },
    format: {
      type: "choice",
      choices: ["carv1", "carv2"],
      summary: "create: carv2 is a CARv1 with an index (carv1)",
    },
    force: { type: "boolean", short: "f", summary: "create: replace a file that is there" },
    name: { type: "string", value: "NAME", summary: "import: branches become NAME/BRANCH (bundle)" },
  },
  examples: [
    ["smc bundle create model.car main v1.0.0", "one branch and one tag"],
    ["smc bundle create news.car --all --since v1.0.0", "what is new since v1.0.0"],
    ["smc bundle create model.car --all --format carv2", "for tools that look for single blocks"],
    ["smc bundle verify model.car", "did it arrive whole?"],
    ["smc bundle import model.car", "take it over"],
    ["smc switch -c main bundle/main", "and work with it"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "", file, ...refs] = [...words, ...(rest ?? [])];
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined)
      throw new SmcError(
        "ARGUMENT_INVALID",
        `bundle: '${show(word, 80)}' is not one of ${ACTIONS.join(", ")}`,
      );
    if (file === undefined) throw new SmcError("USAGE", `it is "smc bundle ${action} FILE"`);
    if (file === "-")
      throw new SmcError("USAGE", "a bundle is a file: it neither goes through a pipe nor comes from one", {
        hint: `a file of that name is "smc bundle ${action} ./-"`,
      });
    const { all, since, force, format, name } = options;
    if (action !== "create" && (all || force || since.length > 0 || format !== undefined))
      throw new SmcError("USAGE", '--all, --since, --format and --force go with "smc bundle create"');
    if (action !== "import" && name !== undefined)
      throw new SmcError("USAGE", '--name goes with "smc bundle import"');
    if ((action === "verify" || action === "list") && refs.length > 0)
      throw new SmcError("USAGE", `it is "smc bundle ${action} FILE"`);
    return context.call("bundle", {
      action,
      file,
      ...(refs.length === 0 ? {} : { refs }),
      ...(action === "create" ? { all, force } : {}),
      ...(since.length === 0 ? {} : { since: [...since] }),
      ...(format === undefined ? {} : { format }),
      ...(name === undefined ? {} : { name }),
    });
  },
  print: (data, out) => {
    const { action, imported } = data;
    const file = show(data.file, 500);
    if (action === "create") {
      const records = formatCount(data.records, "object");
      out.line(`Wrote ${file}: ${records}, ${formatSize(data.sizeBytes)}`);
    }
    if (imported !== null) {
      printFetched(imported, out);
      if (imported.refs.length === 0) out.line("Already up to date.");
      return;
    }
    if (data.format === "carv2" && action !== "create") out.line("CARv2");
    for (const { name, digest } of data.refs) out.line(`${shortDigest(digest)}  ${shortRef(name)}`);
    for (const digest of data.since) out.line(`needs ${digest}`);
    printChecked(data, out);
  },
  quiet: (data) =>
    data.imported === null ? data.refs.map(({ digest }) => digest) : movedDigests(data.imported.refs),
});

function printChecked({ checked }: BundleResult, out: Output): void {
  if (checked === null) return;
  const { commits, trees, tags, files, partialFiles, bytes } = checked;
  const parts = [
    formatCount(commits, "commit"),
    formatCount(trees, "tree"),
    formatCount(tags, "tag"),
    formatCount(files, "file"),
  ];
  out.line(`checked ${parts.join(", ")}: ${formatSize(bytes)} read and hashed`);
  if (partialFiles > 0)
    out.line(`${formatCount(partialFiles, "file")} can only be checked where the rest of them is`);
  out.line(out.paint("green", "ok"));
}

import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { printBlob } from "../blob.ts";
import { defineCommand } from "../command.ts";
import { formatJson } from "../output.ts";

const FORMS = ["type", "size", "exists", "pretty", "cid"] as const;

export const command = defineCommand({
  usage: ["cat-file -t|-s|-e|-p|--cid OBJECT"],
  description: ["Shows one object: its kind, its size, whether it is there (0 or 1), or its content."],
  positionals: [
    { name: "OBJECT", summary: "digest, CID or any revision", required: true, completes: "refs" },
  ],
  options: {
    type: { type: "boolean", short: "t", summary: "its kind: blob, tree, commit, tag" },
    size: { type: "boolean", short: "s", summary: "its bytes" },
    exists: { type: "boolean", short: "e", summary: "print nothing; end with 1 when it is not there" },
    pretty: { type: "boolean", short: "p", summary: "its content" },
    cid: { type: "boolean", summary: "its CIDv1" },
  },
  examples: [
    ["smc cat-file -t v1.0.0", "tag or commit?"],
    ["smc cat-file -p HEAD", "the fields of a commit"],
    ["smc cat-file --cid v1.0.0:best.pt", "the CIDv1 of a file"],
  ],
  run: async (context, { words, options }) => {
    const forms = FORMS.filter((form) => options[form]);
    if (forms.length > 1) throw new SmcError("USAGE", `--${forms.join(" and --")} do not go together`);
    const [revision = ""] = words;
    return context.call("cat-file", { revision, exists: options.exists });
  },
  print: async (data, out, { options, context }) => {
    if (options.exists) return;
    if (options.type) out.line(data.kind ?? "");
    else if (options.size) out.line(String(data.sizeBytes));
    else if (options.cid) out.line(data.cid ?? "");
    else if (data.kind === "blob" && data.digest !== null) await printBlob(context, data.digest, out);
    else if (data.content?.type === "tree") {
      for (const entry of data.content.entries) out.line(`${entry.mode} ${entry.digest} ${show(entry.name)}`);
    } else out.line(formatJson(data.content, true));
  },
  quiet: (data) => (data.digest === null ? [] : [data.digest]),
  exitCode: (data) => (data.exists ? 0 : 1),
});

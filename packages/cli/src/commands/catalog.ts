import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { parseAction } from "../action.ts";
import { hasDownloaded, printPulled, pulledExit, pulledPaths } from "../catalog-text.ts";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";
import { hintUnrecorded } from "../unrecorded.ts";

const ACTIONS = ["list", "add", "rm", "pull"] as const;
const DIGEST_SHOWN = 12;

export const command = defineCommand({
  usage: [
    "catalog [list]",
    "catalog add NAME --url URL [--sha256 H] [--md5 H] [--default] [--description TEXT] [--force]",
    "catalog rm NAME",
    "catalog pull [--force] NAME ... | --all",
  ],
  description: [
    "Models that are downloaded from the web: smc.models.json in the root of the worktree, else in the folder where",
    "you are, says where each is. Commit it, and everybody has the same. pull downloads into downloads/ of",
    "layout.folder (data/models), and compares SHA-256 and MD5 before a file gets its name. What breaks off goes on",
    'with the next "pull". One that fails does not stop the others: the status is then 6.',
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), completes: ACTIONS },
    { name: "NAME", summary: "of the model, and of its file: best.pt", many: true },
  ],
  options: {
    url: { type: "string", value: "URL", summary: "add: where it is; https, or http with --sha256" },
    sha256: { type: "string", value: "H", summary: "add: the SHA-256 that it must have" },
    md5: { type: "string", value: "H", summary: "add: the MD5 that it must have" },
    default: { type: "boolean", summary: "add: smc setup --with-defaults downloads it" },
    description: { type: "string", value: "TEXT", summary: "add: what it is" },
    all: { type: "boolean", summary: "pull: all models" },
    force: { type: "boolean", summary: "add: replace the entry; pull: replace another file" },
  },
  examples: [
    ["smc catalog add best.pt --url https://host/best.pt --sha256 2f1e…", "say where it is"],
    ["smc catalog pull best.pt", "download it to data/models/downloads/best.pt"],
    ["smc catalog pull --all", "all of them"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "list", ...names] = [...words, ...(rest ?? [])];
    const action = parseAction("catalog", ACTIONS, word);
    const { url, sha256, md5, description, all, force } = options;
    const isAdding = url !== undefined || sha256 !== undefined || md5 !== undefined || options.default;
    if (action !== "add" && (isAdding || description !== undefined))
      throw new SmcError("USAGE", "these options go with smc catalog add");
    if ((action !== "pull" && all) || (action === "list" && names.length > 0))
      throw new SmcError("USAGE", `it is "smc catalog ${action}", without more`);
    return context.call("catalog", {
      action,
      ...(names.length === 0 ? {} : { names }),
      ...(url === undefined ? {} : { url }),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(md5 === undefined ? {} : { md5 }),
      ...(description === undefined ? {} : { description }),
      default: options.default,
      all,
      force,
    });
  },
  print: (data, out) => {
    printPulled(data.pulled, out);
    const isChange = data.action !== "list" && (data.action !== "pull" || hasDownloaded(data.pulled));
    hintUnrecorded(isChange, data.recorded, out);
    for (const { name, sha256, md5 } of data.action === "add" ? data.models : []) {
      out.line(`Added ${show(name, 300)} to ${show(data.file, 1000)}`);
      if (sha256 === null && md5 === null)
        out.hint(
          "it has no digest: whatever comes from there is taken; say which file you mean with --sha256",
        );
    }
    if (data.action === "rm")
      for (const { name } of data.models)
        out.line(`Removed ${show(name, 300)} from ${show(data.file, 1000)}`);
    if (data.action === "list") {
      const rows = data.models.map(({ name, url, sha256, md5, path, isDefault }) => [
        show(name, 300),
        sha256?.slice(0, DIGEST_SHOWN) ?? (md5 === null ? "unchecked" : "md5"),
        path === null ? "-" : "here",
        isDefault ? "default" : "",
        show(url, 500),
      ]);
      for (const line of formatTable(rows)) out.line(line);
      if (rows.length === 0)
        out.hint(`${show(data.file, 1000)} has no model; add one with "smc catalog add NAME --url URL"`);
    }
    for (const { file } of data.pulled)
      if (file?.downloaded === true) out.line(`SHA-256 ${file.sha256}  ${show(file.path, 1000)}`);
  },
  quiet: (data) => (data.action === "pull" ? pulledPaths(data.pulled) : data.models.map(({ name }) => name)),
  exitCode: ({ pulled }) => pulledExit(pulled),
});

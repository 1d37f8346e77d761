import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatAgo, formatCount, formatSize } from "../format.ts";

export const command = defineCommand({
  usage: ["undelete [EPOCH]", "undelete --list"],
  description: [
    "Brings back what gc took away and has not freed for good. Nothing names it then: make a branch or a tag of",
    "what is wanted, the next gc takes the rest away again.",
  ],
  positionals: [{ name: "EPOCH", summary: "the gc to undo, as --list names it (all of them)" }],
  options: { list: { type: "boolean", summary: "only tell what can be brought back" } },
  examples: [
    ["smc undelete --list", "what can be brought back?"],
    ["smc undelete", "undo the last gc"],
  ],
  run: (context, { words, options }) =>
    context.call("undelete", {
      list: options.list,
      ...(words[0] === undefined ? {} : { epoch: words[0] }),
    }),
  print: (data, out) => {
    const now = Date.now();
    if (data.epochs.length === 0) out.line("nothing can be brought back");
    for (const { name, ms, packs, bytes } of data.epochs) {
      const what = `${formatSize(bytes)} in ${formatCount(packs, "pack")}`;
      out.line(`${data.listed ? "" : "back: "}${name}: ${what}, taken away ${formatAgo(ms, now)}`);
    }
    for (const { digest, committedMs, message } of data.commits) {
      const subject = show(message.split("\n")[0] ?? "", 80);
      out.line(
        `commit ${out.paint("yellow", digest.slice(0, 12))} ${formatAgo(committedMs, now)}: ${subject}`,
      );
    }
    if (data.unpruned > 0) out.line(`${formatCount(data.unpruned, "version")} whose files are back`);
    if (data.commits.length > 0)
      out.line('keep one with "smc branch NAME DIGEST"; the next gc takes the others away again');
  },
  quiet: (data) =>
    data.listed ? data.epochs.map(({ name }) => name) : data.commits.map(({ digest }) => digest),
});

import type { OutdatedRow } from "@smc/store";
import { ERRORS } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatTable, shortDigest, shortRef } from "../format.ts";

export const command = defineCommand({
  usage: ["outdated [REMOTE] [--exit-code]"],
  description: [
    "Asks every remote, or one, which branches, tags and registry names are different there. Nothing is fetched. A",
    "remote that cannot be reached is told of, and the others are asked.",
  ],
  positionals: [{ name: "REMOTE", summary: "only this remote" }],
  options: {
    "exit-code": { type: "boolean", summary: "end with 1 when something is different" },
  },
  examples: [
    ["smc outdated", "what is newer elsewhere?"],
    ["smc outdated --exit-code -q || smc pull", "in a script"],
  ],
  run: (context, { words }) => context.call("outdated", words[0] === undefined ? {} : { remote: words[0] }),
  print: (data, out) => {
    const rows = data.refs.map((row) => [
      `${show(row.remote)}/${shortRef(row.name)}`,
      row.here === null ? "-" : shortDigest(row.here),
      shortDigest(row.there),
      stateText(row),
    ]);
    for (const { name, error } of data.failed)
      out.hint(`${show(name)} was not asked: ${show(error.message, 500)}`);
    if (rows.length === 0) {
      if (data.remotes.length === 0) return;
      const names = data.remotes.map(({ name }) => show(name)).join(", ");
      out.line(`Everything is as on ${names}`);
      return;
    }
    for (const line of formatTable([["REF", "HERE", "THERE", "STATE"], ...rows])) out.line(line);
  },
  quiet: (data) => data.refs.map(({ remote, name }) => `${remote} ${name}`),
  exitCode: (data, { options }) => {
    const [failure] = data.failed;
    if (failure !== undefined) return ERRORS[failure.error.code].exit;
    return options["exit-code"] && data.refs.length > 0 ? 1 : 0;
  },
});

function stateText({ state, ahead, behind }: OutdatedRow): string {
  if (state === "new") return "new there";
  if (state === "moved") return "another object there";
  if (ahead === null || behind === null) return state === "behind" ? "behind: fetch it" : state;
  if (state === "diverged") return `${formatCount(ahead, "commit")} here, ${behind} there`;
  return state === "ahead"
    ? `ahead by ${formatCount(ahead, "commit")}`
    : `behind by ${formatCount(behind, "commit")}`;
}

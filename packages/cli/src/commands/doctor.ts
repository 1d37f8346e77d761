import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { sharedEnvironment } from "../environment.ts";
import { formatTable } from "../format.ts";

const COLOURS = { ok: "green", warn: "yellow", fail: "red" } as const;

export const command = defineCommand({
  usage: ["doctor"],
  description: [
    "Looks at Node, the store, its disk, refs, what the daemon found when it read packs again, settings and this worktree.",
    "Ends with 1 when something fails.",
  ],
  options: {},
  examples: [
    ["smc doctor", "is everything as it should be?"],
    ["smc doctor -q", "only the names of what fails"],
  ],
  run: (context) =>
    context.call("doctor", { folder: context.folder, environment: sharedEnvironment(process.env) }),
  print: (data, out) => {
    const rows = data.checks.map(({ check, state, message }) => [state, show(check, 40), show(message)]);
    for (const [position, line] of formatTable(rows).entries()) {
      const row = data.checks[position];
      out.line(row === undefined ? line : out.paint(COLOURS[row.state], line));
      if (row?.hint !== undefined) out.line(`      hint: ${show(row.hint)}`);
    }
  },
  quiet: (data) => data.checks.filter(({ state }) => state === "fail").map(({ check }) => check),
  exitCode: (data) => (data.ok ? 0 : 1),
});

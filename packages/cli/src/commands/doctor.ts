import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { sharedEnvironment } from "../environment.ts";
import { formatTable } from "../format.ts";

const COLOURS = { pass: "green", warn: "yellow", fail: "red" } as const;

export const command = defineCommand({
  usage: ["doctor [FILE or URL ...] [--offline]"],
  description: [
    "Looks at Node, the clock, the store, its disk, refs, what the daemon found when it read packs again, settings",
    "and this worktree; at the model files of layout.folder (size, digests of backups, permissions); at the daemon,",
    "the network, the addresses of remotes and whether they answer. Says PASS, WARN or FAIL of each and what to do.",
    "Ends with 1 when something fails.",
  ],
  positionals: [{ name: "FILE or URL", summary: "also look at this file, or ask this address", many: true }],
  options: {
    offline: { type: "boolean", summary: "ask nobody outside of this machine" },
  },
  examples: [
    ["smc doctor", "is everything as it should be?"],
    ["smc doctor best.pt https://example.org/models/best.pt", "is this file whole, and is that one there?"],
    ["smc doctor -q --offline", "only the names of what fails, without remotes"],
  ],
  run: (context, { words, rest, options }) => {
    const all = [...words, ...(rest ?? [])];
    const urls = all.filter((word) => /^https?:\/\//i.test(word));
    const files = all.filter((word) => !urls.includes(word));
    return context.call("doctor", {
      folder: context.folder,
      environment: sharedEnvironment(process.env),
      offline: options.offline,
      ...(files.length === 0 ? {} : { files }),
      ...(urls.length === 0 ? {} : { urls }),
    });
  },
  print: (data, out) => {
    const rows = data.checks.map(({ check, state, message }) => [
      state.toUpperCase(),
      show(check, 40),
      show(message, 1000),
    ]);
    for (const [position, line] of formatTable(rows).entries()) {
      const row = data.checks[position];
      out.line(row === undefined ? line : out.paint(COLOURS[row.state], line));
      if (row?.hint !== undefined) out.line(`      fix: ${show(row.hint, 1000)}`);
    }
  },
  quiet: (data) => data.checks.filter(({ state }) => state === "fail").map(({ check }) => check),
  exitCode: (data) => (data.ok ? 0 : 1),
});

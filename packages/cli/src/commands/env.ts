import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { sharedEnvironment } from "../environment.ts";
import { formatDuration, formatSize, formatTable } from "../format.ts";

export const command = defineCommand({
  usage: ["env"],
  description: [
    "Prints versions, paths, variables and settings, to be pasted in a report. Secrets are masked.",
  ],
  options: {},
  examples: [
    ["smc env", "for people"],
    ["smc env --json", "for programs"],
  ],
  run: (context) =>
    context.call("env", { folder: context.folder, environment: sharedEnvironment(process.env) }),
  print: (data, out) => {
    const { store, daemon } = data;
    const rows = [
      ["smc", data.version],
      ["node", data.node],
      ["system", `${data.platform} ${data.arch} ${data.release}`],
      ["machine", `${data.cpuCount} CPUs, ${formatSize(data.memoryBytes)}`],
      ["store", `${store.path} (${store.id})`],
      ...(store.readOnlyReason === null ? [] : [["read-only", store.readOnlyReason]]),
      [
        "daemon",
        `pid ${daemon.pid}, up ${formatDuration(daemon.uptimeMs / 1000)}, ${formatSize(daemon.rssBytes)}`,
      ],
      ...Object.entries(data.environment),
      ...data.config.map(({ key, value, origin }) => [
        key,
        `${value === null ? "(not set)" : String(value)} (${origin})`,
      ]),
    ];
    for (const line of formatTable(rows.map((cells) => cells.map((cell) => show(cell))))) out.line(line);
  },
  quiet: (data) => [data.version],
});

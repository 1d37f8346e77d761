import { show } from "@smc/store/show";
import type { RollbackDone, RollbackResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { defineCommand } from "../command.ts";
import { formatNumber, formatTable } from "../format.ts";
import { printMove, seen, tellMove } from "../role-text.ts";

export const command = defineCommand({
  usage: ["rollback [--version V] [--reason TEXT]", "rollback --list"],
  description: [
    "Makes the champion before champion again; the one that it replaces is archived. Run again, it goes one further",
    "back, and not to and fro. First the version is checked to be whole; when it is damaged, nothing is moved (exit",
    "4). Asks before it moves what is live: --yes answers, and without a terminal it is needed (exit 8).",
  ],
  options: {
    version: { type: "string", value: "V", summary: "to this version instead" },
    list: { type: "boolean", summary: "list the archived versions one can go back to" },
    reason: { type: "string", value: "TEXT", summary: "why; kept with the version that leaves" },
    full: { type: "boolean", summary: "read every byte, also what was found right lately" },
  },
  examples: [
    ["smc rollback --reason 'drift on site 3'", "the champion before"],
    ["smc rollback --version v1.0.0 --yes", "a version, without a question"],
    ["smc rollback --list", "what is there to go back to?"],
  ],
  run: (context, { options }): Promise<RollbackResult> => {
    const { version, list, reason, full } = options;
    if (list) {
      if (version !== undefined || reason !== undefined)
        throw new SmcError("USAGE", "--list goes back to nothing; nothing was run");
      return context.call("rollback", { list: true });
    }
    const input = {
      full,
      ...(version === undefined ? {} : { version }),
      ...(reason === undefined ? {} : { reason }),
    };
    return context.confirm<RollbackDone>({
      // Without `list` the answer is about a move.
      ask: async (answer, plan) =>
        (await context.call("rollback", { ...input, answer, ...seen(plan) })) as RollbackDone,
      tell: (plan) => (plan.from?.commit === plan.to.commit ? [] : tellMove(plan, plan.reason)),
    });
  },
  print: (data, out) => {
    if (data.action === "rollback") {
      if (data.moved) printMove(data, out);
      else out.line(`${show(data.to.version, 200)} is ${show(data.role, 80)} already`);
      return;
    }
    const rows = data.versions.map(({ version, archived, date, metrics, reason, isNext }) => [
      `${isNext ? "*" : " "} ${show(version, 200)}`,
      show(archived ?? date, 40).slice(0, 10),
      Object.entries(metrics)
        .map(([name, value]) => `${show(name, 40)} ${formatNumber(value)}`)
        .join(" "),
      show(reason ?? "", 200),
    ]);
    for (const line of formatTable(rows)) out.line(line);
  },
  quiet: (data) => {
    if (data.action === "list") return data.versions.map(({ version }) => version);
    return data.moved ? [data.to.commit] : [];
  },
});

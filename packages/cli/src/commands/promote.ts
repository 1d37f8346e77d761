import type { PromoteResult } from "@smc/store";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { printGate, printMove, seen, tellMove } from "../role-text.ts";

export const command = defineCommand({
  usage: ["promote --reason TEXT [options] REV"],
  description: [
    "Makes a version the champion. The champion before is archived with the reason, a challenger that wins is no",
    "challenger any more: all in one step, or nothing of it. First the version is checked to be whole; when it is",
    "damaged, nothing is moved (exit 4). Asks before it moves what is live: --yes answers, and without a terminal",
    "it is needed (exit 8). --require is a condition about metrics and params, of this version or of others; when",
    "it is not met nothing is moved (exit 1).",
  ],
  positionals: [{ name: "REV", summary: "the version", required: true, completes: "refs" }],
  options: {
    to: { type: "string", value: "ROLE", summary: "champion (the default), challenger, or a role of yours" },
    require: { type: "string", value: "EXPR", summary: "only when this holds: 'azi >= champion.azi'" },
    force: { type: "boolean", summary: "also when it does not hold; the audit log says so" },
    reason: { type: "string", value: "TEXT", summary: "why; kept with the version that leaves" },
    full: { type: "boolean", summary: "read every byte, also what was found right lately" },
  },
  examples: [
    ["smc promote v1.0.1 --reason 'azi up by 20'", "make it the champion"],
    [
      "smc promote v1.0.1 --require 'azi >= champion.azi and mag >= champion.mag - 1' --reason drift",
      "only when it is better",
    ],
    ["smc promote HEAD --to staging --reason 'to be tried out'", "a role of your own"],
  ],
  run: (context, { words, options }): Promise<PromoteResult> => {
    const { to, require, force, reason = "", full } = options;
    const input = {
      revision: words[0] ?? "",
      reason,
      force,
      full,
      ...(to === undefined ? {} : { to }),
      ...(require === undefined ? {} : { require }),
    };
    if (to === "challenger") return context.call("promote", input);
    return context.confirm<PromoteResult>({
      ask: (answer, plan) => context.call("promote", { ...input, answer, ...seen(plan) }),
      tell: (plan) =>
        plan.from?.commit === plan.to.commit || isRefused(plan, force) ? [] : tellMove(plan, reason),
    });
  },
  print: (data, out) => {
    if (data.moved) printMove(data, out);
    else if (data.from?.commit === data.to.commit)
      out.line(`${show(data.to.version, 200)} is ${show(data.role, 80)} already`);
    else if (data.gate !== null) {
      printGate(data.gate, out);
      out.hint("nothing was moved; --force goes on all the same, and the audit log says so");
    }
  },
  quiet: (data) => (data.moved ? [data.to.commit] : []),
  exitCode: (data, { options }) => (isRefused(data, options.force) ? 1 : 0),
});

function isRefused({ gate }: { gate: { met: boolean } | null }, force: boolean): boolean {
  return gate?.met === false && !force;
}

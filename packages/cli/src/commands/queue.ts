import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount } from "../format.ts";
import { jobTable } from "../job-text.ts";

const ACTIONS = ["status", "start", "stop"] as const;
const SLOTS_MAX = 64;

export const command = defineCommand({
  usage: ["queue [status]", "queue start [-j N]", "queue stop"],
  description: [
    "Jobs begin in the order of their priority, then of their age, as many at a time as jobs.slots says. stop lets",
    "no further job begin; those that run go on.",
  ],
  positionals: [{ name: "action", summary: ACTIONS.join(", "), completes: ACTIONS }],
  options: {
    slots: {
      type: "integer",
      short: "j",
      value: "N",
      min: 1,
      max: SLOTS_MAX,
      summary: "start: so many jobs at a time, from now on",
    },
  },
  examples: [
    ["smc queue", "what runs and what waits"],
    ["smc queue start -j 2", "two at a time"],
    ["smc queue stop", "no further one"],
  ],
  run: (context, { words, options }) => {
    const [word = "status"] = words;
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined)
      throw new SmcError(
        "ARGUMENT_INVALID",
        `queue: '${show(word, 80)}' is not one of ${ACTIONS.join(", ")}`,
      );
    const { slots } = options;
    if (slots !== undefined && action !== "start")
      throw new SmcError("USAGE", '--slots goes with "smc queue start"');
    return context.call("queue", { action, ...(slots === undefined ? {} : { slots }) });
  },
  print: ({ slots, isPaused, running, waiting }, out) => {
    const state = isPaused ? "no further job begins" : `${formatCount(slots, "job")} at a time`;
    out.line(`${running.length} running, ${waiting.length} waiting, ${state}`);
    const all = [...running, ...waiting];
    if (all.length > 0) for (const line of jobTable(all, out, Date.now())) out.line(line);
  },
  quiet: ({ running, waiting }) => [...running, ...waiting].map(({ id }) => id),
});

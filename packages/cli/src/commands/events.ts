import type { StoreEvent } from "@smc/store";
import { show } from "@smc/store/show";
import { type CommandContext, defineCommand, type ExecuteMode, Streamed } from "../command.ts";
import { formatTable, shortDigest } from "../format.ts";
import { formatJson } from "../output.ts";

const COUNT = 20;
const NAMES = ["ref.updated", "champion.changed", "integrity.failed", "job.finished"] as const;
/** Of an event with many. */
const REFS_SHOWN = 5;

export const command = defineCommand({
  usage: ["events [-f] [--event NAME] [-n COUNT]"],
  description: [
    "Lists the latest events, oldest first: refs that moved, another champion, damage that was found. With -f it",
    "goes on with each event as it happens, until Ctrl-C or until the daemon leaves; --json then prints one event",
    "per line. They are read from the journal, so that a slow reader misses none. To have a program or a server",
    "told, see smc hook.",
  ],
  options: {
    follow: { type: "boolean", short: "f", summary: "go on with what happens from now on" },
    event: { type: "string", value: "NAME", summary: `only these: ${NAMES.join(", ")}` },
    "max-count": {
      type: "integer",
      short: "n",
      value: "COUNT",
      min: 0,
      max: 1000,
      summary: `how many of those that were (${COUNT})`,
    },
  },
  digits: "max-count",
  examples: [
    ["smc events -5", "what happened last?"],
    ["smc events -f --event champion.changed --json", "one line of JSON for each change of champion"],
  ],
  run: async (context, { options }, mode) => {
    const input = {
      limit: options["max-count"] ?? COUNT,
      ...(options.event === undefined ? {} : { event: options.event }),
    };
    if (!options.follow) return context.call("events", input);
    return follow(context, { ...input, follow: true }, mode);
  },
  print: (data, out) => {
    for (const line of formatTable(data.events.map(cells))) out.line(line);
  },
  quiet: (data) => data.events.map(({ id }) => id),
});

/** Prints each event at once. A daemon that is asked again tells some a second time: those are left out. */
async function follow(
  context: CommandContext,
  input: { readonly limit: number; readonly event?: string; readonly follow: true },
  { out, json, quiet }: ExecuteMode,
): Promise<Streamed> {
  const told = new Set<string>();
  let seq = 0;
  await context.call("events", input, async (event) => {
    if (event.seq < seq || told.has(event.id)) return;
    if (event.seq > seq) told.clear();
    told.add(event.id);
    seq = event.seq;
    const line = json ? formatJson(event, false) : quiet ? show(event.id) : cells(event).join("  ");
    await out.bytes(Buffer.from(`${line}\n`));
  });
  return new Streamed(0);
}

function cells({ time, event, repository, actor, reason, refs, refsLeftOut }: StoreEvent): string[] {
  const moves = refs.slice(0, REFS_SHOWN).map(({ name, from, to }) => {
    const [before, after] = [from, to].map((digest) => (digest === null ? "absent" : shortDigest(digest)));
    return `${show(name, 300)} ${before} -> ${after}`;
  });
  const more = refs.length - moves.length + refsLeftOut;
  const what = [...moves, ...(more > 0 ? [`and ${more} more`] : [])].join(", ");
  return [show(time, 40), event, show(repository, 200), what, show(actor, 80), show(reason, 200)];
}

import type { HookResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";
import type { Output } from "../output.ts";

const ACTIONS = ["add", "list", "rm", "test"] as const;
const USAGES = {
  add: "add EVENT URL, or: smc hook add EVENT --exec PROGRAM [--] [ARG ...]",
  list: "list",
  rm: "rm ID",
  test: "test ID",
} as const;

export const command = defineCommand({
  usage: [
    "hook add EVENT URL",
    "hook add EVENT --exec PROGRAM [--] [ARG ...]",
    "hook list",
    "hook rm ID",
    "hook test ID",
  ],
  description: [
    "Tells a server or a program of an event: ref.updated, champion.changed, integrity.failed or job.finished. URL",
    "gets a signed POST with JSON, again for half a minute while its trouble is short. The secret is shown once, by",
    "add. PROGRAM is run without a shell, with JSON on its standard input; arguments that begin with - stand behind",
    "--. Commands never wait for hooks. Hooks are yours, in the store: what is cloned brings none.",
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), required: true, completes: ACTIONS },
    { name: "EVENT or ID", summary: "what it is told of, or which hook" },
    {
      name: "URL or ARG",
      summary: "https://… that gets a POST; with --exec, arguments of the program",
      many: true,
    },
  ],
  options: {
    exec: { type: "string", value: "PROGRAM", summary: "add: run this program" },
  },
  examples: [
    ["smc hook add champion.changed https://ci.example.org/smc", "a server is told of each new champion"],
    ["smc hook add integrity.failed --exec ./page-me.sh urgent", "a program is run when damage is found"],
    ["smc hook list", "who is told of what, and how did the last time end?"],
    ["smc hook test 1a2b3c4d", "does it get there?"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "", what, ...more] = [...words, ...(rest ?? [])];
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined)
      throw new SmcError("USAGE", `'smc hook' does not know '${show(word, 40)}'`, {
        hint: `it knows ${ACTIONS.join(", ")}`,
      });
    const { exec } = options;
    const isAdd = action === "add";
    const isWrong = isAdd
      ? what === undefined || (exec === undefined && more.length !== 1)
      : more.length > 0 || exec !== undefined || (what === undefined) !== (action === "list");
    if (isWrong) throw new SmcError("USAGE", `it is "smc hook ${USAGES[action]}"`);
    if (!isAdd) return context.call("hook", { action, ...(what === undefined ? {} : { id: what }) });
    const [url = ""] = more;
    const to = exec === undefined ? { url } : { exec: [exec, ...more] };
    return context.call("hook", { action, event: what ?? "", ...to });
  },
  print: (data, out) => {
    if (data.action === "list") return printList(data.hooks, out);
    const [hook] = data.hooks;
    if (hook === undefined) return;
    const to = show(targetOf(hook), 1000);
    if (data.action === "rm") return out.line(`Removed hook ${hook.id}: ${hook.event} ${to}`);
    if (data.tried !== null) {
      out.line(out.paint(data.tried.ok ? "green" : "red", data.tried.ok ? "told" : "not told"));
      return out.line(show(data.tried.message, 1000));
    }
    out.line(`Added hook ${hook.id}: ${hook.event} ${to}`);
    if (data.secret === null) return;
    out.line(data.secret);
    out.hint("the receiver checks smc-signature with this secret; nothing shows it again");
  },
  quiet: (data) => data.hooks.map(({ id }) => id),
  exitCode: (data) => (data.tried?.ok === false ? 1 : 0),
});

function targetOf({ url, exec }: HookResult["hooks"][number]): string {
  return url ?? exec?.join(" ") ?? "";
}

function printList(hooks: HookResult["hooks"], out: Output): void {
  const rows = hooks.map((hook) => {
    const { id, event, last, failed, skipped } = hook;
    const ended =
      last === null
        ? "not told yet"
        : `${last.ok ? "told" : "failed"} ${last.at}: ${show(last.message, 200)}`;
    const lost = failed + skipped === 0 ? "" : `${failed} given up, ${skipped} passed over`;
    return [id, event, show(targetOf(hook), 300), ended, lost];
  });
  for (const line of formatTable(rows)) out.line(line);
  if (hooks.length === 0) out.hint('there is none; add one with "smc hook add EVENT URL"');
}

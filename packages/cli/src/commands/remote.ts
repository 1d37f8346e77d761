import type { RemoteResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { parseAction } from "../action.ts";
import { defineCommand } from "../command.ts";
import { formatCount, formatTable } from "../format.ts";
import type { Output } from "../output.ts";

const ACTIONS = ["list", "add", "remove", "rename", "set-url", "test"] as const;
type Action = (typeof ACTIONS)[number];
/** Words that each action takes. */
const WORDS: Readonly<Record<Action, readonly [min: number, max: number, usage: string]>> = {
  list: [0, 0, "remote list"],
  add: [2, 2, "remote add NAME URL"],
  remove: [1, 1, "remote remove NAME"],
  rename: [2, 2, "remote rename OLD NEW"],
  "set-url": [2, 2, "remote set-url NAME URL"],
  test: [0, 1, "remote test [NAME]"],
};

export const command = defineCommand({
  usage: [
    "remote [list] [-v]",
    "remote add NAME URL [--no-test]",
    "remote remove NAME",
    "remote rename OLD NEW",
    "remote set-url NAME URL",
    "remote test [NAME]",
  ],
  description: [
    "Remotes are other places that hold this repository: a folder (file:///mnt/nas/model), a bucket",
    '(s3://bucket/model) or a server of smc (https://host:7433/model). Read only: one file of "smc bundle create"',
    "behind a link: github-release://owner/repository/tag, gdrive://ID, dropbox://LINK, https://host/model.car.",
    '"add" asks the remote what it does when several write. Passwords and keys are not kept here: see "smc help remotes".',
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), completes: ACTIONS },
    { name: "NAME", summary: "of the remote: origin" },
    { name: "URL", summary: "where it is; NEW for rename" },
  ],
  options: {
    verbose: { type: "boolean", short: "v", summary: "list where they lead too" },
    "no-test": { type: "boolean", summary: "add: do not ask the remote" },
  },
  examples: [
    ["smc remote add origin file:///mnt/nas/model", "a folder that several machines see"],
    ["smc remote add origin 's3://models/demo?endpoint=https://minio.lan:9000'", "a bucket"],
    ["smc remote add origin https://models.lan:7433/team/demo", 'a server, after "smc login"'],
    ["smc remote add release github-release://team/model/v1.0.0", "a bundle in a release, read only"],
    ["smc remote -v", "which are there, and where do they lead?"],
    ["smc remote test", "does it answer?"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "list", ...names] = [...words, ...(rest ?? [])];
    const action = parseAction("remote", ACTIONS, word);
    const [min, max, usage] = WORDS[action];
    if (names.length < min || names.length > max) throw new SmcError("USAGE", `it is "smc ${usage}"`);
    const [name, second] = names;
    const { "no-test": skipTest } = options;
    if (skipTest && action !== "add") throw new SmcError("USAGE", '--no-test goes with "smc remote add"');
    return context.call("remote", {
      action,
      ...(name === undefined ? {} : { name }),
      ...(second === undefined ? {} : action === "rename" ? { to: second } : { url: second }),
      ...(action === "add" ? { skipTest } : {}),
    });
  },
  print: (data, out, { words, options }) => {
    if (data.action === "list") {
      for (const line of formatTable(rows(data, options.verbose))) out.line(line);
      if (data.remotes.length === 0) out.hint('there is none; add one with "smc remote add origin URL"');
      return;
    }
    const [remote] = data.remotes;
    if (remote === undefined) return;
    const name = show(remote.name);
    const url = show(remote.url, 500);
    if (data.action === "add") out.line(`Added remote '${name}' (${url})`);
    if (data.action === "set-url") out.line(`Remote '${name}' leads to ${url} now`);
    if (data.action === "remove") out.line(`Removed remote '${name}' (${url})`);
    if (data.action === "rename") out.line(`Renamed remote '${show(words[1] ?? "")}' to '${name}'`);
    printFound(data, out);
  },
  quiet: (data) => data.remotes.map(({ name }) => name),
});

function rows(data: RemoteResult, verbose: boolean): string[][] {
  return data.remotes.map(({ name, url }) => [show(name), ...(verbose ? [show(url, 500)] : [])]);
}

function printFound({ action, remotes, found, refs }: RemoteResult, out: Output): void {
  if (refs.length > 0) out.line(`${formatCount(refs.length, "branch", "branches")} of it ${action}d here`);
  const [remote] = remotes;
  if (found === null || remote === undefined) return;
  const { branches, tags, ms } = found;
  const holds = `${formatCount(branches, "branch", "branches")}, ${formatCount(tags, "tag")}`;
  if (found.readOnly) out.hint("you may fetch from there and not push");
  if (!found.exclusive)
    out.hint(
      "this server lets a second writer replace what the first wrote: when two push one branch at the same time, both stay, one as NAME.diverged-…",
    );
  if (action === "test") out.line(`${show(remote.name)} (${show(remote.url, 500)})`);
  out.line(`${remote.kind}: ok, ${found.refs === 0 ? "empty" : holds} (${ms} ms)`);
}

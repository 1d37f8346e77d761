import type { TokenResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";

const ACTIONS = ["create", "list", "rotate", "revoke"] as const;
const SCOPES = "read, push, admin, jobs";

export const command = defineCommand({
  usage: [
    "token create NAME [--scope SCOPES] [--expires TIME]",
    "token list",
    "token rotate NAME [--expires TIME]",
    "token revoke NAME",
  ],
  description: [
    'A token lets another machine use this store while "smc daemon run --listen" serves it. It is shown once, when',
    "it is made. read: look and fetch. push: also move branches and tags, by the rules of the settings serve.*.",
    "admin: against them too. rotate makes a new token in place of the old one, and revoke takes it away, both at",
    "once.",
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), required: true, completes: ACTIONS },
    { name: "NAME", summary: "who has it: laptop" },
  ],
  options: {
    scope: { type: "string", value: "SCOPES", summary: `create: of ${SCOPES}, with commas (push)` },
    expires: {
      type: "string",
      value: "TIME",
      summary: "create, rotate: after which it is worth nothing: 90d, 12h",
    },
  },
  examples: [
    ["smc token create laptop", "for a machine that fetches and pushes"],
    ["smc token create ci --scope read --expires 90d", "for one that only fetches"],
    ["smc token list", "which are there?"],
    ["smc token rotate laptop", "a new one, and the old one is dead"],
    ["smc token rotate ci --expires 90d", "and it is good for as long again"],
    ["smc token revoke laptop", "nobody has it any more"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "", name, ...more] = [...words, ...(rest ?? [])];
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined) {
      throw new SmcError("USAGE", `'smc token' does not know '${show(word, 40)}'`, {
        hint: `it knows ${ACTIONS.join(", ")}`,
      });
    }
    if (more.length > 0 || (name === undefined) !== (action === "list"))
      throw new SmcError("USAGE", `it is "smc token ${action}${action === "list" ? "" : " NAME"}"`);
    const { scope, expires } = options;
    if (action !== "create" && scope !== undefined)
      throw new SmcError("USAGE", '--scope goes with "smc token create"');
    if (action !== "create" && action !== "rotate" && expires !== undefined)
      throw new SmcError("USAGE", '--expires goes with "smc token create" and "smc token rotate"');
    return context.call("token", {
      action,
      ...(name === undefined ? {} : { name }),
      ...(scope === undefined ? {} : { scopes: scope.split(",").map((part) => part.trim()) }),
      ...(expires === undefined ? {} : { expires }),
    });
  },
  print: (data, out) => {
    if (data.action === "list") {
      for (const line of formatTable(data.tokens.map(rowOf))) out.line(line);
      if (data.tokens.length === 0) out.hint('there is none; make one with "smc token create NAME"');
      return;
    }
    const [token] = data.tokens;
    if (token === undefined) return;
    const name = show(token.name);
    if (data.action === "revoke") return out.line(`Revoked token '${name}'; it is worth nothing any more`);
    const until = token.expires === null ? "does not expire" : `expires ${show(token.expires)}`;
    out.line(
      `${data.action === "create" ? "Made" : "Renewed"} token '${name}' (${token.scopes.join(", ")}; ${until})`,
    );
    if (data.secret !== null) out.line(data.secret);
    out.hint("nothing shows it again: keep it like a password");
  },
  quiet: (data) => (data.secret === null ? data.tokens.map(({ name }) => name) : [data.secret]),
});

function rowOf({ name, scopes, created, expires, expired }: TokenResult["tokens"][number]): string[] {
  const until = expires === null ? "does not expire" : `${expired ? "expired" : "expires"} ${show(expires)}`;
  return [show(name), scopes.join(","), `made ${show(created)}`, until];
}

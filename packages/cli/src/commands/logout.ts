import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["logout URL"],
  description: [
    "Forgets the token for a server. The server is not asked: there the token stays valid until it expires or who runs",
    "the server takes it back.",
  ],
  positionals: [{ name: "URL", summary: "https://host:port, or a repository there", required: true }],
  options: {},
  examples: [["smc logout https://models.lan:7433", "this machine gets nothing from there any more"]],
  run: (context, { words, rest }) => {
    const [url = ""] = [...words, ...(rest ?? [])];
    return context.call("logout", { url });
  },
  print: ({ origin }, out) => out.line(`Forgot the token for ${show(origin, 300)}`),
  quiet: ({ origin }) => [origin],
});

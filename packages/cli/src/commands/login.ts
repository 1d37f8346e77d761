import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { readText } from "../input.ts";

const CA_BYTES_MAX = 1024 * 1024;

export const command = defineCommand({
  usage: ["login [--ca-file FILE] URL"],
  description: [
    "Keeps a token for a server of smc, after the server has taken it. Who runs the server makes tokens. It is",
    "asked for without being shown, or read from standard input: one line. It is never given as a word, which other",
    "users could see. A token is for one scheme, host and port, and kept in credentials.json of the store, which",
    "only you may read.",
  ],
  positionals: [{ name: "URL", summary: "https://host:port, or a repository there", required: true }],
  options: {
    "ca-file": {
      type: "string",
      value: "FILE",
      summary: "certificates (PEM) of who vouches for this server, besides those that the system knows",
    },
  },
  examples: [
    ["smc login https://models.lan:7433", "asks for the token"],
    ["smc login https://models.lan:7433 < token.txt", "for scripts"],
    ["smc login --ca-file lan-ca.pem https://models.lan:7433", "a server with a certificate of your own"],
  ],
  run: async (context, { words, rest, options }) => {
    const [url = ""] = [...words, ...(rest ?? [])];
    const { folder, signal } = context;
    const file = options["ca-file"];
    const settings = { folder, signal, bytesMax: CA_BYTES_MAX };
    const caPem = file === undefined ? undefined : await readText(file, settings);
    const token = await context.askSecret("Token: ");
    return context.call("login", { url, token, ...(caPem === undefined ? {} : { caPem }) });
  },
  print: ({ origin, name, scopes, expiresMs }, out) => {
    out.line(`Logged in to ${show(origin, 300)} as '${show(name)}'`);
    out.line(`  Scopes   ${scopes.map((scope) => show(scope)).join(", ")}`);
    out.line(`  Expires  ${expiresMs === null ? "never" : new Date(expiresMs).toISOString().slice(0, 10)}`);
  },
  quiet: ({ origin }) => [origin],
});

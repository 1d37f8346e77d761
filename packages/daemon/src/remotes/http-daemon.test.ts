import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashBytes, type OwnedStore, parseRefName, token } from "@smc/store";
import { QUIET, remoteSuite } from "@smc/store/testing";
import { expect, test } from "vitest";
import { createLogger } from "../logger.ts";
import { startDaemon } from "../run.ts";
import { withServer, writeCertificate } from "../serving/testing.ts";
import type { Credential } from "./http-connection.ts";
import { HttpRemote } from "./http-remote.ts";
import { askForToken } from "./http-token.ts";
import { parseHttpUrl } from "./http-url.ts";
import { failureOf, QUICK } from "./s3-server.ts";

function remoteOf(text: string, credential: Credential): HttpRemote {
  return new HttpRemote({ url: parseHttpUrl(text), credential });
}

/** A daemon that listens with TLS, and a token of its own for each store that goes there. */
remoteSuite(
  "a daemon of another machine",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "smc-daemon-"));
    const storePath = join(folder, "store");
    const certificate = await writeCertificate(folder);
    const daemon = await startDaemon({
      storePath,
      logger: createLogger("silent"),
      quietMs: 0,
      serving: { listen: "127.0.0.1:0", certificate },
    });
    const tokens = new Map<OwnedStore, string>();
    const tokenOf = async (store: OwnedStore): Promise<string> => {
      const options = { action: "create", name: `user-${tokens.size}`, scopes: ["push"] } as const;
      const secret = tokens.get(store) ?? (await token({ path: storePath }, options, QUIET)).secret ?? "";
      tokens.set(store, secret);
      return secret;
    };
    return {
      open: async (store) => {
        const credential = { token: await tokenOf(store), caPem: certificate.ca };
        const url = `${daemon.status().url ?? ""}/team/model`;
        return remoteOf(url, credential);
      },
      [Symbol.asyncDispose]: async () => {
        await daemon.stop("test done", true);
        await rm(folder, { recursive: true });
      },
    };
  },
  { verifies: true },
);

const MOVE = {
  name: parseRefName("refs/heads/main"),
  from: "absent",
  to: hashBytes(randomBytes(9)),
} as const;
const REASON = { op: "push", reason: "push", actor: "Ada <ada@example.org>" };

test("a daemon tells a token what it is, and one that it does not know where to log in", async () => {
  await withServer(async ({ url: origin, tokens }) => {
    const ask = (text: string) => askForToken({ origin, credential: { token: text }, limits: QUICK }, QUIET);
    expect(await ask(tokens.read)).toEqual({ name: "read", scopes: ["read"], expiresMs: null });
    expect((await ask(tokens.admin)).scopes).toEqual(["read", "push", "admin"]);
    const error = await failureOf(() => ask(tokens.read.replace(/.$/, (last) => (last === "A" ? "B" : "A"))));
    expect(error).toMatchObject({ code: "AUTH_FAILED", hint: `smc login ${origin}` });
  });
});

test("a token that may only read moves nothing", async () => {
  await withServer(async ({ url, tokens }) => {
    await using remote = remoteOf(`${url}/model`, { token: tokens.read });
    expect(await remote.refs(QUIET)).toEqual([]);
    const error = await failureOf(() => remote.update([MOVE], REASON, QUIET));
    expect(error.code).toBe("SCOPE_MISSING");
    expect(error.message).toContain("needs the scope 'push'");
  });
});

test("a push without what the ref needs is told as the daemon tells it", async () => {
  await withServer(async ({ url, tokens }) => {
    await using remote = remoteOf(`${url}/model`, { token: tokens.push });
    const error = await failureOf(() => remote.update([MOVE], REASON, QUIET));
    expect(error.code).toBe("REMOTE_INCOMPLETE");
    expect(error.message.startsWith(`${url}/model: cannot move refs: `)).toBe(true);
    expect(await remote.refs(QUIET)).toEqual([]);
  });
});

test("a name that the daemon does not answer to is no way in", async () => {
  await withServer(async ({ port, tokens }) => {
    await using remote = remoteOf(`http://127.0.0.2:${port}/model`, { token: tokens.push });
    expect((await failureOf(() => remote.refs(QUIET))).code).toMatch(/^REMOTE_/);
  });
});

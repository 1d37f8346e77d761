/** 64 who push to one branch at the same time: in each round one wins, and all others are told. */
import { join } from "node:path";
import * as smc from "@smc/store";
import { type Digest, openStore, type OwnedRepository } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import { createHistory, QUIET } from "@smc/store/testing";
import { expect, test } from "vitest";
import { HttpRemote } from "../remotes/http-remote.ts";
import { parseHttpUrl } from "../remotes/http-url.ts";
import { type TestServer, withServer } from "./testing.ts";

const PUSHERS = 64;
const ROUNDS = 2;
const TIMEOUT_MS = 120_000;
const REASON = { op: "init", reason: "init", actor: "Ada <ada@example.org>" };
const ADA = { name: "Ada", email: "ada@example.org" };

function remoteOf({ url }: TestServer, token: string): HttpRemote {
  return new HttpRemote({ url: parseHttpUrl(`${url}/demo`), credential: { token } });
}

async function createTokens({ storePath }: TestServer): Promise<string[]> {
  const names = Array.from({ length: PUSHERS }, (_, index) => `pusher${index}`);
  const tokens: string[] = [];
  for (const name of names) {
    const options = { action: "create", name, scopes: ["push"] } as const;
    tokens.push((await smc.token({ path: storePath }, options, QUIET)).secret ?? "");
  }
  return tokens;
}

/** Which of the commits became main; what the others were told. */
async function race(mine: OwnedRepository, remotes: readonly HttpRemote[], commits: readonly Digest[]) {
  const ends = await Promise.allSettled(
    remotes.map((remote, index) =>
      smc.push(mine, { remote, remoteName: `r${index}`, refs: [`${commits[index]}:main`] }, QUIET),
    ),
  );
  const won = commits.filter((_, index) => ends[index]?.status === "fulfilled");
  const told = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  return { won, told: told.map((error) => (isSmcError(error) ? error.code : error)) };
}

test(
  "of 64 who push to one branch exactly one wins each round, and none is lost",
  { timeout: TIMEOUT_MS },
  async () => {
    await withServer(async (server) => {
      await using store = await openStore(join(server.folder, "pushers"), { create: true });
      await store.refs.createRepository("demo", REASON);
      const mine = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
      const history = createHistory(mine);
      let head = await history.commit({ message: "start" });
      const remotes = (await createTokens(server)).map((token) => remoteOf(server, token));
      await using first = remoteOf(server, server.tokens.push);
      await smc.push(mine, { remote: first, remoteName: "origin", refs: [`${head}:main`] }, QUIET);
      for (let round = 1; round <= ROUNDS; round += 1) {
        const commits: Digest[] = [];
        for (let pusher = 0; pusher < PUSHERS; pusher += 1) {
          const files = { [`${round}.txt`]: `by ${pusher}` };
          commits.push(await history.commit({ parents: [head], message: `round ${round}`, files }));
        }
        const { won, told } = await race(mine, remotes, commits);
        expect(won).toHaveLength(1);
        expect(told).toHaveLength(PUSHERS - 1);
        for (const code of told) expect(code).toMatch(/^(REF_CHANGED|NOT_FAST_FORWARD)$/);
        head = won[0] as Digest;
        expect(await first.refs(QUIET)).toEqual([{ name: "refs/heads/main", digest: head }]);
      }
      for (const remote of remotes) await remote[Symbol.asyncDispose]();

      // Every winner is in the history, whole: each was made on top of the one before.
      await using other = await openStore(join(server.folder, "other"), { create: true });
      await other.refs.createRepository("demo", REASON);
      const theirs = { ...mine, store: other };
      await smc.fetch(theirs, { remote: first, remoteName: "origin" }, QUIET);
      const log = await smc.log(theirs, { revisions: ["origin/main"] }, QUIET);
      expect(log[0]?.digest).toBe(head);
      expect(log.map(({ message }) => message)).toEqual(["round 2", "round 1", "start"]);
    });
  },
);

import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../open-store.ts";
import { QUIET, withFolder } from "../testing/testing.ts";
import { owned } from "../testing/two-stores.ts";
import { openBench } from "../testing/worktree.ts";
import { push } from "../verbs/push.ts";
import { fetch } from "../verbs/fetch.ts";
import { ServedRepository } from "./served.ts";

const RULES = { protectedBranches: [], isAdmin: false, quotaBytes: 0, freeBytesMin: 0 };

test("what was pushed to a repository of another store is fetched from it", async () => {
  await withFolder(async (folder) => {
    await using server = await openStore(join(folder, "server"), { create: true });
    await using mine = await openStore(join(folder, "mine"), { create: true });
    await using other = await openStore(join(folder, "other"), { create: true });
    const a = await openBench(mine, join(folder, "a"));
    const b = await openBench(other, join(folder, "b"));
    await using remote = new ServedRepository({
      store: server,
      repository: "cats",
      client: "0123456789abcdef",
      actor: "A <a@example.org>",
      rules: RULES,
    });
    await a.commit({ "a.bin": Buffer.alloc(9_000_000, "abcdefghij"), "b.txt": "1" });
    await push(owned(a), { remote, remoteName: "origin" }, QUIET);
    await fetch(owned(b), { remote, remoteName: "origin" }, QUIET);
    expect((await remote.refs(QUIET)).length).toBe(1);
  });
});

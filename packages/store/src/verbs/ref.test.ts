import { expect, test } from "vitest";
import { withRegistry } from "../testing/registry.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { branch } from "./branch.ts";
import { ref, type RefOptions } from "./ref.ts";
import { reset } from "./reset.ts";
import { tag } from "./tag.ts";

test("ref() protects, lists and unprotects; the registry and the archive are always in the list", () =>
  withRegistry(async ({ repository }) => {
    const run = (action: RefOptions["action"], pattern?: string) =>
      ref(repository, { action, ...(pattern === undefined ? {} : { pattern }) }, QUIET);
    expect(await run("protect", "v1.*")).toMatchObject({
      patterns: [
        { pattern: "v1.*", isOwn: true, refs: ["refs/tags/v1.0.0", "refs/tags/v1.0.1", "refs/tags/v1.0.2"] },
      ],
    });
    await run("protect", "v1.*");
    await run("protect", "refs/heads/main");
    expect((await run("list")).patterns.map(({ pattern, isOwn }) => [pattern, isOwn])).toEqual([
      ["refs/registry/*", false],
      ["refs/archive/*", false],
      ["v1.*", true],
      ["refs/heads/main", true],
    ]);
    const refused = { code: "REF_PROTECTED", hint: expect.stringContaining("smc ref unprotect") };
    await expect(tag(repository, { delete: ["v1.0.2"] }, QUIET)).rejects.toMatchObject(refused);
    const renamed = branch(repository, { rename: { from: "main", to: "other" } }, QUIET);
    await expect(renamed).rejects.toMatchObject(refused);
    await tag(repository, { name: "v2.0.0" }, QUIET);
    await tag(repository, { delete: ["v2.0.0"] }, QUIET);
    await run("unprotect", "v1.*");
    await tag(repository, { delete: ["v1.0.2"] }, QUIET);
    await expect(run("unprotect", "v1.*")).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    await expect(run("unprotect", "refs/archive/*")).rejects.toMatchObject({ code: "REF_PROTECTED" });
    await expect(run("protect", "a..b")).rejects.toMatchObject({ code: "REF_NAME_INVALID" });
    await expect(run("protect")).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  }));

test("nobody changes the list, roles or the archive but the verbs whose they are", () =>
  withRegistry(async ({ repository, promote, commits }) => {
    await promote("v1.0.0");
    await promote("v1.0.1");
    const why = { op: "test", reason: "test", actor: "Eve <eve@example.org>" };
    for (const name of [
      "refs/registry/champion",
      "refs/archive/v1.0.0",
      "refs/protected/patterns",
    ] as const) {
      const change = { name: name as never, from: "any", to: commits[2] } as const;
      const update = repository.store.refs.update("demo", [change], why);
      await expect(update).rejects.toMatchObject({ code: "REF_PROTECTED", details: { ref: name } });
    }
  }));

test("a protected branch goes forward only, and is still protected after a rebuild", () =>
  withWorktree(async (bench) => {
    await bench.commit({ "a.txt": "1" });
    await ref(bench.repository, { action: "protect", pattern: "main" }, QUIET);
    await bench.store.rebuild();
    await bench.commit({ "a.txt": "2" });
    const back = reset(bench.repository, { revision: "HEAD~1" }, QUIET);
    await expect(back).rejects.toMatchObject({ code: "REF_PROTECTED" });
    const amended = bench.commit({ "a.txt": "3" }, { amend: true });
    await expect(amended).rejects.toMatchObject({ code: "REF_PROTECTED" });
  }));

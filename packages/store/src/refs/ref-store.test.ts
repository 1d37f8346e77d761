import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { parseRefName, type RefName } from "../objects/names.ts";
import type { RefChange } from "./refs.ts";
import { create, digest, MAIN, namesOf, reason, remove, withCats } from "../testing/refs.ts";

test("update() writes all refs or none, and read() and list() see them in the order of their names", () =>
  withCats(async ({ refs }) => {
    await refs.update(
      "cats",
      [create("refs/tags/v1"), create("refs/heads/main"), create("refs/heads/ä")],
      reason,
    );
    expect(await namesOf(refs)).toEqual(["refs/heads/main", "refs/heads/ä", "refs/tags/v1"]);
    expect((await refs.list("cats", "refs/heads/")).map(({ digest: found }) => found)).toEqual([
      digest("refs/heads/main"),
      digest("refs/heads/ä"),
    ]);
    const wrong: RefChange = { name: parseRefName("refs/tags/v1"), from: digest("other"), to: digest("x") };
    const both = refs.update("cats", [create("refs/heads/dev"), wrong], reason);
    await expect(both).rejects.toMatchObject({
      code: "REF_CHANGED",
      details: { name: "refs/tags/v1", expected: digest("other"), found: digest("refs/tags/v1") },
    });
    expect(await refs.read("cats", parseRefName("refs/heads/dev"))).toBeUndefined();
    expect(await refs.log("cats", parseRefName("refs/heads/dev"))).toEqual([]);
    expect(await refs.read("dogs", MAIN)).toBeUndefined();
  }));

test("update() writes nothing to the journal for a refused change or a change of nothing", () =>
  withCats(async ({ refs, journal }) => {
    const { seq } = journal.position;
    await expect(
      refs.update("cats", [{ ...remove("refs/heads/x"), from: digest("x") }], reason),
    ).rejects.toMatchObject({
      code: "REF_CHANGED",
    });
    await refs.update("cats", [], reason);
    await refs.update("cats", [remove("refs/heads/x")], reason);
    expect(journal.position.seq).toBe(seq);
    expect(await refs.log("cats", parseRefName("refs/heads/x"))).toEqual([]);
  }));

test("update() lets one of two changes from the same value win", () =>
  withCats(async ({ refs }) => {
    await refs.update("cats", [create("refs/heads/main")], reason);
    const from = digest("refs/heads/main");
    const outcomes = await Promise.allSettled(
      ["left", "right"].map((text) => refs.update("cats", [{ name: MAIN, from, to: digest(text) }], reason)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(await refs.read("cats", MAIN)).toBe(digest("left"));
    expect(await refs.log("cats", MAIN)).toHaveLength(2);
  }));

test(
  "1,000 changes at once, each compared with what is there, are all there exactly once",
  () =>
    withCats(async ({ refs }) => {
      const at = (count: number): Digest | "absent" => (count === 0 ? "absent" : digest(`count ${count}`));
      const values = new Map(Array.from({ length: 1001 }, (_, count) => [at(count), count]));
      const increment = async (): Promise<void> => {
        for (;;) {
          const from = (await refs.read("cats", MAIN)) ?? "absent";
          const to = at((values.get(from) ?? 0) + 1);
          if (to === "absent") throw new Error("a count of nothing");
          try {
            await refs.update("cats", [{ name: MAIN, from, to }], reason);
            return;
          } catch (error) {
            if (!(error instanceof SmcError) || error.code !== "REF_CHANGED") throw error;
          }
        }
      };
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          for (let round = 0; round < 100; round++) await increment();
        }),
      );
      expect(await refs.read("cats", MAIN)).toBe(at(1000));
      const log = await refs.log("cats", MAIN);
      expect(log.map(({ to }) => to)).toEqual(Array.from({ length: 1000 }, (_, index) => at(1000 - index)));
    }),
  60_000,
);

test.each([
  ["refs/heads/a", "refs/heads/a/b"],
  ["refs/heads/a/b", "refs/heads/a"],
  ["refs/heads/a", "refs/heads/a/b/c/d"],
  ["refs/heads/a/b/c/d", "refs/heads/a/b"],
  ["refs/heads/Main", "refs/heads/main"],
  ["refs/heads/stra\u00dfe", "refs/heads/STRASSE"],
])("update() refuses %s and %s together, in turn and at once", (first, second) =>
  withCats(async ({ refs }) => {
    const conflict = { code: "REF_CONFLICT" };
    await expect(refs.update("cats", [create(first), create(second)], reason)).rejects.toMatchObject(
      conflict,
    );
    expect(await namesOf(refs)).toEqual([]);
    const outcomes = await Promise.allSettled(
      [first, second].map((name) => refs.update("cats", [create(name)], reason)),
    );
    expect(outcomes).toMatchObject([{ status: "fulfilled" }, { reason: { code: "REF_CONFLICT" } }]);
    expect(await namesOf(refs)).toEqual([first]);
    await refs.update("cats", [remove(first), create(second)], reason);
    expect(await namesOf(refs)).toEqual([second]);
    await refs.update("cats", [remove(second)], reason);
    await refs.update("cats", [create(first)], reason);
    expect(await namesOf(refs)).toEqual([first]);
  }),
);

test("update() allows names that differ by case when asked, and names that only look nested", () =>
  withCats(async ({ refs }) => {
    await refs.update("cats", [create("refs/heads/Main"), create("refs/heads/main")], reason, {
      caseConflicts: "allow",
    });
    await refs.update(
      "cats",
      [create("refs/heads/a-b"), create("refs/heads/a.b"), create("refs/heads/a/b")],
      reason,
    );
    await refs.update("cats", [create("refs/tags/a")], reason);
    expect(await namesOf(refs)).toHaveLength(6);
    const third = refs.update("cats", [create("refs/heads/MAIN")], reason);
    await expect(third).rejects.toMatchObject({ code: "REF_CONFLICT" });
    await refs.update("cats", [{ name: MAIN, from: "any", to: digest("next") }], reason);
  }));

test("update() refuses repositories, names, values and reasons that it cannot keep", () =>
  withCats(async ({ refs, journal }) => {
    const { seq } = journal.position;
    const bad = async (code: string, action: Promise<void>): Promise<void> => {
      await expect(action).rejects.toMatchObject({ code });
    };
    await bad("REPOSITORY_NOT_FOUND", refs.update("dogs", [create("refs/heads/x")], reason));
    await bad(
      "REF_NAME_INVALID",
      refs.update("cats", [{ ...create("refs/heads/x"), name: "HEAD" as RefName }], reason),
    );
    await bad(
      "DIGEST_INVALID",
      refs.update("cats", [{ name: MAIN, from: "any", to: "12" as Digest }], reason),
    );
    await bad(
      "ARGUMENT_INVALID",
      refs.update("cats", [create("refs/heads/x"), remove("refs/heads/x")], reason),
    );
    await bad(
      "LIMIT_EXCEEDED",
      refs.update("cats", [create("refs/heads/x")], { ...reason, reason: "x".repeat(65_537) }),
    );
    await bad(
      "LIMIT_EXCEEDED",
      refs.update("cats", [create("refs/heads/x")], { ...reason, actor: "ü".repeat(40_000) }),
    );
    await bad(
      "ARGUMENT_INVALID",
      refs.update("cats", [create("refs/heads/x")], { ...reason, reason: "\ud800" }),
    );
    expect(journal.position.seq).toBe(seq);
    await refs.update("cats", [create("refs/heads/x")], { ...reason, reason: "x".repeat(65_536) });
  }));

test("log() is newest first, keeps a deleted ref's entries and says who and why", () =>
  withCats(async ({ refs }) => {
    await refs.update("cats", [create("refs/heads/main", digest("1"))], reason);
    await refs.update("cats", [{ name: MAIN, from: digest("1"), to: digest("2") }], {
      ...reason,
      reason: "second",
    });
    await refs.update("cats", [remove("refs/heads/main")], {
      op: "branch",
      reason: "done",
      actor: "B <b@example.org>",
    });
    await refs.update("cats", [create("refs/heads/main-2", digest("3"))], reason);
    const log = await refs.log("cats", MAIN);
    expect(log.map(({ from, to, reason: why, op }) => [from, to, why, op])).toEqual([
      [digest("2"), "absent", "done", "branch"],
      [digest("1"), digest("2"), "second", "test"],
      ["absent", digest("1"), "because", "test"],
    ]);
    expect(log[0]).toMatchObject({ name: MAIN, actor: "B <b@example.org>" });
    expect(Math.abs(Date.now() - (log[0]?.ms ?? 0))).toBeLessThan(60_000);
    expect(await refs.log("cats", MAIN, 1)).toEqual(log.slice(0, 1));
  }));

test("createRepository() refuses a second one, also by case, and takes it with reuse", () =>
  withCats(async ({ refs, journal }) => {
    await refs.createRepository("ann/cats", reason);
    const { seq } = journal.position;
    await expect(refs.createRepository("cats", reason)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(refs.createRepository("Cats", reason)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await refs.createRepository("cats", reason, { reuse: true });
    const bad = refs.createRepository("../x", reason);
    await expect(bad).rejects.toMatchObject({ code: "REPOSITORY_NAME_INVALID" });
    expect((await refs.listRepositories()).map(({ name }) => name)).toEqual(["ann/cats", "cats"]);
    expect(journal.position.seq).toBe(seq);
  }));

test("registerWorktree() remembers where worktrees are", () =>
  withCats(async ({ refs, journal }) => {
    const worktree = { id: "ab".repeat(16), path: "/home/a/cäts", repository: "cats" };
    await refs.registerWorktree(worktree, reason);
    const { seq } = journal.position;
    await refs.registerWorktree(worktree, reason);
    expect(journal.position.seq).toBe(seq);
    await refs.registerWorktree({ ...worktree, path: "/moved" }, reason);
    expect(await refs.listWorktrees()).toEqual([{ ...worktree, path: "/moved" }]);
    const lost = refs.registerWorktree({ ...worktree, repository: "dogs" }, reason);
    await expect(lost).rejects.toMatchObject({ code: "REPOSITORY_NOT_FOUND" });
    await expect(refs.registerWorktree({ ...worktree, id: "x" }, reason)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await expect(refs.registerWorktree({ ...worktree, path: "" }, reason)).rejects.toMatchObject({
      code: "PATH_INVALID",
    });
  }));

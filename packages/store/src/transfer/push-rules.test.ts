import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import { parseRefName } from "../objects/names.ts";
import { PRUNED_PREFIX, type RefChange } from "../refs/refs.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { CLIENT, putAll, update, withServed } from "../testing/served.ts";
import { QUIET } from "../testing/testing.ts";
import { reset } from "../verbs/reset.ts";
import type { PushRules } from "./push-rules.ts";
import type { ServedRepository } from "./served.ts";

interface Line {
  /** The first, the second on it, and another one on the first. */
  readonly first: Digest;
  readonly second: Digest;
  readonly other: Digest;
  readonly as: (rules: Partial<PushRules>) => ServedRepository;
}

const PROTECTED = ["main", "release/*", "refs/heads/full"];

/** All of it put; `main`, `work`, `release/1`, `full` and the tag `v1` are at the second. */
async function withLine(run: (line: Line) => Promise<void>): Promise<void> {
  await withServed(async ({ a, as }) => {
    const { digest: first } = await a.commit({ "a.txt": "1" });
    const { digest: second } = await a.commit({ "a.txt": "2" });
    await reset(a.repository, { revision: first, mode: "hard" }, QUIET);
    const { digest: other } = await a.commit({ "a.txt": "3" });
    const admin = as(CLIENT, { isAdmin: true });
    await putAll(admin, a);
    const names = ["heads/main", "heads/work", "heads/release/1", "heads/full", "tags/v1", "registry/best"];
    await update(
      admin,
      names.map((name) => ({
        name: parseRefName(`refs/${name}`),
        from: "absent",
        // No tag or branch is the name of the version that is best.
        to: name === "registry/best" ? first : second,
      })),
    );
    await run({
      first,
      second,
      other,
      as: (rules) => as(CLIENT, { protectedBranches: PROTECTED, ...rules }),
    });
  });
}

type Case = readonly [name: string, to: "first" | "other" | "absent"];

const FORBIDDEN: readonly Case[] = [
  ["refs/tags/v1", "other"],
  ["refs/tags/v1", "absent"],
  ["refs/heads/main", "first"],
  ["refs/heads/main", "other"],
  ["refs/heads/main", "absent"],
  ["refs/heads/release/1", "other"],
  ["refs/heads/release/1", "absent"],
  ["refs/heads/full", "first"],
  ["refs/registry/best", "other"],
  ["refs/registry/best", "absent"],
  ["refs/registry/new", "other"],
  ["refs/remotes/origin/main", "other"],
];

const ALLOWED: readonly Case[] = [
  ["refs/tags/v2", "other"],
  ["refs/heads/release/2", "other"],
  ["refs/heads/mainland", "first"],
  ["refs/heads/work", "first"],
  ["refs/heads/work", "other"],
  ["refs/heads/work", "absent"],
];

function changeOf(line: Line, [name, to]: Case): RefChange {
  return { name: parseRefName(name), from: "any", to: to === "absent" ? to : line[to] };
}

test("what the rules forbid is refused with all that came with it, and admins may do it", async () => {
  await withLine(async (line) => {
    const remote = line.as({});
    const before = await remote.refs(QUIET);
    const beside = { name: parseRefName("refs/heads/beside"), from: "absent" as const, to: line.first };
    for (const each of FORBIDDEN) {
      const error = await update(remote, [beside, changeOf(line, each)]).catch((thrown: Error) => thrown);
      expect(error, each.join()).toMatchObject({
        code: "PUSH_FORBIDDEN",
        http: 403,
        details: { ref: each[0] },
      });
      expect((error as Error).message).toContain("no ref was moved");
    }
    expect(await remote.refs(QUIET)).toEqual(before);
    const admin = line.as({ isAdmin: true });
    for (const each of FORBIDDEN) await update(admin, [changeOf(line, each)]);
    expect((await admin.refs(QUIET)).map(({ name }) => name)).toEqual([
      "refs/heads/full",
      "refs/heads/work",
      "refs/registry/new",
    ]);
  });
});

test("what no rule forbids is done", async () => {
  await withLine(async (line) => {
    const remote = line.as({});
    for (const each of ALLOWED) await update(remote, [changeOf(line, each)]);
    const names = (await remote.refs(QUIET)).map(({ name }) => name);
    expect(names).toContain("refs/tags/v2");
    expect(names).not.toContain("refs/heads/work");
  });
});

test("a protected branch takes more commits, and stays where it is", async () => {
  await withLine(async ({ as, first, second }) => {
    const remote = as({});
    const main = parseRefName("refs/heads/main");
    await update(as({ isAdmin: true }), [{ name: main, from: second, to: first }]);
    await update(remote, [{ name: main, from: first, to: second }]);
    await update(remote, [{ name: main, from: second, to: second }]);
    expect((await remote.refs(QUIET)).find(({ name }) => name === main)).toEqual({
      name: main,
      digest: second,
    });
  });
});

test("which files a server has is not changed by a push, not even of an admin", async () => {
  await withLine(async ({ as, first, second }) => {
    const remote = as({ isAdmin: true });
    const before = await remote.refs(QUIET);
    // Whole here: nothing that a client says makes it an outline.
    await update(remote, [{ name: parseRefName(PRUNED_PREFIX + second), from: "absent", to: second }]);
    expect(await remote.refs(QUIET)).toEqual(before);
    const wrong = { name: parseRefName(PRUNED_PREFIX + second), from: "absent" as const, to: first };
    expect(await codeOf(() => update(remote, [wrong]))).toBe("PUSH_FORBIDDEN");
    expect(await remote.refs(QUIET)).toEqual(before);
  });
});

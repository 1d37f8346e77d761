/** 200 processes at once: all are answered, and what each did is there exactly once. */
import { expect, test } from "vitest";
import { createSandbox } from "../e2e/sandbox.ts";

const PROCESSES = 200;

interface Reflog {
  readonly entries: readonly unknown[];
}

interface Entry {
  readonly digest: string;
  readonly message: string;
}

/** All at once, as many people or jobs would start them. */
function storm<T>(run: (number: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: PROCESSES }, (_, number) => run(number)));
}

test(
  "200 commits at once: those that answered 0 are in the log once, the others not at all",
  { timeout: 1_200_000 },
  async () => {
    await using sandbox = await createSandbox();
    await sandbox.commit("start", { a: "a" });
    await sandbox.ok("daemon", "stop");
    const ends = await storm(async (number) => {
      const words = ["commit", "--allow-empty", "-m", `storm ${number}`, "--json"];
      return { number, ...(await sandbox.smc(words, { timeoutMs: 1_000_000 })) };
    });
    const failed = ends.filter(({ code }) => code !== 0);
    expect(failed, await sandbox.ok("daemon", "logs", "-n", "1000")).toEqual([]);
    const log = await sandbox.json<Entry[]>("log");
    const messages = log
      .map(({ message }) => message.trim())
      .filter((message) => message.startsWith("storm"));
    expect(messages).toHaveLength(PROCESSES);
    expect(new Set(messages).size).toBe(PROCESSES);
    const digests = new Set(log.map(({ digest }) => digest));
    for (const { stdout } of ends) expect(digests).toContain((JSON.parse(stdout) as Entry).digest);
    const reflog = await sandbox.json<Reflog>("reflog", "refs/heads/main");
    expect(reflog.entries).toHaveLength(PROCESSES + 1);
    expect((await sandbox.smc(["fsck"])).code).toBe(0);
  },
);

test("200 processes want one tag: one gets it", { timeout: 1_200_000 }, async () => {
  await using sandbox = await createSandbox();
  await sandbox.commit("start", { a: "a" });
  const ends = await storm(() => sandbox.smc(["tag", "v1.0.0", "--json"], { timeoutMs: 1_000_000 }));
  expect(ends.filter(({ code }) => code === 0)).toHaveLength(1);
  const others = ends.filter(({ code }) => code !== 0);
  for (const { code, stdout } of others) {
    expect({ code, answer: JSON.parse(stdout) as unknown }).toMatchObject({
      code: 5,
      answer: { error: { code: "ALREADY_EXISTS" } },
    });
  }
  const reflog = await sandbox.json<Reflog>("reflog", "refs/tags/v1.0.0");
  expect(reflog.entries).toHaveLength(1);
});

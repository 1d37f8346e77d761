/** Many who move refs of one bucket at the same time. */
import type { RefChange } from "@smc/store";
import { parseRefName } from "@smc/store";
import { hashBytes } from "@smc/store";
import { QUIET, withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { openBucket } from "./bucket-url.ts";
import { listRefs, readNewest, updateRefs } from "./bucket-refs.ts";

const REASON = { op: "push", reason: "push", actor: "Ada <ada@example.org>" };
const digestOf = (text: string) => hashBytes(Buffer.from(text));

function move(branch: string, from: RefChange["from"], to: string): RefChange {
  return { name: parseRefName(`refs/heads/${branch}`), from, to: digestOf(to) };
}

async function update(folder: string, changes: readonly RefChange[]): Promise<string> {
  await using bucket = await openBucket(`file://${folder}`);
  return await updateRefs(bucket, { changes, reason: REASON }, QUIET).then(
    () => "done",
    (error: { code?: string }) => error.code ?? "an error without a code",
  );
}

test("64 writers at a time move their own branches, and no change is lost", async () => {
  await withFolder(async (folder) => {
    const names = Array.from({ length: 64 }, (_, index) => `branch-${String(index).padStart(2, "0")}`);
    const outcomes = await Promise.all(names.map((name) => update(folder, [move(name, "absent", name)])));
    expect(outcomes).toEqual(names.map(() => "done"));
    await using bucket = await openBucket(`file://${folder}`);
    expect(listRefs(await readNewest(bucket, QUIET))).toEqual(
      names.map((name) => ({ name: `refs/heads/${name}`, digest: digestOf(name) })),
    );
  });
});

test("of 16 who move one branch from the same commit exactly one does in each round", async () => {
  await withFolder(async (folder) => {
    let from: RefChange["from"] = "absent";
    for (let round = 0; round < 5; round += 1) {
      const tries = Array.from({ length: 16 }, (_, index) => `round ${round} writer ${index}`);
      const outcomes = await Promise.all(tries.map((text) => update(folder, [move("main", from, text)])));
      expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === "REF_CHANGED")).toHaveLength(15);
      const winner = digestOf(tries[outcomes.indexOf("done")] ?? "");
      await using bucket = await openBucket(`file://${folder}`);
      expect(listRefs(await readNewest(bucket, QUIET))).toEqual([
        { name: "refs/heads/main", digest: winner },
      ]);
      from = winner;
    }
  });
});

test("several refs move together or not at all", async () => {
  await withFolder(async (folder) => {
    await update(folder, [move("a", "absent", "1"), move("b", "absent", "1")]);
    expect(await update(folder, [move("a", digestOf("1"), "2"), move("b", digestOf("0"), "2")])).toBe(
      "REF_CHANGED",
    );
    await using bucket = await openBucket(`file://${folder}`);
    expect(listRefs(await readNewest(bucket, QUIET)).map(({ digest }) => digest)).toEqual([
      digestOf("1"),
      digestOf("1"),
    ]);
    expect(
      await update(folder, [
        { name: parseRefName("refs/heads/a"), from: digestOf("1"), to: "absent" },
        move("b", digestOf("1"), "2"),
      ]),
    ).toBe("done");
    expect(listRefs(await readNewest(bucket, QUIET))).toEqual([
      { name: "refs/heads/b", digest: digestOf("2") },
    ]);
  });
});

test.each([
  ["not JSON", "{"],
  ["no object", "[]"],
  ["another number", { seq: 7 }],
  ["no refs", { refs: null }],
  ["nothing of sweeps", { swept: undefined }],
  ["a sweep of what is no pack", { swept: { generation: 1, gone: ["../refs"] } }],
  ["a generation that is no number", { swept: { generation: -1, gone: [] } }],
  ["a digest that is none", { refs: { "refs/heads/main": "../../etc/passwd" } }],
])("refs that are %s are refused", async (_, change) => {
  await withFolder(async (folder) => {
    await using bucket = await openBucket(`file://${folder}`);
    const swept = { generation: 0, gone: [] };
    const whole = { version: 1, seq: 1, prev: null, swept, refs: {} };
    const text = typeof change === "string" ? change : JSON.stringify({ ...whole, ...change });
    await bucket.create("refs/999999999998.json", { bytes: Buffer.from(text) }, QUIET);
    await expect(readNewest(bucket, QUIET)).rejects.toMatchObject({
      code: expect.stringMatching(/REMOTE_FAILED|FORMAT_UNSUPPORTED/),
    });
    expect(await update(folder, [move("main", "any", "x")])).not.toBe("done");
  });
});

test("refs of a newer smc are refused, and stay as they are", async () => {
  await withFolder(async (folder) => {
    await using bucket = await openBucket(`file://${folder}`);
    await bucket.create("refs/999999999998.json", { bytes: Buffer.from('{"version":2}') }, QUIET);
    await expect(readNewest(bucket, QUIET)).rejects.toMatchObject({ code: "FORMAT_UNSUPPORTED" });
  });
});

import { afterAll, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { safetensorsFile } from "../../packages/store/src/testing/tensors.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

async function fork(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  await box.ok("switch", "-q", "-c", name, "main");
  const digest = await box.commit(name, files);
  await box.ok("switch", "-q", "main");
  return digest;
}

test("smc merge moves forward when there is nothing of our own", async () => {
  await box.commit("base", { "a.txt": "base", "b.txt": "base" });
  const side = await fork("side", { "a.txt": "side" });
  expect(await box.ok("merge", "side")).toBe(
    `Fast-forward to ${side.slice(0, 9)}\n0 added, 1 modified, 0 deleted\n`,
  );
  expect(box.read("a.txt")).toBe("side");
  expect(await box.ok("merge", "side")).toBe("Already up to date.\n");
});

test("smc merge makes a commit with two parents when both have something", async () => {
  const theirs = await fork("theirs", { "a.txt": "theirs" });
  const ours = await box.commit("ours", { "b.txt": "ours" });
  const merged = await box.json<{ digest: string }>("merge", "theirs", "-m", "join");
  expect(box.read("a.txt") + box.read("b.txt")).toBe("theirsours");
  expect(await box.json("log", "-1")).toMatchObject([
    { digest: merged.digest, parents: [ours, theirs], message: "join" },
  ]);
  expect(await box.json("status")).toMatchObject({ staged: [], modified: [], untracked: [] });
});

test("smc merge refuses a conflict and changes nothing; --strategy says who wins", async () => {
  await fork("conflict", { "a.txt": "from there" });
  const head = await box.commit("here", { "a.txt": "from here" });
  const found = await box.refused("merge", "conflict");
  expect(found).toMatchObject({ exit: 5, code: "MERGE_CONFLICT" });
  expect(found.stderr).toContain("a.txt");
  expect((await box.ok("rev-parse", "HEAD")).trim()).toBe(head);
  await box.ok("merge", "-q", "--strategy", "ours", "conflict");
  expect(box.read("a.txt")).toBe("from here");
  await box.ok("reset", "--hard", head);
  await box.ok("merge", "-q", "--strategy", "theirs", "conflict");
  expect(box.read("a.txt")).toBe("from there");
});

test("smc merge --ff-only and --no-ff", async () => {
  await fork("forward", { "c.txt": "c" });
  await box.ok("merge", "-q", "--no-ff", "forward");
  expect(((await box.json<{ parents: string[] }[]>("log", "-1"))[0]?.parents ?? []).length).toBe(2);
  await fork("apart", { "d.txt": "d" });
  await box.commit("ours again", { "e.txt": "e" });
  expect(await box.refused("merge", "--ff-only", "apart")).toMatchObject({
    exit: 5,
    code: "NOT_FAST_FORWARD",
  });
});

test("smc merge --strategy joins weights and says in the commit what was done", async () => {
  const model = (body: number, head: number): Uint8Array =>
    safetensorsFile({
      body: { dtype: "bf16", values: [body, 8] },
      "head.w": { dtype: "f32", values: [head] },
      ids: { dtype: "u8", values: [head] },
    });
  box.write("m.safetensors", model(0, 0));
  await box.commit("a model");
  await box.ok("switch", "-q", "-c", "tuned");
  box.write("m.safetensors", model(4, 4));
  const theirs = await box.commit("tuned");
  await box.ok("switch", "-q", "main");
  box.write("m.safetensors", model(2, 2));
  const ours = await box.commit("ours");
  const words = ["merge", "--strategy", "take=head.*:theirs", "--strategy", "average", "tuned"];
  const ran = await box.smc(words);
  expect(ran.stdout.split("\n").slice(1)).toEqual([
    "0 added, 1 modified, 0 deleted",
    "joined: m.safetensors: 1 mixed, 1 from theirs, 0 equal",
    "",
  ]);
  expect(ran.stderr).toContain("no floats, taken from ours: ids (1 tensor)");
  const expected = safetensorsFile({
    body: { dtype: "bf16", values: [3, 8] },
    "head.w": { dtype: "f32", values: [4] },
    ids: { dtype: "u8", values: [2] },
  });
  expect(readFileSync(box.path("m.safetensors")).equals(expected)).toBe(true);
  expect(await box.json("log", "-1")).toMatchObject([
    { parents: [ours, theirs], meta: { lineage: { merge: "take=head.*:theirs, average", ours, theirs } } },
  ]);
  expect(await box.json("status")).toMatchObject({ staged: [], modified: [], untracked: [] });
  expect(await box.json(...words)).toMatchObject({ outcome: "up-to-date", joined: [] });
});

test("smc merge --strategy refuses models that do not correspond and changes nothing", async () => {
  await box.ok("switch", "-q", "-c", "other");
  box.write("m.safetensors", safetensorsFile({ body: { dtype: "bf16", values: [1, 2, 3] } }));
  await box.commit("another shape");
  await box.ok("switch", "-q", "main");
  const head = (await box.ok("rev-parse", "HEAD")).trim();
  const found = await box.refused("merge", "--strategy", "average", "other");
  expect(found).toMatchObject({ exit: 5, code: "MERGE_CONFLICT" });
  expect(found.message).toContain("tensor 'head.w' is only in ours");
  expect((await box.ok("rev-parse", "HEAD")).trim()).toBe(head);
});

test.each([
  [["merge"], 2, "USAGE"],
  [["merge", "v9"], 3, "REVISION_NOT_FOUND"],
  [["merge", "--strategy", "recursive", "side"], 2, "ARGUMENT_INVALID"],
  [["merge", "--strategy", "weighted:2", "side"], 2, "ARGUMENT_INVALID"],
  [["merge", "--strategy", "average", "--ff-only", "side"], 2, "ARGUMENT_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

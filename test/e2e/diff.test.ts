import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Diff {
  readonly files: {
    readonly added: readonly { path: string }[];
    readonly modified: readonly { path: string }[];
    readonly deleted: readonly { path: string }[];
  };
  readonly metrics: readonly unknown[];
  readonly params: readonly unknown[];
}

test("smc diff A B tells files, metrics and params", async () => {
  await box.commit(
    "one",
    { "a.txt": "1", "gone.txt": "x", "same.txt": "s" },
    "--metric",
    "azi=50.66",
    "--metric",
    "mag=98.36",
    "--param",
    "lr=0.001",
  );
  await box.ok("tag", "v1.0.0");
  await box.ok("rm", "-q", "gone.txt");
  await box.commit(
    "two",
    { "a.txt": "22", "new.txt": "n" },
    "--metric",
    "azi=71.28",
    "--metric",
    "mag=97.63",
    "--param",
    "lr=0.0005",
  );
  await box.ok("tag", "v1.0.1");
  const diff = await box.json<Diff>("diff", "v1.0.0", "v1.0.1");
  expect(diff.files).toMatchObject({
    added: [{ path: "new.txt", to: { sizeBytes: 1 } }],
    modified: [{ path: "a.txt", from: { sizeBytes: 1 }, to: { sizeBytes: 2 } }],
    deleted: [{ path: "gone.txt", from: { sizeBytes: 1 } }],
  });
  expect(diff.metrics).toEqual([
    { name: "azi", from: 50.66, to: 71.28, delta: 20.62 },
    { name: "mag", from: 98.36, to: 97.63, delta: -0.73 },
  ]);
  expect(diff.params).toEqual([{ name: "lr", from: 0.001, to: 0.0005 }]);
});

test("smc diff prints aligned tables with a change column", async () => {
  expect(await box.ok("diff", "v1.0.0", "v1.0.1")).toBe(
    [
      "Metric  v1.0.0  v1.0.1    Change",
      "azi      50.66   71.28  +20.62 ▲",
      "mag      98.36   97.63   -0.73 ▼",
      "",
      "Param  v1.0.0  v1.0.1",
      "lr      0.001  0.0005",
      "",
      "Added     new.txt          1 B",
      "Modified  a.txt     1 B -> 2 B",
      "Deleted   gone.txt         1 B",
      "1 added, 1 modified, 1 deleted (+1 B)",
      "",
    ].join("\n"),
  );
});

test("smc diff --md, --stat, --name-only and -q", async () => {
  const markdown = await box.ok("diff", "--md", "v1.0.0..v1.0.1");
  expect(markdown).toContain(
    "| Metric | v1.0.0 | v1.0.1 | Change |\n| --- | ---: | ---: | ---: |\n| azi | 50.66 | 71.28 | +20.62 ▲ |\n",
  );
  expect(markdown).toContain("| Modified | a.txt | 1 B -\\> 2 B |".replace("\\", ""));
  expect(await box.ok("diff", "--stat", "v1.0.0", "v1.0.1")).toContain(
    "1 added, 1 modified, 1 deleted (+1 B)\n",
  );
  const names = "a.txt\ngone.txt\nnew.txt\n";
  expect(await box.ok("diff", "--name-only", "v1.0.0", "v1.0.1")).toBe(names);
  expect(await box.ok("diff", "-q", "v1.0.0", "v1.0.1")).toBe(names);
  expect(await box.ok("diff", "--name-only", "v1.0.0", "v1.0.1", "--", "a.txt")).toBe("a.txt\n");
});

test("smc diff compares folder, stage and commit", async () => {
  expect(await box.ok("diff")).toBe("");
  box.write("a.txt", "333");
  expect(await box.ok("diff", "--name-only")).toBe("a.txt\n");
  await box.ok("add", "a.txt");
  expect(await box.ok("diff", "--name-only")).toBe("");
  expect(await box.ok("diff", "--name-only", "--staged")).toBe("a.txt\n");
  expect(await box.ok("diff", "--name-only", "--cached")).toBe("a.txt\n");
  expect(await box.ok("diff", "--name-only", "v1.0.1")).toBe("a.txt\n");
});

test("smc diff --exit-code is 1 when something differs", async () => {
  expect((await box.smc(["diff", "--exit-code", "v1.0.0", "v1.0.1"])).code).toBe(1);
  expect((await box.smc(["diff", "--exit-code", "v1.0.1", "v1.0.1"])).code).toBe(0);
});

test.each([
  [["diff", "v9"], 3, "REVISION_NOT_FOUND"],
  [["diff", "a", "b", "c"], 2, undefined],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject(code === undefined ? { exit } : { exit, code });
});

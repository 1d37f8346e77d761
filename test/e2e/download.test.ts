import { existsSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" } });
afterAll(() => two[Symbol.asyncDispose]());
const { a, b } = two;
const digest = a.write("best.pt", "weights");
await a.ok("upload", "-q", "best.pt", "my_model.pt", "--description", "of May");
const inClone = async (...words: string[]): Promise<unknown> =>
  JSON.parse(await two.inClone(...words, "--json"));

test("S4.2 download without DEST lands in data/models/downloads, S4.17 and show tells all six facts", async () => {
  const path = two.clonePath("data/models/downloads/my_model.pt");
  expect(await two.inClone("download", "my_model.pt")).toBe(
    `Downloaded ${path}, 7 B, verified\nSHA-256 ${digest}\n`,
  );
  expect(b.digest("../clone/data/models/downloads/my_model.pt")).toBe(digest);
  await two.inClone("note", "my_model.pt", "-m", "drifts");
  expect(await inClone("show", "my_model.pt")).toMatchObject({
    sizeBytes: 7,
    sha256: digest,
    uploaded: expect.stringMatching(/^\d{4}-/),
    downloaded: expect.stringMatching(/^\d{4}-/),
    originalPath: a.path("best.pt"),
    description: "of May",
    notes: [{ text: "drifts" }],
  });
  expect(await two.inClone("download", "my_model.pt")).toContain("is there already, byte for byte\n");
  expect(await two.inClone("log", "--oneline", "-1")).toContain("first");
});

test("S4.2 download with DEST goes there; another file stays unless --force", async () => {
  await two.inClone("download", "my_model.pt", "data/models/trained/");
  expect(existsSync(two.clonePath("data/models/trained/my_model.pt"))).toBe(true);
  b.write("../clone/own.pt", "mine");
  const ran = await two.ranInClone("download", "my_model.pt", "own.pt", "--json");
  expect([ran.code, JSON.parse(ran.stdout).error.code]).toEqual([5, "WOULD_OVERWRITE"]);
  expect(b.read("../clone/own.pt")).toBe("mine");
  await two.inClone("download", "my_model.pt", "own.pt", "--force");
  expect(b.read("../clone/own.pt")).toBe("weights");
  expect(existsSync(two.clonePath("own.pt.json"))).toBe(false);
});

test.each([
  [["download"], 2, "USAGE"],
  [["download", "my_modell.pt"], 3, "REVISION_NOT_FOUND"],
  [["download", "../x"], 2, "PATH_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await a.refused(...words)).toMatchObject({ exit, code });
});

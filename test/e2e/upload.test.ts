import { execFileSync } from "node:child_process";
import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" }, clone: false });
afterAll(() => two[Symbol.asyncDispose]());
const { a } = two;

test("S4.1 smc upload pushes a file under a name that ls-remote shows, from deep paths too", async () => {
  const digest = a.write("runs/train/exp/weights/best.pt", "weights");
  const words = ["upload", "runs/train/exp/weights/best.pt", "my_model.pt", "--description", "of May"];
  const text = await a.ok(...words);
  expect(text).toMatch(/^Uploaded my_model\.pt to origin \(file:.*\), 7 B, .* sent\nSHA-256 /);
  expect(text).toContain(`SHA-256 ${digest}\n`);
  const commit = (await a.ok("upload", "-q", "runs/train/exp/weights/best.pt", "my_model.pt")).trim();
  expect(await a.ok("ls-remote")).toBe(`${commit}\trefs/heads/files/my_model.pt\n`);
  expect(await a.ok("branch")).not.toContain("files/");
  expect(await a.ok("status", "--json")).not.toContain("my_model");
  expect(await a.ok("list")).toMatch(
    /^Cloud:\n {2}7 B {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}my_model\.pt {2}origin\n/m,
  );
  expect(await a.json("list")).toMatchObject({
    uploads: [{ name: "my_model.pt", remote: "origin", commit, description: "of May" }],
  });
});

test("S4.19 a model that is uploaded by a bad name is told", async () => {
  const ran = await a.smc(["upload", "runs/train/exp/weights/best.pt", "my_model.pt"]);
  expect(ran).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("warning: 'my_model.pt' is not named"),
  });
  const { badNames } = await a.json<{ badNames: string[] }>("upload", "a.txt");
  expect(badNames).toEqual([]);
});

test("S4.17 smc show tells when a file was uploaded, from where, and what it is", async () => {
  const md5 = execFileSync("md5sum", [a.path("runs/train/exp/weights/best.pt")], { encoding: "utf8" }).slice(
    0,
    32,
  );
  expect(await a.json("show", "runs/train/exp/weights/best.pt")).toMatchObject({
    md5,
    remote: "origin",
    uploaded: expect.stringMatching(/^\d{4}-/),
    originalPath: a.path("runs/train/exp/weights/best.pt"),
    description: "of May",
  });
});

test.each([
  [["upload"], 2, "USAGE"],
  [["upload", "nope.pt"], 3, "PATH_NOT_FOUND"],
  [["upload", "a.txt", "../x"], 2, "PATH_INVALID"],
  [["upload", "a.txt", "--remote", "nope"], 3, "REMOTE_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await a.refused(...words)).toMatchObject({ exit, code });
});

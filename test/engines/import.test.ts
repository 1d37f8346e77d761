/** What the real DVC keeps comes in byte by byte. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSandbox, runProgram, sha256 } from "../e2e/sandbox.ts";
import { engineOf } from "./write-files.ts";

const PIPELINE = `stages:
  train:
    cmd: mkdir -p out && cp model.pt out/final.pt
    deps: [model.pt]
    outs: [out]
`;

test("a history of DVC is imported: files, folders and outputs of a pipeline, in every version", async () => {
  await using box = await createSandbox();
  const { command, env } = engineOf("dvc");
  const source = join(box.root, "source");
  const run = async (file: string, ...words: string[]): Promise<void> => {
    const who = { GIT_AUTHOR_NAME: "Gus", GIT_AUTHOR_EMAIL: "gus@example.org" };
    const made = { GIT_COMMITTER_NAME: "Gus", GIT_COMMITTER_EMAIL: "gus@example.org", DVC_NO_ANALYTICS: "1" };
    const ran = await runProgram(file, words, { cwd: source, env: { ...box.env, ...env, ...who, ...made } });
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
  };
  const dvc = (...words: string[]): Promise<void> => run(command, "-m", "dvc", ...words);
  const commit = async (message: string): Promise<void> => {
    await run("git", "add", "-A");
    await run("git", "commit", "-q", "-m", message);
  };
  const write = (path: string, bytes: string | Uint8Array): string => {
    writeFileSync(join(source, path), bytes);
    return sha256(bytes);
  };
  mkdirSync(join(source, "data"), { recursive: true });
  await run("git", "init", "-q", "-b", "main");
  await dvc("init", "-q");
  const text = write("data/a.txt", "a\r\nb");
  const first = write("model.pt", Buffer.alloc(300_000, 1));
  await dvc("add", "-q", "data", "model.pt");
  await commit("one");
  const second = write("model.pt", Buffer.alloc(300_000, 2));
  await dvc("add", "-q", "model.pt");
  write("dvc.yaml", PIPELINE);
  await dvc("repro", "-q");
  await commit("two");
  await box.ok("import", "dvc", "../source");
  expect(box.digest("out/final.pt")).toBe(second);
  expect(box.digest("model.pt")).toBe(second);
  expect(box.digest("data/a.txt")).toBe(text);
  await box.ok("checkout", "main~1");
  expect(box.digest("model.pt")).toBe(first);
});

import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox({ init: false });
afterAll(() => box[Symbol.asyncDispose]());

test.each(["bash", "zsh", "fish"])("smc completion %s prints a script", async (shell) => {
  const script = await box.ok("completion", shell);
  expect(script).toContain("smc __complete --");
  expect(await box.json("completion", shell)).toEqual({ shell, script: script.trimEnd() });
  expect(await box.ok("completion", "-q", shell)).toBe(script);
});

test.each([
  [["completion"], "USAGE"],
  [["completion", "tcsh"], "ARGUMENT_INVALID"],
] as const)("smc %j is refused", async (words, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit: 2, code });
});

async function candidates(...typed: string[]): Promise<string[]> {
  return (await box.ok("__complete", "--", ...typed)).split("\n").filter((line) => line !== "");
}

test("completion offers verbs, options, choices and words", async () => {
  expect(await candidates("sta")).toEqual(["status"]);
  expect(await candidates("")).toContain("commit");
  expect(await candidates("--js")).toEqual(["--json"]);
  expect(await candidates("commit", "--am")).toEqual(["--amend"]);
  expect(await candidates("tag", "--bump", "m")).toEqual(["major", "minor"]);
  expect(await candidates("daemon", "st")).toEqual(["start", "stop", "status"]);
  expect(await candidates("-C", "x", "compl")).toEqual(["completion"]);
});

test("completion offers refs, but none that a shell would run, and never fails", async () => {
  expect(await candidates("checkout", "m")).toEqual([]);
  await box.ok("init");
  await box.commit("one", { "a.txt": "a" });
  await box.ok("tag", "v1.0.0");
  await box.ok("branch", "mine");
  await box.ok("branch", "m$(touch${IFS}hacked)");
  expect(await candidates("checkout", "m")).toEqual(["main", "mine"]);
  expect(await candidates("diff", "main", "v")).toEqual(["v1.0.0"]);
  const bash = await box.shell(
    'source <(smc completion bash); COMP_WORDS=(smc checkout v); COMP_CWORD=2; _smc; echo "${COMPREPLY[@]}"',
  );
  expect(bash.stdout).toBe("v1.0.0\n");
  expect(await candidates("nonsense", "x")).toEqual([]);
});

import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox({ init: false });
afterAll(() => box[Symbol.asyncDispose]());

import { COMMANDS, type CommandName, loadCommand, TOPICS } from "@smc/cli";

/** Of pages without examples. */
const EXPECTED: Record<string, string> = { workflows: "smc switch -c", start: "Keep versions:\n" };
const verbs = Object.keys(COMMANDS) as CommandName[];

test("smc help lists every verb and topic in groups", async () => {
  const text = await box.ok("help");
  for (const verb of verbs) expect(text).toMatch(new RegExp(`^ {2}${verb} `, "m"));
  for (const topic of Object.keys(TOPICS)) expect(text).toMatch(new RegExp(`^ {2}${topic} `, "m"));
  expect(await box.ok("-h")).toBe(text);
});

test("smc alone prints the verbs to begin with on one screen, and says where the others are", async () => {
  const text = await box.ok();
  expect(text.split("\n").length).toBeLessThan(48);
  for (const verb of ["init", "commit", "checkout", "rollback", "push"])
    expect(text).toMatch(new RegExp(`^ {2}${verb} `, "m"));
  expect(text).toContain(`All ${verbs.length} verbs: smc help.`);
  expect(await box.ok("help", "start")).toBe(text);
});

test("every verb has a page with usage, all its options and examples", async () => {
  for (const verb of verbs) {
    const { examples, options } = await loadCommand(verb);
    const page = await box.ok("help", verb);
    expect(page).toContain(`Usage:\n  smc ${verb}`);
    expect(page).toContain("\nExamples:\n  ");
    expect(examples.length).toBeGreaterThan(0);
    for (const name of Object.keys(options)) expect(page).toContain(`--${name}`);
  }
});

test("smc VERB -h is the page of the verb and runs nothing", async () => {
  expect(await box.ok("commit", "-m", "x", "-h")).toBe(await box.ok("help", "commit"));
});

test.each(Object.keys(TOPICS))("smc help %s explains the topic", async (topic) => {
  expect(await box.ok("help", topic)).toContain(EXPECTED[topic] ?? "Examples:\n");
});

test("smc help --json and -q", async () => {
  expect(await box.json("help", "revisions")).toMatchObject({ topic: "revisions" });
  expect(await box.ok("help", "-q", "revisions")).toBe(await box.ok("help", "revisions"));
});

test("smc help on nothing that there is is refused with what is near", async () => {
  const found = await box.refused("help", "comit");
  expect(found).toMatchObject({ exit: 2, code: "USAGE" });
  expect(found.stderr).toContain("did you mean commit?");
});

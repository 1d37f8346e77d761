import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const TOKEN = /smc_[A-Za-z0-9_-]{43}/;

test("smc token makes a token, tells it once, renews it and takes it away", async () => {
  const made = await box.ok("token", "create", "laptop");
  expect(made).toMatch(/^Made token 'laptop' \(read, push; does not expire\)\nsmc_[A-Za-z0-9_-]{43}\n$/);
  const secret = TOKEN.exec(made)?.[0] ?? "";
  expect(await box.ok("token", "create", "ci", "--scope", "read", "--expires", "90d", "-q")).toMatch(
    /^smc_[A-Za-z0-9_-]{43}\n$/,
  );
  const listed = await box.ok("token", "list");
  expect(listed).toMatch(/^ci +read +made \S+ +expires \S+\nlaptop +read,push +made \S+ +does not expire\n$/);
  expect(await box.ok("token", "list", "-q")).toBe("ci\nlaptop\n");
  expect(JSON.stringify(await box.json("token", "list"))).not.toMatch(TOKEN);
  expect(await box.ok("token", "rotate", "ci", "--expires", "30d")).toMatch(
    /^Renewed token 'ci' \(read; expires /,
  );
  const renewed = (await box.ok("token", "rotate", "laptop", "-q")).trim();
  expect(renewed).toMatch(TOKEN);
  expect(renewed).not.toBe(secret);
  expect(await box.ok("token", "revoke", "laptop")).toBe(
    "Revoked token 'laptop'; it is worth nothing any more\n",
  );
  expect(await box.json("token", "list")).toMatchObject({
    tokens: [{ name: "ci", scopes: ["read"], expired: false }],
  });
  const log = readFileSync(join(box.home, "logs", "daemon.log"), "utf8");
  expect(log).not.toMatch(TOKEN);
});

test.each([
  [["token"], 2, "USAGE"],
  [["token", "make", "x"], 2, "USAGE"],
  [["token", "create"], 2, "USAGE"],
  [["token", "create", "a", "b"], 2, "USAGE"],
  [["token", "list", "a"], 2, "USAGE"],
  [["token", "rotate", "ci", "--scope", "admin"], 2, "USAGE"],
  [["token", "revoke", "ci", "--expires", "90d"], 2, "USAGE"],
  [["token", "create", "x", "--scope", "root"], 2, "ARGUMENT_INVALID"],
  [["token", "create", "x", "--expires", "soon"], 2, "DATE_INVALID"],
  [["token", "create", "a b"], 2, "ARGUMENT_INVALID"],
  [["token", "revoke", "nobody"], 3, "TOKEN_NOT_FOUND"],
  [["token", "create", "ci"], 5, "ALREADY_EXISTS"],
] as const)("smc %j is refused with %i", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

/** Bad names of refs and objects, bad messages, bad people: rows A1 to A10. */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 } from "../e2e/sandbox.ts";
import { createTarget, type Expected, type Target } from "./target.ts";

let target: Target;
beforeAll(async () => {
  target = await createTarget();
});
afterAll(async () => {
  await target[Symbol.asyncDispose]();
});

const BAD_REFS: readonly [row: string, name: string, says: RegExp][] = [
  ["A2", "../../x", /'\.\.' at 0/],
  ["A2", "refs/heads/../HEAD", /'\.\.' at 11/],
  ["A2", "a..b", /'\.\.' at 1/],
  ["A2", "a//b", /empty part/],
  ["A2", "/a", /empty part/],
  ["A2", "a/", /empty part/],
  ["A2", ".a", /starts with '\.'/],
  ["A2", "a.lock", /ends with '\.lock'/],
  ["A2", "a.", /ends with '\.'/],
  ["A2", "@", /it is '@'/],
  ["A2", "a@{1}", /'@\{' at 1/],
  ["A2", "a b", /' ' at 1/],
  ["A2", "a~1", /'~' at 1/],
  ["A2", "a^", /'\^' at 1/],
  ["A2", "a:b", /':' at 1/],
  ["A2", "a?", /'\?' at 1/],
  ["A2", "a*", /'\*' at 1/],
  ["A2", "a[", /'\[' at 1/],
  ["A2", "a\\b", /at 1/],
  ["A3", "main\r", /U\+000D at 4/],
  ["A3", "ma\u001b]0;x\u0007in", /U\+001B at 2/],
  ["A3", "ma\u202ein", /U\+202E at 2/],
  ["A3", "main\u200b", /U\+200B at 4/],
  ["A4", "a".repeat(300), /longer than 255 bytes/],
  ["A4", Array.from({ length: 64 }, () => "a").join("/"), /more than 32 parts/],
];

test.for(BAD_REFS)("%s: branch and tag refuse the name %j", async ([, name, says]) => {
  await target.refused(["branch", name], { code: "REF_NAME_INVALID", says });
  await target.refused(["tag", name], { code: "REF_NAME_INVALID", says });
});

test("A1: a name that looks like an option is no option", async () => {
  await target.refused(["branch", "--", "-f"], { code: "REF_NAME_INVALID", says: /starts with '-'/ });
  await target.refused(["checkout", "--", "--output=/etc/x"], { code: "PATH_NOT_FOUND" });
});

test("A5: a branch that differs from another only by case is refused", async () => {
  await target.refused(["branch", "Main"], { code: "REF_CONFLICT", says: /main/ });
});

test("A6: a branch beside a folder of branches is refused, both ways round", async () => {
  const { sandbox } = target;
  await sandbox.ok("branch", "folder");
  await target.refused(["branch", "folder/inner"], { code: "REF_CONFLICT" });
  await sandbox.ok("branch", "deep/inner");
  await target.refused(["branch", "deep"], { code: "REF_CONFLICT" });
});

test("A6: of two processes that make a branch and a folder of branches one wins", async () => {
  const { sandbox } = target;
  for (let round = 0; round < 5; round++) {
    const names = [`race${round}`, `race${round}/inner`];
    const ends = await Promise.all(names.map((name) => sandbox.smc(["branch", name])));
    expect(ends.map(({ code }) => code).sort()).toEqual([0, 5]);
    const refs = await sandbox.ok("refs", "--json");
    expect(refs.match(new RegExp(`refs/heads/race${round}\\b`, "g"))).toHaveLength(1);
  }
});

const HEX = sha256("a\n");
const BAD_DIGESTS: readonly (readonly [text: string, code: Expected["code"]])[] = [
  ["sha256:../../../../etc/passwd", "DIGEST_INVALID"],
  [`sha256-${HEX}`, "DIGEST_INVALID"],
  [`sha256:${HEX.slice(1)}`, "DIGEST_INVALID"],
  [`sha256:${HEX}0`, "DIGEST_INVALID"],
  [`${HEX}0`, "DIGEST_INVALID"],
  [HEX.slice(1), "DIGEST_INVALID"],
  [`sha256:${HEX.toUpperCase()}`, "DIGEST_INVALID"],
  [HEX.toUpperCase(), "DIGEST_INVALID"],
  [`SHA256:${HEX}`, "DIGEST_INVALID"],
  [`sha1:${HEX.slice(24)}`, "DIGEST_INVALID"],
  [`md5:${HEX.slice(32)}`, "DIGEST_INVALID"],
  [`\u0430${HEX.slice(1)}`, "DIGEST_INVALID"],
  [`${HEX}\n`, "DIGEST_INVALID"],
];

test.for(BAD_DIGESTS)("A7: %j is no digest", async ([text, code]) => {
  await target.refused(["cat-file", text], { code });
});

/** Two texts whose digests start with the same seven digits. */
function colliding(): [string, string] {
  const seen = new Map<string, string>();
  for (let count = 0; ; count++) {
    const text = `collision ${count}\n`;
    const start = sha256(text).slice(0, 7);
    const other = seen.get(start);
    if (other !== undefined) return [other, text];
    seen.set(start, text);
  }
}

test("A8: a short digest of two objects is ambiguous, and one of three digits is too short", async () => {
  const [one, two] = colliding();
  await target.sandbox.commit("two that look alike", { one, two });
  const short = sha256(one).slice(0, 7);
  await target.refused(["cat-file", short], { code: "REVISION_AMBIGUOUS", says: /2 objects/ });
  for (const text of ["0", "abc", short.slice(0, 3)])
    await target.refused(["cat-file", text], { code: "REVISION_INVALID", says: /too short/ });
});

const BAD_MESSAGES: readonly (readonly [what: string, bytes: string | Uint8Array, says: RegExp])[] = [
  ["nothing", "", /empty/],
  ["white space", " \n\t ", /empty/],
  ["2 MiB", "a".repeat(2 * 1024 * 1024), /longer than 1048576 bytes/],
  ["a NUL", "a\0b", /NUL character at 1/],
  ["bytes that are not UTF-8", Buffer.from([0x61, 0xff, 0xfe]), /not valid UTF-8/],
];

test.for(BAD_MESSAGES)("A9: a message of %s is refused", async ([what, bytes, says]) => {
  const words = ["commit", "--allow-empty", "-F", "-"];
  const code = what.endsWith("UTF-8") ? "ARGUMENT_INVALID" : "MESSAGE_INVALID";
  await target.refused(words, { code, says }, { stdin: bytes });
});

const BAD_PEOPLE = [
  "A <a@b>\nparent deadbeef",
  "A<B> <a@b>",
  "A <>",
  " <a@b>",
  "A",
  "A <a b@c>",
  "A\u202e <a@b>",
];

test.for(BAD_PEOPLE)("A10: the author %j is refused", async (author) => {
  await target.refused(["commit", "--allow-empty", "-m", "x", "--author", author], {
    code: "IDENTITY_INVALID",
  });
  const env = { SMC_AUTHOR: author };
  await target.refused(["commit", "--allow-empty", "-m", "x"], { code: "IDENTITY_INVALID" }, { env });
});

test.for(["99999999999999", "2026-01-01T00:00:00+99:99", "10000-01-01T00:00:00Z", "-1", "NaN"])(
  "A10: the date %j is refused",
  async (date) => {
    const words = ["commit", "--allow-empty", "-m", "x", `--date=${date}`];
    await target.refused(words, { code: "DATE_INVALID" });
  },
);

test("A2: git refuses the same names", () => {
  for (const [row, name] of BAD_REFS) {
    if (row !== "A2" || name === "@") continue;
    expect(
      () => execFileSync("git", ["check-ref-format", "--branch", name], { stdio: "ignore" }),
      name,
    ).toThrow();
  }
});

import { expect, test } from "vitest";
import {
  assertEntryName,
  assertIdentity,
  assertMessage,
  assertPath,
  assertRepositoryName,
  foldName,
  parseIdentity,
  refName,
} from "./names.ts";

const thrown = (action: () => unknown): string | undefined => {
  try {
    action();
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
  return undefined;
};

test.each([
  "-f",
  "../../x",
  "a..b",
  "a//b",
  "/a",
  "a/",
  ".a",
  "a.lock",
  "a.",
  "@",
  "a@{1}",
  "a b",
  "a~1",
  "a^",
  "a:b",
  "a?",
  "a*",
  "a[",
  "a\\b",
  "HEAD",
  "main\r",
  "ma\u001b]0;x\u0007in",
  "ma\u202ein",
  "main\u200b",
  "x".repeat(300),
  Array(64).fill("a").join("/"),
  "",
  "e\u0301",
  "a".repeat(64),
])("refName() refuses %j", (name) => {
  expect(thrown(() => refName("refs/heads/", name))).toMatch(/^REF_NAME_INVALID: /);
});

test.each(["main", "feature/x", "v1.0.0", "日本", "a-b_c.d", "é"])("refName() takes %j", (name) => {
  expect(refName("refs/heads/", name)).toBe(`refs/heads/${name}`);
});

test("refName() says which rule is broken, and where", () => {
  expect(thrown(() => refName("refs/heads/", "-f"))).toContain("name starts with '-'");
  expect(thrown(() => refName("refs/heads/", "main\r"))).toContain(
    "control or invisible character U+000D at 4",
  );
  expect(thrown(() => refName("refs/heads/", "x".repeat(300)))).toContain("longer than 255 bytes");
});

test.each([
  "",
  ".",
  "..",
  "a/b",
  "a\\b",
  "a\0b",
  "a\u0085",
  "x".repeat(256),
  "e\u0301",
  ".smc",
  ".SMC",
  ".smc ",
  ".smc.",
  ".smc::$INDEX_ALLOCATION",
  "SMC~1",
  ".s\u200cmc",
  ".\u017fmc",
  "\ud800",
])("assertEntryName() refuses %j", (name) => {
  expect(thrown(() => assertEntryName(name))).toMatch(/^OBJECT_INVALID: tree: /);
});

test.each(["con", "aux.txt", "NUL", "a.", "a ", "a:b", "*", "com1"])(
  "assertPath() finds %j not portable",
  (name) => {
    expect(thrown(() => assertPath(`dir/${name}`))).toMatch(/^NAME_NOT_PORTABLE: /);
    expect(thrown(() => assertPath(`dir/${name}`, { allowNonportable: true }))).toBeUndefined();
  },
);

test("assertPath() bounds length and depth", () => {
  expect(thrown(() => assertPath("é".repeat(255)))).toMatch(/^PATH_INVALID/);
  expect(thrown(() => assertPath(Array(600).fill("a").join("/")))).toMatch(/^LIMIT_EXCEEDED/);
  expect(thrown(() => assertPath(Array(30).fill("x".repeat(200)).join("/")))).toMatch(/^PATH_INVALID/);
});

test("foldName() finds names that some file system takes for one", () => {
  for (const [one, other] of [
    ["Model", "model"],
    ["\u00e9", "e\u0301"],
    ["K", "\u212a"],
    ["\ufb01n", "fin"],
  ] as const) {
    expect(foldName(one)).toBe(foldName(other));
  }
  expect(foldName("a")).not.toBe(foldName("b"));
});

test.each(["demo", "team/demo", "a.b-c_d"])("assertRepositoryName() takes %j", (name) => {
  expect(thrown(() => assertRepositoryName(name))).toBeUndefined();
});

test.each(["", "a/b/c", "../x", "-x", "a b", "a.git", "a..b", ".x", "x/", "a\u0000"])(
  "assertRepositoryName() refuses %j",
  (name) => {
    expect(thrown(() => assertRepositoryName(name))).toMatch(/^REPOSITORY_NAME_INVALID/);
  },
);

test("assertMessage() refuses nothing, too much, NUL and broken UTF-8", () => {
  expect(thrown(() => assertMessage("  \n"))).toContain("is empty");
  expect(thrown(() => assertMessage("x".repeat(2 * 1024 * 1024)))).toContain("longer than");
  expect(thrown(() => assertMessage("a\0b"))).toContain("NUL character at 1");
  expect(thrown(() => assertMessage("a\ud800"))).toContain("not valid UTF-8");
  expect(thrown(() => assertMessage("fine ü\nsecond line"))).toBeUndefined();
});

test("parseIdentity() reads a name and an address and refuses tricks", () => {
  expect(parseIdentity("Ada L <ada@example.org>")).toEqual({ name: "Ada L", email: "ada@example.org" });
  for (const bad of [
    "A <a@b>\nparent deadbeef",
    "A",
    "<a@b>",
    "A <>",
    "A <b <c>>",
    "A\u202e <a@b>",
    "A <a b@c>",
  ]) {
    expect(
      thrown(() => parseIdentity(bad)),
      bad,
    ).toMatch(/^IDENTITY_INVALID/);
  }
  expect(thrown(() => assertIdentity({ name: "x".repeat(300), email: "a@b" }))).toContain("too long");
});

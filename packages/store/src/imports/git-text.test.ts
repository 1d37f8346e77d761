import { expect, test } from "vitest";
import { parseGitCommit, parseGitTag, parseGitTree } from "./git-text.ts";
import { parsePointer } from "./lfs-pointer.ts";

const ID = "a".repeat(40);

function commit(...lines: string[]): Buffer {
  return Buffer.from([`tree ${ID}`, ...lines].join("\n"), "latin1");
}

test("parseGitCommit() takes people, times and the message, past a signature", () => {
  const bytes = commit(
    "author Ada Lovelace <ada@example.org> 1704099600 -0330",
    "committer Gus <gus@example.org> 1704099601 +0100",
    "gpgsig -----BEGIN PGP SIGNATURE-----",
    " author Eve <eve@example.org> 1 +0000",
    " -----END PGP SIGNATURE-----",
    "",
    "subject",
    "",
    "body",
    "",
  );
  expect(parseGitCommit(bytes)).toEqual({
    tree: ID,
    author: { name: "Ada Lovelace", email: "ada@example.org" },
    authored: { ms: 1_704_099_600_000, offsetMinutes: -210 },
    committer: { name: "Gus", email: "gus@example.org" },
    committed: { ms: 1_704_099_601_000, offsetMinutes: 60 },
    message: "subject\n\nbody\n",
  });
});

test.each([
  ["author  <> 0 +0000", { name: "unknown", email: "unknown" }, 0],
  ["author <a b@c> -5 +9999", { name: "a b@c", email: "ab@c" }, 0],
  ["author A\u0007 <a> 99999999999999 +0000", { name: "A", email: "a" }, 253_402_300_799_999],
  ["author nobody", { name: "unknown", email: "unknown" }, 0],
])("'%s' becomes a person and a time that smc takes", (line, person, ms) => {
  const parsed = parseGitCommit(commit(line, "committer X <x@y> 1 +0000", "", "\0"));
  expect(parsed).toMatchObject({
    author: person,
    authored: { ms, offsetMinutes: 0 },
    message: "(no message)\n",
  });
});

test("a message in ISO 8859-1 is read as such", () => {
  const bytes = commit(
    "author \xc4da <a@b> 1 +0000",
    "committer X <x@y> 1 +0000",
    "encoding ISO-8859-1",
    "",
    "gr\xfcn",
  );
  expect(parseGitCommit(bytes)).toMatchObject({ author: { name: "Äda" }, message: "grün\n" });
});

test("parseGitTag() leaves the signature out", () => {
  const text = `object ${ID}\ntype commit\ntag v1\ntagger A <a@b> 5 +0000\n\nfirst\n-----BEGIN PGP SIGNATURE-----\nx\n`;
  expect(parseGitTag(Buffer.from(text))).toMatchObject({ object: ID, message: "first\n" });
});

test("parseGitTree() reads names and modes, and refuses what ends too early or is not UTF-8", () => {
  const entry = (mode: string, name: string): Buffer =>
    Buffer.concat([
      Buffer.from(`${mode} `),
      Buffer.from(name, "latin1"),
      Buffer.alloc(1),
      Buffer.alloc(20, 0xaa),
    ]);
  const bytes = Buffer.concat([entry("100644", "a b"), entry("40000", "sub")]);
  expect(parseGitTree(bytes, 20)).toEqual([
    { mode: "100644", name: "a b", id: ID },
    { mode: "40000", name: "sub", id: ID },
  ]);
  expect(() => parseGitTree(bytes.subarray(0, 40), 20)).toThrowError("ends too early");
  expect(() => parseGitTree(entry("100644", "\xff"), 20)).toThrowError("is not UTF-8");
  expect(() => parseGitCommit(Buffer.from("tree x\n\nm"))).toThrowError("without a tree");
});

test("parsePointer() knows a pointer from a text about pointers", () => {
  const head = "version https://git-lfs.github.com/spec/v1\n";
  const text = `${head}oid sha256:${"b".repeat(64)}\nsize 12\n`;
  expect(parsePointer(Buffer.from(text))).toEqual({
    sha256: "b".repeat(64),
    sizeBytes: 12,
    hasExtensions: false,
  });
  expect(
    parsePointer(Buffer.from(text.replace("oid", `ext-0-x sha256:${"c".repeat(64)}\noid`))),
  ).toMatchObject({
    hasExtensions: true,
  });
  for (const other of [
    `# ${text}`,
    `${head}size 12\n`,
    text + "x".repeat(1024),
    `${head}oid sha256:bb\nsize 1\n`,
  ])
    expect(parsePointer(Buffer.from(other))).toBeUndefined();
});

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createTwo } from "./two-sandboxes.ts";

const two = await createTwo({ files: { "a.txt": "1" }, clone: false });
afterAll(() => two[Symbol.asyncDispose]());
const { a, url } = two;

interface Remotes {
  readonly remotes: readonly { readonly name: string; readonly url: string; readonly kind: string }[];
}

test("smc clone of a place with nothing in it says so", async () => {
  const ran = await two.b.smc(["clone", url, join(two.b.root, "empty")]);
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stderr).toContain("hint: there is nothing yet; when you expected something, see whether");
});

test("smc remote lists, tests, renames, changes and removes", async () => {
  expect(await a.ok("remote")).toBe("origin\n");
  expect(await a.ok("remote", "-v")).toBe(`origin  ${url}\n`);
  expect(await a.json<Remotes>("remote", "list")).toMatchObject({
    action: "list",
    remotes: [{ name: "origin", url, kind: "file" }],
  });
  expect(await a.ok("remote", "test")).toMatch(/^origin \(file:.*\)\nfile: ok, empty \(\d+ ms\)\n$/);
  await a.ok("push", "-q");
  expect(await a.ok("remote", "test", "origin")).toContain("file: ok, 1 branch, 0 tags (");
  expect(await a.ok("remote", "rename", "origin", "nas")).toBe(
    "Renamed remote 'origin' to 'nas'\n1 branch of it renamed here\n",
  );
  expect(await a.ok("branch", "-r", "-q")).toBe("nas/main\n");
  expect(await a.ok("remote", "set-url", "nas", `${url}/deeper`)).toContain("leads to");
  expect(await a.ok("remote", "remove", "nas")).toContain("1 branch of it removed here");
  expect(await a.ok("remote", "-q")).toBe("");
  expect(await a.ok("branch", "-r", "-q")).toBe("");
  expect(await a.ok("remote", "add", "-q", "origin", url)).toBe("origin\n");
});

test.each([
  [["remote", "add", "origin", url], 5, "ALREADY_EXISTS"],
  [["remote", "add", "ORIGIN", url], 5, "ALREADY_EXISTS"],
  [["remote", "add", "a/b", url], 2, "REF_NAME_INVALID"],
  [["remote", "add", "x"], 2, "USAGE"],
  [["remote", "add", "x", url, "more"], 2, "USAGE"],
  [["remote", "add", "-x", url], 2, "USAGE"],
  [["remote", "list", "--no-test"], 2, "USAGE"],
  [["remote", "frobnicate"], 2, "ARGUMENT_INVALID"],
  [["remote", "remove", "orgin"], 3, "REMOTE_NOT_FOUND"],
  [["remote", "rename", "nope", "x"], 3, "REMOTE_NOT_FOUND"],
  [["remote", "set-url", "nope", url], 3, "REMOTE_NOT_FOUND"],
  [["remote", "test", "nope"], 3, "REMOTE_NOT_FOUND"],
  [["remote", "add", "x", `${url}-absent`], 3, "REMOTE_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await a.refused(...words)).toMatchObject({ exit, code });
  expect(await a.ok("remote", "-q")).toBe("origin\n");
});

test("smc remote says where its words are told, and how a folder is written", async () => {
  expect((await a.refused("remote", "add", "x")).stderr).toContain('hint: see "smc help remote"\n');
  const { code, stderr } = await a.refused("remote", "add", "x", two.folder);
  expect({ code, stderr }).toEqual({
    code: "URL_INVALID",
    stderr: expect.stringContaining("hint: write a folder as file:// and its whole path"),
  });
});

test("smc remote add --no-test takes a folder that is not mounted yet", async () => {
  await a.ok("remote", "add", "later", `${url}-absent`, "--no-test");
  expect(await a.ok("remote", "-v")).toContain(`later   ${url}-absent\n`);
  expect(await a.refused("push", "later")).toMatchObject({ exit: 3, code: "REMOTE_NOT_FOUND" });
  await a.ok("remote", "remove", "later");
});

// The rows E1 and E2 of what others have got wrong.
const BAD_URLS = [
  "",
  "ext::sh -c id",
  "EXT::sh -c id",
  "-oProxyCommand=id",
  "ssh://-oX/",
  "ftp://h/x",
  "javascript:alert(1)",
  "fd::7",
  "file:relative",
  "file://host/folder",
  "file:///",
  "file:///a/../../etc",
  "file:///a%00b",
  "file:///a%0ab",
  "/just/a/path",
  "https://user:pw@h/",
  "https://h%0d%0aX:/",
  "https://h\n/",
  "http://a\\@b/",
  "http://exa\tmple.com",
  "http:///etc",
  "s3://user:pw@bucket/x",
  "s3://bucket%0d%0aX/x",
  "s3://bucket\n/x",
  "s3://buck\\@et/x",
  "s3:///x",
  "s3://bücket/x",
  `s3://${"x".repeat(2000)}/x`,
  "s3://bucket/x?endpoint=https://user:pw@h",
  "s3://bucket/x?endpoint=http://example.org",
  "s3://bucket/x?endpoint=file:///etc",
  "s3://bucket/../x",
];

test.each(BAD_URLS)(
  "smc remote add refuses %j, and repeats none of it",
  { timeout: 60_000 },
  async (text) => {
    const ran = await a.smc(["remote", "add", "--json", "--no-test", "--", "bad", text]);
    expect(ran.code).toBe(2);
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: "URL_INVALID", exit: 2 } });
    expect(ran.stderr.replaceAll("\n", "")).not.toMatch(/\p{Cc}|pw@/u);
  },
);

test("smc remote keeps nothing of what was refused, and says when its file is damaged", async () => {
  expect(await a.ok("remote", "-q")).toBe("origin\n");
  const file = join(a.home, "remotes.json");
  const text = readFileSync(file, "utf8");
  expect(JSON.parse(text)).toEqual({ version: 1, remotes: [{ repository: "work", name: "origin", url }] });
  writeFileSync(file, text.slice(1));
  const { code, exit, message } = await a.refused("remote");
  expect({ code, exit }).toEqual({ code: "STORE_CORRUPT", exit: 4 });
  expect(message).toContain(file);
  writeFileSync(file, text);
  await a.ok("remote", "test");
});

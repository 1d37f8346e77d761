import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  assertRemoteName,
  changeRemotes,
  findRemote,
  readRemotes,
  type RemoteRecord,
  withRecord,
} from "./remotes.ts";
import { QUIET, withFolder } from "./testing/testing.ts";

const record = (name: string, more: Partial<RemoteRecord> = {}): RemoteRecord => {
  return { repository: "demo", name, url: `file:///mnt/${name}`, ...more };
};

test("remotes are kept for each repository, in order, and are there again", async () => {
  await withFolder(async (path) => {
    const store = { path };
    expect(await readRemotes(store, "demo")).toEqual([]);
    const nas = record("nas");
    await changeRemotes(store, "demo", (now) => withRecord(withRecord(now, record("origin")), nas), QUIET);
    const other = record("origin", { repository: "acme/other" });
    await changeRemotes(store, "acme/other", (now) => withRecord(now, other), QUIET);
    expect(await readRemotes(store, "demo")).toEqual([nas, record("origin")]);
    expect(await readRemotes(store, "acme/other")).toEqual([other]);
    await changeRemotes(store, "demo", () => [], QUIET);
    expect(await readRemotes(store, "demo")).toEqual([]);
    expect(await readRemotes(store, "acme/other")).toEqual([other]);
  });
});

test("changes at the same time are all made", async () => {
  await withFolder(async (path) => {
    const store = { path };
    const names = Array.from({ length: 8 }, (_, index) => `r${index}`);
    const add = (name: string) => changeRemotes(store, "demo", (now) => withRecord(now, record(name)), QUIET);
    await Promise.all(names.map(add));
    expect((await readRemotes(store, "demo")).map(({ name }) => name)).toEqual([...names].sort());
  });
});

test("a remote is found by name, else it is origin, else the only one", () => {
  const [origin, nas, disk] = [record("origin"), record("nas"), record("disk")];
  expect(findRemote([nas, origin], undefined)).toBe(origin);
  expect(findRemote([nas], undefined)).toBe(nas);
  expect(findRemote([nas, origin], "nas")).toBe(nas);
  const failure = (records: RemoteRecord[], name?: string): unknown => {
    try {
      return findRemote(records, name);
    } catch (error) {
      return error;
    }
  };
  expect(failure([])).toMatchObject({
    code: "REMOTE_NOT_FOUND",
    hint: expect.stringContaining("smc remote add"),
  });
  expect(failure([nas, disk])).toMatchObject({
    code: "REMOTE_NOT_FOUND",
    hint: "there is: nas, disk",
    details: { candidates: ["nas", "disk"] },
  });
  expect(failure([nas, origin], "orgin")).toMatchObject({ hint: "did you mean: origin" });
  expect(failure([nas], "x\u001b[31m")).toMatchObject({ message: expect.stringContaining("\\x1b") });
});

test.each(["", "-x", "a/b", "a b", "a..b", ".a", "a.lock", "a:b", "@", "HEAD", "a\n", "x".repeat(300)])(
  "%j is not a name for a remote",
  (name) => {
    expect(() => assertRemoteName(name)).toThrow(expect.objectContaining({ code: "REF_NAME_INVALID" }));
  },
);

test("withRecord() refuses a name that is there, also in other case", () => {
  for (const name of ["nas", "NAS"])
    expect(() => withRecord([record("nas")], record(name))).toThrow(
      expect.objectContaining({ code: "ALREADY_EXISTS" }),
    );
});

const remotes = (...items: unknown[]): string => JSON.stringify({ version: 1, remotes: items });

test.each([
  ["", "not JSON"],
  ["{", "not JSON"],
  ["null", "no version"],
  ["[]", "no version"],
  ['{"version":1}', "no list"],
  ['{"version":1,"remotes":{}}', "no list"],
  [remotes(null), "remote 1 has no"],
  [remotes({ repository: "demo", name: "a" }), "remote 1 has no"],
  [remotes({ ...record("a"), url: "" }), "url of remote 1"],
  [remotes({ ...record("a"), url: "x".repeat(5000) }), "url of remote 1"],
  [remotes(record("a"), { ...record("b"), name: "../b" }), "remote 2 has a bad name"],
  [remotes({ ...record("a"), repository: "../x" }), "remote 1 has a bad name"],
  [remotes(record("a"), record("A")), "twice"],
  [" ".repeat(5 * 1024 * 1024), "too large"],
])("a remotes.json that is damaged is named and left alone: %#", async (text, why) => {
  await withFolder(async (path) => {
    const file = join(path, "remotes.json");
    await writeFile(file, text);
    const failure = {
      code: "STORE_CORRUPT",
      message: expect.stringMatching(new RegExp(`remotes.json.*${why}`)),
    };
    await expect(readRemotes({ path }, "demo")).rejects.toMatchObject(failure);
    const edit = (now: readonly RemoteRecord[]) => withRecord(now, record("new"));
    await expect(changeRemotes({ path }, "demo", edit, QUIET)).rejects.toMatchObject(failure);
    expect(await readFile(file, "utf8")).toBe(text);
  });
});

test("a remotes.json of a later version is refused", async () => {
  await withFolder(async (path) => {
    await writeFile(join(path, "remotes.json"), '{"version":2,"remotes":[]}');
    await expect(readRemotes({ path }, "demo")).rejects.toMatchObject({ code: "FORMAT_UNSUPPORTED" });
  });
});

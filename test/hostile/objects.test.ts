/** Objects that someone made by hand, or that arrived from elsewhere: rows B1 to B4 and B11 to B15. */
import { openStore, type OwnedStore } from "@smc/store";
import { type ErrorCode, isSmcError } from "@smc/store/errors";
import { encode } from "@ipld/dag-cbor";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Digest, digestToBytes, hashBytes } from "../../packages/store/src/objects/digest.ts";
import { parseRefName } from "../../packages/store/src/objects/names.ts";
import { decodeCommit, decodeTree } from "../../packages/store/src/objects/objects.ts";
import { createSandbox, type Sandbox } from "../e2e/sandbox.ts";

const FILE = 0o100644;
const LINK = 0o120000;
const FOLDER = 0o040000;
const BLOB = hashBytes(Buffer.from("x"));

type Row = readonly [name: unknown, mode: unknown, digest: unknown, size: unknown];

function entry(name: string, mode: number = FILE, digest: Digest = BLOB, sizeBytes = 1): Row {
  return [name, mode, digestToBytes(digest), sizeBytes];
}

function tree(entries: readonly unknown[], more: object = {}): Uint8Array {
  return encode({ type: "tree", entries, ...more });
}

function commit(fields: object): Uint8Array {
  const person = { name: "A", email: "a@b" };
  return encode({
    type: "commit",
    tree: digestToBytes(BLOB),
    parents: [],
    author: person,
    authored: [0, 0],
    committer: person,
    committed: [0, 0],
    message: "made by hand",
    meta: {},
    ...fields,
  });
}

let root: string;
let store: OwnedStore;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "smc-hostile-"));
  store = await openStore(join(root, "store"), { create: true });
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

/** Stores bytes as they are; reading them back is what must refuse. */
async function put(
  into: OwnedStore,
  kind: "tree" | "commit" | "tag",
  objects: readonly Uint8Array[],
): Promise<void> {
  await using session = into.write("hostile");
  for (const bytes of objects) await session.putObject(kind, bytes);
  await session.finish();
}

async function codeOf(
  action: () => Promise<unknown>,
): Promise<{ code: ErrorCode | "none"; message: string }> {
  try {
    await action();
  } catch (error) {
    if (isSmcError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: "none", message: "" };
}

const BAD_NAMES: readonly [row: string, names: readonly string[], says: RegExp][] = [
  ["B1", ["..", "."], /entry name '\.\.?'/],
  ["B1", [""], /empty name/],
  ["B1", ["a/b", "/etc/passwd", "a\\..\\b", "\\\\srv\\s"], /in the name/],
  [
    "B2",
    [".smc", ".SMC", ".smc ", ".smc.", ".smc::$INDEX_ALLOCATION", "SMC~1", ".s\u200cmc", ".\u017fmc"],
    /reserved name/,
  ],
  ["B1", ["a\u0000b", "a\nb", "a\u009fb"], /control character/],
  ["B3", ["e\u0301"], /normal form C/],
  ["B1", ["n".repeat(256)], /more than 255 bytes/],
];

const nameRows = BAD_NAMES.flatMap(([row, names, says]) => names.map((name) => [row, name, says] as const));

test.for(nameRows)("%s: a tree with the entry %j is refused", async ([, name, says]) => {
  await refusedTree([entry(name)], says);
});

/** Neither a command that would write it nor one that finds it in the store accepts the tree. */
async function refusedTree(entries: readonly unknown[], says: RegExp, more: object = {}): Promise<void> {
  const bytes = tree(entries, more);
  const { code, message } = await codeOf(async () => {
    await put(store, "tree", [bytes]);
    decodeTree(await store.objects.read(hashBytes(bytes), "tree"));
  });
  expect(code, message).toBe("OBJECT_INVALID");
  expect(message).toMatch(says);
}

test.for([
  ["B3", ["Model", "model"]],
  ["B3", ["K", "\u212a"]],
  ["B3", ["stra\u00dfe", "strasse"]],
  ["B3", ["\ufb01", "fi"]],
] as const)("%s: a tree with the names %j is refused", async ([, names]) => {
  const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  await refusedTree(
    sorted.map((name) => entry(name)),
    /collide|normal form/,
  );
});

test("B4: a link and a folder of one name in a tree are refused", async () => {
  await refusedTree([entry("a", LINK), entry("a", FOLDER)], /duplicate entry 'a'/);
});

test.for([
  ["B11", "setuid", [entry("a", 0o104755)], /mode/],
  ["B11", "mode 0777", [entry("a", 0o100777)], /mode/],
  ["B11", "an unknown kind", [entry("a", 0o160000)], /mode/],
  ["B11", "mode 7", [entry("a", 7)], /mode/],
  ["B12", "a wrong order", [entry("b"), entry("a")], /not sorted at entry 1/],
  ["B12", "an entry twice", [entry("a"), entry("a")], /duplicate entry/],
  ["B12", "a zero digest", [["a", FILE, new Uint8Array(32), 1]], /zero digest/],
  ["B12", "a digest of 31 bytes", [["a", FILE, new Uint8Array(31).fill(1), 1]], /32 bytes/],
  ["B12", "a negative size", [["a", FILE, digestToBytes(BLOB), -1]], /size/],
  ["B12", "a size that is text", [["a", FILE, digestToBytes(BLOB), "1"]], /size/],
  ["B12", "three values", [["a", FILE, digestToBytes(BLOB)]], /four values/],
  ["B12", "a name of bytes", [[new Uint8Array(1), FILE, digestToBytes(BLOB), 1]], /not text/],
] as const)("%s: a tree with %s is refused", async ([, , entries, says]) => {
  await refusedTree(entries, says);
});

test("B12: a tree with a further field or further bytes is refused", async () => {
  await refusedTree([entry("a")], /tree: /, { more: 1 });
  const bytes = Buffer.concat([tree([entry("a")]), Buffer.from([0])]);
  const { code } = await codeOf(async () => {
    return decodeTree(bytes);
  });
  expect(code).toBe("OBJECT_INVALID");
});

const BAD_COMMITS: readonly [what: string, fields: object, says: RegExp][] = [
  [
    "100,000 parents",
    { parents: Array.from({ length: 100_000 }, (_, n) => digestToBytes(hashBytes(Buffer.from(String(n))))) },
    /more than 64/,
  ],
  ["a parent twice", { parents: [digestToBytes(BLOB), digestToBytes(BLOB)] }, /named twice/],
  ["a time of 2^63", { authored: [2n ** 63n, 0] }, /'authored'/],
  ["a time after the year 9999", { committed: [253_402_300_800_000, 0] }, /'committed'/],
  ["an offset of a day", { authored: [0, 1440] }, /UTC offset/],
  ["a person without an address", { author: { name: "A", email: "" } }, /'author'/],
  ["a person with a line feed", { author: { name: "A\nparent", email: "a@b" } }, /'author'/],
  ["a NUL in the message", { message: "a\0b" }, /NUL/],
  ["a metric that is text", { meta: { metrics: { loss: "low" } } }, /'loss' is not a number/],
  ["bytes in meta", { meta: { data: new Uint8Array(2) } }, /JSON/],
  ["a tree of 31 bytes", { tree: new Uint8Array(31) }, /'tree' is not a digest/],
];

test.for(BAD_COMMITS)("B13: a commit with %s is refused", async ([, fields, says]) => {
  const bytes = commit(fields);
  const { code, message } = await codeOf(async () => {
    await put(store, "commit", [bytes]);
    decodeCommit(await store.objects.read(hashBytes(bytes), "commit"));
  });
  expect(code, message).toBe("OBJECT_INVALID");
  expect(message).toMatch(says);
});

/** A sandbox whose branch `planted` names a commit made by hand. */
async function plant(objects: readonly Uint8Array[], last: Uint8Array): Promise<Sandbox> {
  const sandbox = await createSandbox();
  await sandbox.commit("one", { a: "a" });
  const [{ name }] = (await sandbox.json<{ name: string }[]>("repos")) as [{ name: string }];
  await sandbox.ok("daemon", "stop");
  {
    await using own = await openStore(sandbox.home);
    await put(own, "tree", objects);
    await put(own, "commit", [last]);
    const reason = { op: "test", reason: "planted", actor: "A <a@b>" };
    const change = { name: parseRefName("refs/heads/planted"), from: "absent", to: hashBytes(last) } as const;
    await own.refs.update(name, [change], reason);
  }
  return sandbox;
}

test("B13: a commit whose tree or parent is missing is found by fsck and not checked out", async () => {
  const absent = digestToBytes(hashBytes(Buffer.from("absent")));
  await using sandbox = await plant([], commit({ tree: absent }));
  expect((await sandbox.refused("checkout", "planted")).exit).toBe(4);
  expect(sandbox.read("a")).toBe("a");
  expect((await sandbox.smc(["fsck"])).code).toBe(4);
});

test("B13: a commit whose parent is a tree is found by fsck", async () => {
  const empty = tree([]);
  const planted = commit({
    tree: digestToBytes(hashBytes(empty)),
    parents: [digestToBytes(hashBytes(empty))],
  });
  await using sandbox = await plant([empty], planted);
  const fsck = await sandbox.smc(["fsck"]);
  expect({ code: fsck.code, stdout: fsck.stdout }).toMatchObject({ code: 4 });
  expect((await sandbox.smc(["log", "planted"])).code).toBe(4);
});

/** Trees, each the only entry of the next; the last is the root. */
function nested(depth: number): Uint8Array[] {
  const trees = [tree([entry("file")])];
  for (let level = 0; level < depth; level++) {
    const below = trees.at(-1) ?? new Uint8Array(0);
    trees.push(tree([entry("d", FOLDER, hashBytes(below))]));
  }
  return trees;
}

function rootOf(trees: readonly Uint8Array[]): Uint8Array {
  return digestToBytes(hashBytes(trees.at(-1) ?? new Uint8Array(0)));
}

const QUICK = { timeout: 180_000 };

test(
  "B14: a tree of 100,000 folders within each other is refused, and no stack overflows",
  QUICK,
  async () => {
    const trees = nested(100_000);
    await using sandbox = await plant(trees, commit({ tree: rootOf(trees) }));
    for (const words of [
      ["checkout", "planted"],
      ["ls-tree", "-r", "planted"],
      ["diff", "HEAD", "planted"],
    ]) {
      const refused = await sandbox.refused(...words);
      expect(refused, words.join(" ")).toMatchObject({ code: "LIMIT_EXCEEDED", exit: 5 });
      expect(refused.message).toMatch(/512/);
    }
    expect(sandbox.read("a")).toBe("a");
    expect((await sandbox.smc(["fsck"])).code).toBe(4);
  },
);

test(
  "B15: ten levels of ten equal folders, 10^10 paths, are refused before anything is written",
  QUICK,
  async () => {
    const trees = [tree(Array.from({ length: 10 }, (_, n) => entry(`f${n}`)))];
    for (let level = 0; level < 10; level++) {
      const below = hashBytes(trees.at(-1) ?? new Uint8Array(0));
      trees.push(tree(Array.from({ length: 10 }, (_, n) => entry(`d${n}`, FOLDER, below))));
    }
    await using sandbox = await plant(trees, commit({ tree: rootOf(trees) }));
    for (const words of [
      ["checkout", "planted"],
      ["ls-tree", "-r", "planted"],
      ["diff", "HEAD", "planted"],
    ]) {
      const started = performance.now();
      const refused = await sandbox.refused(...words);
      expect(refused, words.join(" ")).toMatchObject({ code: "LIMIT_EXCEEDED", exit: 5 });
      expect(performance.now() - started).toBeLessThan(60_000);
    }
    expect(sandbox.read("a")).toBe("a");
    const status = await sandbox.json<{ daemon: { rssBytes: number } }>("daemon", "status");
    expect(status.daemon.rssBytes).toBeLessThan(400 * 1024 * 1024);
  },
);

/**
 * Stores that earlier versions wrote, kept in `test/compat/<version>/`: this version reads, checks and continues them.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Sandbox, sha256 } from "../e2e/sandbox.ts";
import { ROOT } from "../source.ts";

const FOLDER = join(ROOT, "test", "compat");
const frozen = readdirSync(FOLDER).filter((name) => /^\d+(-\d+)?$/.test(name));

interface Frozen {
  readonly codecs: readonly number[];
  /** Tag → path → mode and SHA-256. */
  readonly tags: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Commits of all branches, as `log --all` tells them. */
  readonly log: readonly string[];
  /** Where the branch `main`, and `lost`, which was deleted, have been. */
  readonly reflog: readonly (string | null)[];
  readonly lost: readonly (string | null)[];
  /** The version that gave up its files. */
  readonly pruned: readonly string[];
  readonly audit: { readonly head: string; readonly records: number };
  readonly settings: Readonly<Record<string, unknown>>;
  readonly staged: readonly { readonly path: string; readonly change: string }[];
}

function read(...names: string[]): string {
  return readFileSync(join(ROOT, ...names), "utf8");
}

/** Git keeps no modes but one. */
function makePrivate(folder: string): void {
  chmodSync(folder, 0o700);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o700 : 0o600);
}

/** A copy of a frozen store and of its worktree's `.smc`; the folder around that is empty. */
function thaw(version: string): Sandbox {
  const sandbox = new Sandbox();
  // It would win over the settings of the store.
  delete sandbox.env["SMC_AUTHOR"];
  cpSync(join(FOLDER, version, "store"), sandbox.home, { recursive: true });
  cpSync(join(FOLDER, version, "worktree"), sandbox.path(".smc"), { recursive: true });
  for (const folder of [sandbox.home, sandbox.path(".smc")]) makePrivate(folder);
  return sandbox;
}

/** Path → mode and SHA-256 of what is in the worktree. */
function filesIn(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const files = entries
    .map((entry) => ({ entry, path: join(entry.parentPath, entry.name).slice(folder.length + 1) }))
    .filter(({ entry, path }) => !entry.isDirectory() && !path.startsWith(".smc/"))
    .map(({ entry, path }) => {
      const whole = join(folder, path);
      if (entry.isSymbolicLink()) return [path, `120000 ${sha256(readlinkSync(whole))}`];
      const mode = (lstatSync(whole).mode & 0o100) === 0 ? "100644" : "100755";
      return [path, `${mode} ${sha256(readFileSync(whole))}`];
    });
  return Object.fromEntries(files);
}

async function expectSound(sandbox: Sandbox): Promise<void> {
  const ran = await sandbox.smc(["fsck", "--full"]);
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
}

/** What the journal tells. */
async function expectHistory(sandbox: Sandbox, known: Frozen): Promise<void> {
  const commits = await sandbox.json<{ digest: string }[]>("log", "--all");
  expect(commits.map(({ digest }) => digest)).toEqual(known.log);
  for (const [ref, past] of [
    ["main", known.reflog],
    ["lost", known.lost],
  ] as const) {
    const { entries } = await sandbox.json<{ entries: { to: string | null }[] }>("reflog", ref);
    expect(entries.map(({ to }) => to)).toEqual(past);
  }
  expect(await sandbox.json("audit", "verify")).toMatchObject({ verified: known.audit });
  const { entries } = await sandbox.json<{ entries: { key: string; value: unknown }[] }>("config", "list");
  expect(Object.fromEntries(entries.map(({ key, value }) => [key, value]))).toMatchObject(known.settings);
}

/** The worktree's stage is committed, then each tag is checked out. */
async function expectFiles(sandbox: Sandbox, known: Frozen): Promise<void> {
  expect(await sandbox.json("status")).toMatchObject({ staged: known.staged });
  await sandbox.ok("commit", "-m", "what was staged when the store was frozen");
  expect(await sandbox.json("ls-tree", "HEAD", "staged.txt")).toMatchObject([{ path: "staged.txt" }]);
  for (const [tag, files] of Object.entries(known.tags)) {
    await sandbox.ok("checkout", "--force", tag);
    expect(filesIn(sandbox.work), tag).toEqual(files);
  }
  for (const revision of known.pruned)
    expect(await sandbox.refused("checkout", revision)).toMatchObject({ code: "OBJECT_NOT_FOUND", exit: 3 });
  expect(known.pruned).not.toEqual([]);
}

test.for(
  frozen.flatMap((version) => [
    { version, without: undefined },
    { version, without: "db" },
  ]),
)(
  "a store frozen at format $version opens, is sound, tells its history and gives its files; without: $without",
  async ({ version, without }) => {
    const known = JSON.parse(read("test", "compat", version, "frozen.json")) as Frozen;
    await using sandbox = thaw(version);
    if (without !== undefined) rmSync(join(sandbox.home, without), { recursive: true });
    await expectSound(sandbox);
    await expectHistory(sandbox, known);
    await expectFiles(sandbox, known);
    // What a gc took away before the store was frozen is not missed by the next.
    await sandbox.ok("gc", "--dry-run");
    await sandbox.ok("undelete");
    await expectSound(sandbox);
  },
);

/** Where the number of each format is said, written and frozen. */
const FORMATS = [
  {
    format: "store",
    said: /\*\*`format\.json`\*\* is one JSON object: `version` \((\d+)\)/,
    code: ["store-format.ts", "STORE_VERSION"],
    frozen: (at: string) =>
      (JSON.parse(readFileSync(join(at, "store/format.json"), "utf8")) as Versioned).version,
  },
  {
    format: "pack",
    said: /`SMCPACK1` +\|\n\| 8 +\| u16 version, (\d+)/,
    code: ["pack/format.ts", "PACK_VERSION"],
    frozen: (at: string) => firstPack(at).readUInt16LE(8),
  },
  {
    format: "journal",
    said: /`SMCJRNL1` +\|\n\| 8 +\| 2 +\| version, (\d+)/,
    code: ["journal/journal-format.ts", "VERSION"],
    frozen: (at: string) => readFileSync(join(at, "store/journal/000001.log")).readUInt16LE(8),
  },
  {
    format: "worktree",
    said: /\*\*`worktree\.json`\*\* is one JSON object: `version` \((\d+)\)/,
    code: ["worktree/worktree.ts", "WORKTREE_VERSION"],
    frozen: (at: string) =>
      (JSON.parse(readFileSync(join(at, "worktree/worktree.json"), "utf8")) as Versioned).version,
  },
  {
    format: "stage",
    said: /`SMCSTAGE` +\|\n\| 8 +\| u16 version, (\d+)/,
    code: ["worktree/stage.ts", "VERSION"],
    frozen: (at: string) => readFileSync(join(at, "worktree/stage")).readUInt16LE(8),
  },
] as const;

interface Versioned {
  readonly version: number;
}

function firstPack(at: string): Buffer {
  const names = readdirSync(join(at, "store/packs"), { recursive: true, encoding: "utf8" });
  return readFileSync(join(at, "store/packs", names.find((name) => name.endsWith(".pack")) ?? "none"));
}

test.for(FORMATS)("every number of the $format format that was ever written has a frozen store", (each) => {
  const said = Number(each.said.exec(read("docs", "design", "format.md"))?.[1]);
  const [file, name] = each.code;
  const text = read("packages", "store", "src", file);
  const written = Number(new RegExp(`^(?:export )?const ${name} = (\\d+);`, "m").exec(text)?.[1]);
  const kept = new Set(frozen.map((version) => each.frozen(join(FOLDER, version))));
  expect({ said, written }, "docs/design/format.md and the code").toEqual({ said: written, written: said });
  for (let number = 1; number <= written; number += 1)
    expect(kept, `node test/compat/freeze.mjs keeps one of format ${number}`).toContain(number);
});

test("every codec of the page and of the code is in a frozen store", () => {
  const said = [...read("docs", "design", "format.md").matchAll(/^\| (\d+) +\| [A-Z]{3,4} +\|/gm)];
  const known = frozen.flatMap((version) => {
    const { codecs } = JSON.parse(read("test", "compat", version, "frozen.json")) as Frozen;
    return codecs;
  });
  expect(said.length).toBeGreaterThan(7);
  expect(said.map((row) => Number(row[1])).filter((codec) => !known.includes(codec))).toEqual([]);
});

test("what is frozen is small, and no file of it is missing", () => {
  for (const version of frozen) {
    const folder = join(FOLDER, version);
    const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((each) =>
      each.isFile(),
    );
    const bytes = files.reduce((sum, each) => sum + lstatSync(join(each.parentPath, each.name)).size, 0);
    expect(bytes, version).toBeLessThan(300 * 1024);
    expect(existsSync(join(folder, "frozen.json"))).toBe(true);
  }
});

/** A store that was damaged, mixed up or planted while no daemon ran: rows D-3 to D-5, D-8 and D-10 to D-12. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Ran, sha256 } from "../e2e/sandbox.ts";
import { createTarget, expectNoStack, type Target } from "./target.ts";

function packsOf({ sandbox }: Target): string[] {
  const folder = join(sandbox.home, "packs");
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".pack"))
    .map((entry) => join(entry.parentPath, entry.name));
}

async function stop({ sandbox }: Target): Promise<void> {
  await sandbox.ok("daemon", "stop");
}

async function expectWhole(target: Target): Promise<void> {
  const { sandbox } = target;
  await sandbox.ok("fsck", "--full");
  expect(await sandbox.ok("cat", "HEAD:a")).toBe("a\n");
  sandbox.write("next", "next");
  await sandbox.ok("add", "-A");
  await sandbox.ok("commit", "-m", "next");
}

async function expectRefused(
  target: Target,
  words: readonly string[],
  code: string,
  says: RegExp,
): Promise<Ran> {
  const ran = await target.sandbox.smc(["--json", ...words]);
  expectNoStack(ran);
  const { error } = JSON.parse(ran.stdout) as { error: { code: string; message: string } };
  expect(error.code, ran.stdout).toBe(code);
  expect(error.message).toMatch(says);
  return ran;
}

/** Everything below a folder, without the lock and logs of daemons that came and went. */
function contentsOf(folder: string): string {
  const lines = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\/(run|logs)$|LOCK$|LOG/.test(`${entry.parentPath}/${entry.name}`))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/\/(run|logs)\//.test(path));
  return lines
    .sort()
    .map((path) => `${path} ${sha256(readFileSync(path))}`)
    .join("\n");
}

test("D-3: a pack of 0 bytes is named, and never read as something else", async () => {
  await using target = await createTarget();
  await stop(target);
  for (const pack of packsOf(target)) writeFileSync(pack, "");
  const read = await target.sandbox.smc(["cat", "HEAD:a"]);
  expect({ code: read.code, stdout: read.stdout }).toEqual({ code: 4, stdout: "" });
  expectNoStack(read);
  const checked = await target.sandbox.smc(["fsck", "--full"]);
  expect(checked.code).toBe(4);
  for (const pack of packsOf(target)) {
    const [name = ""] = pack.split("/").at(-1)?.split(".") ?? [];
    expect(checked.stdout + checked.stderr).toContain(name.slice(0, 9));
  }
});

test("D-4: CURRENT of LevelDB that was deleted comes back with all of it", async () => {
  await using target = await createTarget();
  await stop(target);
  rmSync(join(target.sandbox.home, "db", "CURRENT"));
  await expectWhole(target);
});

test("D-4: an older LevelDB is brought up to the journal", async () => {
  await using target = await createTarget();
  const { home } = target.sandbox;
  await stop(target);
  for (const name of ["db", "db.clean"])
    cpSync(join(home, name), join(home, "..", `old-${name}`), { recursive: true });
  await target.sandbox.commit("two", { b: "b\n" });
  const log = await target.sandbox.ok("log", "--oneline");
  await stop(target);
  for (const name of ["db", "db.clean"]) {
    rmSync(join(home, name), { recursive: true });
    renameSync(join(home, "..", `old-${name}`), join(home, name));
  }
  expect(await target.sandbox.ok("log", "--oneline")).toBe(log);
  await expectWhole(target);
});

test("D-4: an older journal is refused, and LevelDB keeps what it knows", async () => {
  await using target = await createTarget();
  const { home } = target.sandbox;
  await stop(target);
  cpSync(join(home, "journal"), join(home, "..", "old-journal"), { recursive: true });
  await target.sandbox.commit("two", { b: "b\n" });
  await stop(target);
  renameSync(join(home, "journal"), join(home, "..", "new-journal"));
  cpSync(join(home, "..", "old-journal"), join(home, "journal"), { recursive: true });
  const ran = await expectRefused(
    target,
    ["commit", "-m", "x", "--allow-empty"],
    "JOURNAL_CORRUPT",
    /journal ends at record/,
  );
  expect(ran.code).toBe(4);
  rmSync(join(home, "journal"), { recursive: true });
  renameSync(join(home, "..", "new-journal"), join(home, "journal"));
  await target.sandbox.smc(["daemon", "stop"]);
  expect(await target.sandbox.ok("log", "--oneline")).toContain("two");
  await expectWhole(target);
});

test.each([
  ["two lines", "MANIFEST-000001\nMANIFEST-000002\n"],
  ["a path that leads out", "../../canary/x\n"],
  ["a manifest that is not there", "MANIFEST-999999\n"],
  ["no newline", "MANIFEST-000001"],
])("D-5: CURRENT with %s is not followed; the index is made anew", async (_, text) => {
  await using target = await createTarget();
  await stop(target);
  writeFileSync(join(target.sandbox.home, "db", "CURRENT"), text);
  await expectWhole(target);
  expect(readFileSync(join(target.canary, "x"), "utf8")).toBe("canary");
});

test.each([
  ["a newer format", (about: Record<string, unknown>) => ({ ...about, version: 999 }), "FORMAT_UNSUPPORTED"],
  [
    "a format that is no number",
    (about: Record<string, unknown>) => ({ ...about, version: "v999" }),
    "STORE_CORRUPT",
  ],
  ["no format", (about: Record<string, unknown>) => ({ ...about, version: undefined }), "STORE_CORRUPT"],
  [
    "a feature that is not known",
    (about: Record<string, unknown>) => ({ ...about, features: ["time-travel"] }),
    "FORMAT_UNSUPPORTED",
  ],
])("D-8: a store with %s is refused and stays as it is", async (_, change, code) => {
  await using target = await createTarget();
  await stop(target);
  const path = join(target.sandbox.home, "format.json");
  const good = readFileSync(path, "utf8");
  writeFileSync(path, JSON.stringify(change(JSON.parse(good) as Record<string, unknown>)));
  const before = contentsOf(target.sandbox.home);
  await expectRefused(target, ["commit", "-m", "x", "--allow-empty"], code, /./);
  expect(contentsOf(target.sandbox.home)).toBe(before);
  writeFileSync(path, good);
  await expectWhole(target);
});

test("D-10: what does not belong into the store is never opened, and harms nothing", async () => {
  await using target = await createTarget();
  await stop(target);
  const { home } = target.sandbox;
  const [pack = ""] = packsOf(target);
  const folder = join(pack, "..");
  const name = (digit: string): string => `${digit.repeat(64)}.pack`;
  expect(spawnSync("mkfifo", [join(folder, name("a"))]).status).toBe(0);
  symlinkSync("/dev/zero", join(folder, name("b")));
  mkdirSync(join(folder, name("c")));
  symlinkSync(join(target.canary, "x"), join(home, "packs", "link"));
  writeFileSync(join(folder, "\u001b[2Jname"), "x");
  writeFileSync(join(home, "journal", "000009.log.bak"), "x");
  for (let file = 0; file < 1000; file += 1) writeFileSync(join(folder, `foreign-${file}`), "");
  expect(await target.sandbox.ok("cat", "HEAD:a")).toBe("a\n");
  const checked = await target.sandbox.smc(["fsck", "--full"]);
  expectNoStack(checked);
  expect(checked.stdout + checked.stderr).not.toContain("\u001b");
  target.sandbox.write("next", "next");
  await target.sandbox.ok("add", "-A");
  await target.sandbox.ok("commit", "-m", "next");
  expect(readFileSync(join(target.canary, "x"), "utf8")).toBe("canary");
});

test("D-11: leftovers of commands that were killed are cleaned away", async () => {
  await using target = await createTarget();
  await stop(target);
  const { home } = target.sandbox;
  const half = join(home, "incoming", "add-0123456789abcdef");
  mkdirSync(half, { recursive: true });
  const [pack = ""] = packsOf(target);
  writeFileSync(join(half, "1-1.pack"), readFileSync(pack).subarray(0, 100));
  const orphan = join(home, "incoming", "commit-0123456789abcdef");
  mkdirSync(orphan, { recursive: true });
  copyFileSync(pack, join(orphan, "1-2.pack"));
  await expectWhole(target);
  expect(existsSync(half)).toBe(false);
  expect(existsSync(orphan)).toBe(false);
});

test.each([
  ["1970", 0],
  ["2106", 2 ** 32],
])("D-12: gc looks at no times of files (%s)", async (_, seconds) => {
  await using target = await createTarget();
  await target.sandbox.commit("two", { b: "b\n" });
  await stop(target);
  const { home } = target.sandbox;
  for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() || entry.isDirectory())
      utimesSync(join(entry.parentPath, entry.name), seconds, seconds);
  }
  await target.sandbox.ok("gc", "--older-than", "0", "--grace", "0");
  expect(await target.sandbox.ok("cat", "HEAD~1:a")).toBe("a\n");
  await expectWhole(target);
});

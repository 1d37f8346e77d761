/** Files that cannot be stored, or change while they are read: rows A11 to A14, and B10. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 } from "../e2e/sandbox.ts";
import { createTarget, expectNoStack, type Target } from "./target.ts";

let target: Target;
beforeAll(async () => {
  target = await createTarget();
});
afterAll(async () => {
  await target[Symbol.asyncDispose]();
});

/** Makes something in the worktree, expects add to refuse it alone and within everything, and removes it. */
async function refusedFile(
  name: string,
  says: RegExp,
  words: readonly string[] = ["add", name],
): Promise<void> {
  try {
    await target.refused(words, { code: "FILE_UNSUPPORTED", says });
    await target.refused(["add", "-A"], { code: "FILE_UNSUPPORTED", says });
  } finally {
    rmSync(target.sandbox.path(name), { recursive: true });
  }
}

test("A11: a fifo is refused and nobody waits for its writer", async () => {
  spawnSync("mkfifo", [target.sandbox.path("pipe")]);
  await refusedFile("pipe", /fifo|pipe/);
});

test("A11: a socket is refused", async () => {
  const server = createServer().listen(target.sandbox.path("sock"));
  await once(server, "listening");
  try {
    await target.refused(["add", "sock"], { code: "FILE_UNSUPPORTED", says: /socket/ });
  } finally {
    server.close();
    await once(server, "close");
  }
});

test("A11: a device is refused", async () => {
  const made = spawnSync("mknod", [target.sandbox.path("zero"), "c", "1", "5"]);
  if (made.status === 0) return refusedFile("zero", /device/);
  // Only root makes devices; the one that everybody has lies outside of the worktree.
  await target.refused(["hash-object", "/dev/zero"], { code: "FILE_UNSUPPORTED", says: /device/ });
  return undefined;
});

test.for([
  ["/dev/zero", "FILE_UNSUPPORTED"],
  ["/proc/self/mem", "UNSAFE_PATH"],
  ["/etc/passwd", "UNSAFE_PATH"],
] as const)("A11: %s is outside of the worktree", async ([path, code]) => {
  await target.refused(["add", path], { code });
});

test("A11: hash-object does not wait for a device or a fifo", async () => {
  await target.refused(["hash-object", "/dev/zero"], { code: "FILE_UNSUPPORTED", says: /device/ });
});

test("A11: links that lead in circles are kept as links and never followed", async () => {
  const { sandbox } = target;
  mkdirSync(sandbox.path("circle"));
  symlinkSync("../circle", sandbox.path("circle/again"));
  symlinkSync("self", sandbox.path("self"));
  await sandbox.ok("add", "circle", "self");
  const staged = await sandbox.ok("ls-files");
  expect(staged.split("\n")).toEqual(expect.arrayContaining(["circle/again", "self"]));
  await sandbox.ok("reset", "-q");
  rmSync(sandbox.path("circle"), { recursive: true });
  rmSync(sandbox.path("self"));
});

/** Changes a file of 256 MiB for ever: nothing is written to the disk that it would have to wait for. */
const WRITER = `
const fs = require("fs");
const [path, how] = process.argv.slice(1);
const size = 256 << 20;
const fd = fs.openSync(path, "r+");
const piece = Buffer.alloc(4096, 1);
process.stdout.write("ready");
for (let round = 0; ; round++) {
  if (how === "write") fs.writeSync(fd, piece, 0, 4096, (round * 4096) % (1 << 20));
  if (how === "append") fs.appendFileSync(path, "x");
  if (how === "truncate") { fs.ftruncateSync(fd, size / 2); fs.ftruncateSync(fd, size); }
  if (how === "replace") {
    fs.closeSync(fs.openSync(path + ".new", "w"));
    fs.truncateSync(path + ".new", size);
    fs.renameSync(path + ".new", path);
  }
}`;

test.for(["write", "append", "truncate", "replace"])(
  "A12: a file that another process keeps changing (%s) is refused",
  async (how) => {
    const { sandbox } = target;
    const path = sandbox.path("busy.bin");
    writeFileSync(path, "");
    truncateSync(path, 256 << 20);
    const writer = spawn(process.execPath, ["-e", WRITER, path, how], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(writer, "exit");
    try {
      await once(writer.stdout, "data");
      await target.refused(["add", "busy.bin"], { code: "FILE_CHANGED", says: /busy\.bin/ });
    } finally {
      writer.kill("SIGKILL");
      await ended;
      rmSync(path);
      rmSync(`${path}.new`, { force: true });
    }
  },
);

/** Words that run a command without the rights of root, if we have them. */
const NOBODY =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

test("A13: an unreadable file or folder is named, and the others are not half staged", async () => {
  await using own = await createTarget();
  const { sandbox } = own;
  sandbox.write("good", "good");
  sandbox.write("secret", "secret");
  sandbox.write("closed/inner", "inner");
  await sandbox.ok("daemon", "stop");
  if (NOBODY.length > 0) spawnSync("chown", ["-R", "65534:65534", sandbox.root]);
  chmodSync(sandbox.path("secret"), 0o000);
  chmodSync(sandbox.path("closed"), 0o000);
  const smc = (...words: string[]): { code: number; stdout: string; stderr: string } => {
    const bin = join(import.meta.dirname, "..", "..", "packages", "cli", "dist", "bin.js");
    const [file = "", ...rest] = [...NOBODY, process.execPath, bin, ...words];
    const ran = spawnSync(file, rest, {
      cwd: sandbox.work,
      env: sandbox.env,
      encoding: "utf8",
      timeout: 180_000,
    });
    return { code: ran.status ?? 128, stdout: ran.stdout, stderr: ran.stderr };
  };
  try {
    const before = smc("ls-files").stdout;
    for (const path of ["secret", "closed"]) {
      const ran = smc("add", "good", path);
      expectNoStack(ran);
      expect({ code: ran.code, named: ran.stderr.includes(path) }, ran.stderr).toEqual({
        code: 11,
        named: true,
      });
      expect(ran.stderr).toMatch(/permission denied/);
    }
    expect(smc("ls-files").stdout).toBe(before);
  } finally {
    chmodSync(sandbox.path("closed"), 0o755);
    smc("daemon", "stop");
  }
});

test("A13: a file that was there and is not any more is named", async () => {
  await target.refused(["add", "not-there"], { code: "PATH_NOT_FOUND", says: /not-there/ });
});

test("A14: a path that is too long, a name that is too long", async () => {
  await target.refused(["add", `${"a/".repeat(2500)}b`], { code: "PATH_INVALID" });
  await target.refused(["add", "n".repeat(256)], { code: "PATH_INVALID" });
});

test("A14: a name that is not UTF-8 is refused and shown as bytes", async () => {
  const path = Buffer.concat([Buffer.from(`${target.sandbox.work}/`), Buffer.from([0xff, 0xfe])]);
  writeFileSync(path, "x");
  try {
    await target.refused(["add", "-A"], { code: "PATH_INVALID", says: /not valid UTF-8.*ff fe/ });
    await target.refused(["add", "."], { code: "PATH_INVALID", says: /not valid UTF-8.*ff fe/ });
  } finally {
    rmSync(path);
  }
});

test("A14: a folder of 50,000 files is staged and looked at", { timeout: 240_000 }, async () => {
  const { sandbox } = target;
  mkdirSync(sandbox.path("crowd"));
  for (let file = 0; file < 50_000; file++) writeFileSync(sandbox.path(`crowd/${file}`), "");
  await sandbox.ok("add", "-q", "crowd");
  const staged = await sandbox.json<{ staged: unknown[] }>("status");
  expect(staged.staged).toHaveLength(50_000);
  await sandbox.ok("reset", "-q");
  rmSync(sandbox.path("crowd"), { recursive: true });
});

const UNPORTABLE = ["con", "aux.txt", "a.", "a ", "a:b", "*", "NUL", "com1.bin", "what?", 'say"'];

test.for(UNPORTABLE)("B10: the name %j is refused unless --allow-nonportable", async (name) => {
  const { sandbox } = target;
  sandbox.write(name, "x");
  await target.refused(["add", "--", name], { code: "NAME_NOT_PORTABLE" });
  await sandbox.ok("add", "--allow-nonportable", "--", name);
  expect((await sandbox.ok("ls-files")).split("\n")).toContain(name);
  await sandbox.ok("reset", "-q");
  rmSync(sandbox.path(name));
});

test("B10: a name of more than 255 bytes in other encodings is no surprise", async () => {
  const name = "é".repeat(127);
  const digest = target.sandbox.write(name, "accents");
  await target.sandbox.ok("add", "--", name);
  expect(digest).toBe(sha256("accents"));
  expect(await target.sandbox.ok("ls-files", "--json")).toContain(name);
  await target.sandbox.ok("reset", "-q");
  rmSync(target.sandbox.path(name));
});

test.for([".smc/x", ".SMC", ".smc.", "smc~1", "a\\b"])(
  "B2: a file named %j cannot be staged",
  async (name) => {
    const { sandbox } = target;
    sandbox.write(name, "x");
    try {
      const ran = await target.refused(["add", "-f", "--", name], { code: "PATH_INVALID" });
      expect(ran.stderr).toMatch(/reserved|'\\'|\.smc/);
    } finally {
      rmSync(sandbox.path(name));
    }
  },
);

test("B3: names that are one file on other systems cannot be staged together", async () => {
  const { sandbox } = target;
  sandbox.write("Model", "1");
  sandbox.write("model", "2");
  try {
    await target.refused(["add", "Model", "model"], { code: "NAME_COLLISION" });
  } finally {
    rmSync(sandbox.path("Model"));
    rmSync(sandbox.path("model"));
  }
});

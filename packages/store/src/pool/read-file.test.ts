/** A change is noticed, however soon after opening it comes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/folder.ts";
import { assertUnchanged, openRegular } from "./read-file.ts";

/** Each is one chance to meet the moment between opening and the first look, or the tick of the change before. */
const ROUNDS = 100;

const REPLACER = `
const fs = require("fs");
const [path] = process.argv.slice(1);
for (let round = 0; ; round++) {
  fs.writeFileSync(path + ".new", "behind");
  fs.renameSync(path + ".new", path);
  if (round === 0) process.stdout.write("ready");
}`;

/** Until the path is another file. */
function waitForReplacement(path: string): void {
  const inodes = new Set<bigint>();
  while (inodes.size < 2) inodes.add(statSync(path, { bigint: true }).ino);
}

function isChanged(path: string, change: () => void): boolean {
  const { fd, stat } = openRegular(path);
  try {
    change();
    assertUnchanged(path, fd, stat, stat.sizeBytes);
    return false;
  } catch {
    return true;
  } finally {
    closeSync(fd);
  }
}

test("a file that another process replaces without end is never taken for the same", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.bin");
    const replacer = spawn(process.execPath, ["-e", REPLACER, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(replacer, "exit");
    try {
      await once(replacer.stdout, "data");
      const found = Array.from({ length: ROUNDS }, () => isChanged(path, () => waitForReplacement(path)));
      expect(found.filter((changed) => !changed)).toEqual([]);
    } finally {
      replacer.kill("SIGKILL");
      await ended;
    }
  });
});

test("a file that is written twice within a tick is not taken for the same", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.bin");
    const overwrite = (): void => {
      const fd = openSync(path, "r+");
      writeSync(fd, "behind");
      closeSync(fd);
    };
    const found = Array.from({ length: ROUNDS }, () => {
      writeFileSync(path, "before");
      expect(isChanged(path, () => undefined)).toBe(false);
      return isChanged(path, overwrite) && isChanged(path, () => rmSync(path));
    });
    expect(found).not.toContain(false);
  });
});

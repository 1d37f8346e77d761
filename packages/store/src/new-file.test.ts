import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { interceptCalls } from "./fs.ts";
import { writeNewFile } from "./new-file.ts";

afterEach(() => interceptCalls(undefined));

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "smc-new-file-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("writeNewFile() into a folder that is not there names the file that was asked for", async () => {
  const folder = makeFolder();
  const path = join(folder, "absent", "curve.svg");
  await expect(writeNewFile(path, { force: false }, async () => undefined)).rejects.toMatchObject({
    code: "PATH_NOT_FOUND",
    message: `cannot create '${path}': no such file or folder`,
  });
  expect(readdirSync(folder)).toEqual([]);
});

test("writeNewFile() on a disk that is full names that file too, and leaves nothing", async () => {
  const folder = makeFolder();
  const path = join(folder, "model.car");
  interceptCalls((what) => {
    if (what !== "write") return;
    throw Object.assign(new Error("no space"), { code: "ENOSPC", syscall: "write" });
  });
  const writing = writeNewFile(path, { force: false }, (file) => file.write(Buffer.from("bytes"), 0));
  await expect(writing).rejects.toMatchObject({
    code: "DISK_FULL",
    message: expect.stringContaining(`cannot write '${path}': `) as unknown,
  });
  expect(readdirSync(folder)).toEqual([]);
});

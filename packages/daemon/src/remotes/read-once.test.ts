import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readOnce } from "./read-once.ts";

const MIB = 1024 * 1024;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "smc-read-once-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function calling(signal = new AbortController().signal): Parameters<typeof readOnce>[1] {
  return { signal, onProgress: () => undefined };
}

async function readWhole(path: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  // Kept until all are there: no piece may change when the next one is read.
  for await (const piece of readOnce(path, calling())) pieces.push(piece);
  return Buffer.concat(pieces);
}

test.each([0, 1, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB + 4096, 5 * MIB + 123])(
  "a file of %d bytes comes as it is",
  async (sizeBytes) => {
    const path = join(folder, "file");
    const bytes = randomBytes(sizeBytes);
    writeFileSync(path, bytes);
    expect(bytes.equals(await readWhole(path))).toBe(true);
  },
);

test("what a file system that knows no O_DIRECT holds comes as it is", async () => {
  // Of the kernel's own files, which have no size and no blocks.
  const text = (await readWhole("/proc/self/mountinfo")).toString();
  expect(text).toContain(" / ");
});

test("a link, a folder and a missing file are refused", async () => {
  symlinkSync("/etc/passwd", join(folder, "link"));
  await expect(readWhole(join(folder, "link"))).rejects.toMatchObject({ code: "UNSAFE_PATH" });
  await expect(readWhole(folder)).rejects.toMatchObject({ code: "UNSAFE_PATH" });
  await expect(readWhole(join(folder, "none"))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
});

test("who stops asking, or is canceled, leaves nothing open", async () => {
  const path = join(folder, "file");
  writeFileSync(path, randomBytes(4 * MIB));
  for await (const piece of readOnce(path, calling())) {
    expect(piece.length).toBe(MIB);
    break;
  }
  const controller = new AbortController();
  const pieces = readOnce(path, calling(controller.signal));
  await pieces.next();
  controller.abort();
  await expect(pieces.next()).rejects.toMatchObject({ code: "CANCELED" });
});

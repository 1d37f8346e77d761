import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { interceptCalls } from "../fs.ts";
import { withFolder } from "../testing/testing.ts";
import { BlockFile } from "./block-file.ts";

const MIB = 1024 * 1024;
afterEach(() => interceptCalls(undefined));

test("what is appended in odd pieces over several blocks stands in the file in its order", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "blocks");
    const bytes = randomBytes(21 * MIB + 777);
    const file = await BlockFile.create(path);
    for (let at = 0; at < bytes.length; at += 1_234_567) {
      expect(file.position).toBe(at);
      const piece = Buffer.from(bytes.subarray(at, at + 1_234_567));
      await file.append(piece);
      // It was copied.
      piece.fill(0);
    }
    await file.finish();
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});

test("a block that cannot be written is told by whoever waits for it next, at the latest by finish()", async () => {
  await withFolder(async (folder) => {
    for (const [name, sizeBytes] of [
      ["early", 12 * MIB],
      ["late", 5 * MIB],
    ] as const) {
      const file = await BlockFile.create(join(folder, name));
      interceptCalls((what) => {
        if (what === "write") throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      });
      const write = async (): Promise<void> => {
        await file.append(randomBytes(sizeBytes));
        await file.finish();
      };
      await expect(write()).rejects.toThrow("no space");
      interceptCalls(undefined);
    }
  });
});

test("a file that is given up is closed when its last block is written, whether that fails or not", async () => {
  await withFolder(async (folder) => {
    const file = await BlockFile.create(join(folder, "left"));
    await file.append(randomBytes(5 * MIB));
    await file.abandon();
    await expect(file.append(randomBytes(9 * MIB))).rejects.toThrow();
  });
});

/** Any bytes in, the same bytes out: whatever a parser makes of a file, and whatever it is stored against. */
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { randomNumbers } from "./codecs/testing/numbers.ts";
import { type Digest, hashBytes } from "./objects/digest.ts";
import { model, nudge, safetensors } from "./testing/models.ts";
import { QUIET, withStore } from "./testing/testing.ts";

const SEED = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
const FILES = 80;
const NAMES = [
  "m.safetensors",
  "m.gguf",
  "m.onnx",
  "m.pt",
  "m.npz",
  "m.npy",
  "m.h5",
  "m.keras",
  "m.bin",
  "model.json",
];

/** A model whose header, or any other part, says something else than it should. */
function damage(bytes: Buffer, random: () => number): Buffer {
  const damaged = Buffer.from(bytes);
  const pick = (below: number): number => Math.floor(random() * below);
  const header = Math.min(damaged.length, 600);
  switch (pick(6)) {
    case 0:
      return damaged.subarray(0, pick(damaged.length));
    case 1:
      damaged.writeUInt8(pick(256), pick(8));
      return damaged;
    case 2:
      for (let count = pick(20); count >= 0; count -= 1) damaged.writeUInt8(pick(256), pick(header));
      return damaged;
    case 3: {
      // Digits of the header: offsets and shapes that overlap, leave the file, or turn round.
      const at = [...damaged.subarray(0, header).entries()].filter(
        ([, byte]) => byte >= 0x30 && byte <= 0x39,
      );
      for (let count = 3; count >= 0; count -= 1)
        damaged.writeUInt8(0x30 + pick(10), at[pick(at.length)]?.[0] ?? 0);
      return damaged;
    }
    case 4:
      return Buffer.concat([
        damaged.subarray(0, pick(damaged.length)),
        damaged.subarray(pick(damaged.length)),
      ]);
    default:
      return Buffer.concat([damaged, Buffer.alloc(pick(100_000), pick(256))]);
  }
}

test(
  `${FILES} files with damaged headers come back as they were (FUZZ_SEED=${SEED})`,
  { timeout: 120_000 },
  async () => {
    const random = randomNumbers(SEED);
    await withStore(async (store, folder) => {
      const weights = model({ a: 200_000, "b.weight": 40_000, "b.bias": 30, c: 3 }, SEED % 1000);
      const stored: { digest: Digest; bytes: Buffer; name: string }[] = [];
      for (let number = 0; number < FILES; number += 1) {
        const bytes = damage(safetensors(number % 2 === 0 ? weights : nudge(weights, number)), random);
        const name = NAMES[Math.floor(random() * 3) === 0 ? number % NAMES.length : 0] ?? "m";
        writeFileSync(join(folder, name), bytes);
        const parents = stored.slice(-3).map((file) => ({ digest: file.digest, fileName: file.name }));
        await using session = store.write("test");
        const [file] = await session.addFiles([{ path: join(folder, name), parents }], QUIET);
        await session.finish();
        expect(file?.digest, `file ${number}`).toBe(hashBytes(bytes));
        stored.push({ digest: hashBytes(bytes), bytes, name });
      }
      for (const [number, { digest, bytes }] of stored.entries()) {
        const path = join(folder, `out${number}`);
        await store.objects.exportFiles([{ digest, path, executable: false }], QUIET);
        expect(Buffer.compare(await readFile(path), bytes), `file ${number}`).toBe(0);
      }
    });
  },
);

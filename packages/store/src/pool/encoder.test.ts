import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { withFolder } from "../testing/testing.ts";
import { Encoder } from "./encoder.ts";

test("a parent that cannot be read, whatever the reason, costs space and nothing else", async () => {
  await withFolder(async (folder) => {
    const raw = Buffer.alloc(64 * 1024, "weights");
    const span = { digest: hashBytes(raw), offset: 0, storedBytes: 100, rawBytes: raw.length };
    // A folder can be opened, but not read; the other is not there.
    for (const pack of [folder, `${folder}/gone.pack`]) {
      using encoder = new Encoder();
      const places = [{ pack, span }];
      const parent = { places, offset: 0, length: raw.length, dtype: "u8" as const, depth: 1 };
      const encoded = encoder.encode(1, raw, { tensor: 0, parents: [parent], dtype: "u8" });
      expect(encoded.delta).toBeUndefined();
      expect(encoded.stored.length).toBeLessThan(raw.length);
    }
  });
});

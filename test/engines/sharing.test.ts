/** Whatever the libraries write is stored byte by byte; the same tensors in three formats are stored once. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "../e2e/sandbox.ts";
import { writeFiles } from "./write-files.ts";

const folder = mkdtempSync(join(tmpdir(), "smc-engines-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const expected = writeFiles(folder);

interface Usage {
  readonly store: { readonly packBytes: number };
  readonly total: { readonly sizeBytes: number; readonly storedBytes: number };
}

test("the same tensors in safetensors, .pt and .npz share their chunks", async () => {
  await using box = await createSandbox();
  const take = (name: string): void => copyFileSync(join(folder, name), join(box.work, name));
  take("equal.safetensors");
  await box.ok("add", ".");
  await box.ok("commit", "-m", "safetensors");
  const alone = await box.json<Usage>("du", "HEAD");
  take("equal.pt");
  take("equal.npz");
  await box.ok("add", ".");
  await box.ok("commit", "-m", "three formats");
  const together = await box.json<Usage>("du", "HEAD");
  expect(together.total.sizeBytes).toBeGreaterThan(2.9 * alone.total.sizeBytes);
  const large = expected
    .find(({ file }) => file === "equal.safetensors")
    ?.tensors.filter(({ shape }) => shape.reduce((product, side) => product * side, 1) * 2 >= 64 * 1024);
  expect(large?.length).toBeGreaterThanOrEqual(3);
  expect(together.total.storedBytes).toBeLessThan(alone.total.storedBytes * 1.1);
});

test("files of every library come back byte by byte", async () => {
  await using box = await createSandbox();
  const names = readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile());
  expect(names.length).toBeGreaterThan(20);
  const digests = new Map<string, string>();
  for (const name of names) {
    copyFileSync(join(folder, name), join(box.work, name));
    digests.set(
      name,
      createHash("sha256")
        .update(readFileSync(join(folder, name)))
        .digest("hex"),
    );
  }
  await box.ok("add", ".");
  await box.ok("commit", "-m", "all of them");
  for (const name of names) rmSync(join(box.work, name));
  await box.ok("restore", ".");
  for (const [name, digest] of digests) {
    const found = createHash("sha256")
      .update(readFileSync(join(box.work, name)))
      .digest("hex");
    expect(found, name).toBe(digest);
  }
  expect((await box.smc(["fsck", "--full"])).code).toBe(0);
});

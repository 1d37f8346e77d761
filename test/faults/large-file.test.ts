/** A file as large as those of the seed systems, and the memory that both sides need for it. */
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createTwo } from "../e2e/two-sandboxes.ts";

const MIB = 1024 * 1024;
const FILE_BYTES = 512 * MIB;
const MEMORY_BYTES_MAX = 300 * MIB;

function writeRandom(path: string): void {
  const part = Buffer.alloc(8 * MIB);
  const file = openSync(path, "wx");
  for (let at = 0; at < FILE_BYTES; at += part.length) writeSync(file, randomFillSync(part));
  closeSync(file);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest("hex");
}

test("S4.23 commit, push, clone and fsck of 512 MiB take less than 300 MiB on either side", async () => {
  await using two = await createTwo({ files: { "readme.md": "one" }, clone: false });
  writeRandom(two.a.path("best.pt"));
  await two.a.ok("add", "best.pt");
  await two.a.ok("commit", "-q", "-m", "weights");
  await two.a.ok("push", "-q", "origin");
  await two.a.ok("fsck", "--full");
  await two.b.ok("clone", "-q", two.url, join(two.b.root, "clone"));
  await two.inClone("fsck", "--full");
  expect(await sha256Of(two.clonePath("best.pt"))).toBe(await sha256Of(two.a.path("best.pt")));
  for (const box of [two.a, two.b]) {
    const { daemon } = await box.json<{ daemon: { rssBytesMax: number } }>("daemon", "status");
    expect(daemon.rssBytesMax).toBeLessThan(MEMORY_BYTES_MAX);
  }
});

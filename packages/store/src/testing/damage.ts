/** For tests: changes bytes of files, as a bad disk does. */
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLevel } from "../db/db-level.ts";
import { markClosed } from "../db/db-recovery.ts";

/** Inverts one bit of the byte at `offset`; a negative one counts from the end. */
export function flip(path: string, offset: number, bit = 0): void {
  const bytes = readFileSync(path);
  const at = offset < 0 ? bytes.length + offset : offset;
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

/** `count` offsets over a whole file, the first and the last byte among them. */
export function offsetsOf(path: string, count: number): number[] {
  const { size } = statSync(path);
  if (size <= count) return Array.from({ length: size }, (_, offset) => offset);
  return Array.from({ length: count }, (_, index) => Math.floor((index * (size - 1)) / (count - 1)));
}

/**
 * Writes a value without a checksum into a store's LevelDB, which nobody may have open; it counts as closed well, as if
 * its last owner had not noticed.
 */
export async function damageRow(storePath: string, key: Uint8Array): Promise<void> {
  const level = await openLevel(join(storePath, "db"), { create: false });
  await level.put(key, Buffer.from("not sealed"), { sync: true });
  await level.close();
  await markClosed(join(storePath, "db"), {});
}

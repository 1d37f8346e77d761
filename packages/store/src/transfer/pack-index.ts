/**
 * What a pack holds, for those who have not the pack itself: its rows, what its differences need, and which blobs its
 * chunklists describe. Pure; the bytes are described in docs/design/format.md.
 */
import { decodeCanonical, encodeCanonical, Shape } from "../objects/cbor.ts";
import { type Digest, DIGEST_BYTES, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { PARENTS_MAX } from "../pack/delta.ts";
import { decodeRow, encodeRows, FOOTER_ROW_BYTES, PACK_RECORDS_MAX } from "../pack/format.ts";
import { assertRemoteRow, type PackFile, type RemoteRow } from "./remote.ts";

/** The most that `encodePackIndex` gives. */
export const PACK_INDEX_BYTES_MAX = 8 * 1024 * 1024;

export function encodePackIndex({ name, sizeBytes, rows }: Omit<PackFile, "path">): Uint8Array {
  const parents: unknown[] = [];
  const blobs: unknown[] = [];
  for (const [index, row] of rows.entries()) {
    if (row.parents !== undefined)
      parents.push([index, row.depth ?? 1, Buffer.concat(row.parents.map(digestToBytes))]);
    if (row.blob !== undefined) blobs.push([index, digestToBytes(row.blob)]);
  }
  return encodeCanonical({
    type: "pack-index",
    name: digestToBytes(name),
    sizeBytes,
    rows: encodeRows(rows),
    parents,
    blobs,
  });
}

/** Throws OBJECT_INVALID, REMOTE_FAILED unless every row can be one of a pack. */
export function decodePackIndex(bytes: Uint8Array): Omit<PackFile, "path"> {
  if (bytes.length > PACK_INDEX_BYTES_MAX) throw invalid(`${bytes.length} bytes`);
  const fields = ["name", "sizeBytes", "rows", "parents", "blobs"];
  const shape = new Shape(decodeCanonical(bytes, "pack-index"), "pack-index", fields);
  const pack = shape.digest("name");
  const packed = shape.bytes("rows");
  const count = packed.length / FOOTER_ROW_BYTES;
  if (!Number.isInteger(count) || count > PACK_RECORDS_MAX) throw invalid(`${packed.length} bytes of rows`);
  const parents = new Map<number, { parents: Digest[]; depth: number }>();
  for (const item of shape.list("parents", count)) {
    const [index, depth, digests] = readItem(item, count);
    if (typeof depth !== "number" || depth < 1 || depth > 255) throw invalid("a depth");
    parents.set(index, { parents: readDigests(digests, PARENTS_MAX), depth });
  }
  const blobs = new Map<number, Digest>();
  for (const item of shape.list("blobs", count)) {
    const [index, digest] = readItem(item, count);
    const [blob] = readDigests(digest, 1);
    if (blob !== undefined) blobs.set(index, blob);
  }
  const rows = Array.from({ length: count }, (_, index): RemoteRow => {
    const blob = blobs.get(index);
    const row = { ...decodeRow(packed, index), pack, ...parents.get(index) };
    assertRemoteRow(row);
    return blob === undefined ? row : { ...row, blob };
  });
  return { name: pack, sizeBytes: shape.integer("sizeBytes"), rows };
}

function readItem(item: unknown, count: number): [number, unknown, unknown] {
  const [index, first, second] = (Array.isArray(item) ? item : []) as readonly unknown[];
  if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= count)
    throw invalid("a row's number");
  return [index, first, second];
}

function readDigests(value: unknown, countMax: number): Digest[] {
  const length = value instanceof Uint8Array ? value.length : 0;
  const count = length / DIGEST_BYTES;
  if (!(value instanceof Uint8Array) || !Number.isInteger(count) || count < 1 || count > countMax)
    throw invalid("a list of digests");
  return Array.from({ length: count }, (_, index) =>
    digestFromBytes(value.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)),
  );
}

function invalid(why: string): SmcError {
  return new SmcError("OBJECT_INVALID", `pack-index: ${why}`);
}

/** The `__metadata__` of a safetensors file: what its writer wanted to say, kept when tensors are taken out of it. */
import { SmcError } from "../errors.ts";
import { BoundedReader } from "../formats/bounded-reader.ts";
import { JsonScanner } from "../formats/json-scanner.ts";
import { type ByteSource, NAME_LENGTH_MAX } from "../formats/table.ts";

const LENGTH_BYTES = 8;
const METADATA_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Key → text; empty when there is none. The file must be one that the parser took. Throws LIMIT_EXCEEDED over 16 MiB,
 * FILE_MALFORMED.
 */
export function readMetadata(source: ByteSource): Record<string, string> {
  const reader = new BoundedReader(source, "safetensors");
  const length = Number(reader.u64());
  const json = new JsonScanner(reader, LENGTH_BYTES + length);
  json.openObject();
  for (let key = json.key(NAME_LENGTH_MAX); key !== undefined; key = json.key(NAME_LENGTH_MAX)) {
    if (key === "__metadata__") return readEntries(json);
    json.skip();
  }
  return {};
}

function readEntries(json: JsonScanner): Record<string, string> {
  const entries = new Map<string, string>();
  let sizeBytes = 0;
  json.openObject();
  for (let key = json.key(NAME_LENGTH_MAX); key !== undefined; key = json.key(NAME_LENGTH_MAX)) {
    const value = json.string(METADATA_BYTES_MAX);
    sizeBytes += key.length + value.length;
    if (sizeBytes > METADATA_BYTES_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `its __metadata__ has more than ${METADATA_BYTES_MAX} bytes`);
    entries.set(key, value);
  }
  return Object.fromEntries(entries);
}

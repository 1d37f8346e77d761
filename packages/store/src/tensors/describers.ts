/** Files that did not change themselves but say what is in a file that did: a model whose weights lie beside it. */
import { posix } from "node:path";
import { type Call, throwIfCanceled } from "../call.ts";
import type { Store } from "../store.ts";
import { readTable } from "./listing.ts";
import type { TensorSide } from "./sides.ts";

/** Formats that keep tensors in other files. */
const EXTENSIONS = new Set([".onnx", ".json"]);
/** Files of one folder that are looked into, and folders. */
const CANDIDATES_MAX = 64;
const FOLDERS_MAX = 1000;

/**
 * Paths of files that both versions have and that name one of the plain files, which changed and have no known format,
 * as the holder of their tensors. Looks in the folders of the plain files only. Throws as `readTable`.
 */
export async function findDescribers(
  store: Store,
  sides: { readonly from: TensorSide; readonly to: TensorSide; readonly plain: readonly string[] },
  call: Call,
): Promise<string[]> {
  const changed = new Set(sides.plain);
  const folders = new Set(sides.plain.map((path) => posix.dirname(path)));
  const found: string[] = [];
  for (const folder of [...folders].slice(0, FOLDERS_MAX)) {
    const names = (await sides.to.list(folder === "." ? "" : folder)).filter(
      (path) => EXTENSIONS.has(posix.extname(path)) && !changed.has(path),
    );
    for (const path of names.slice(0, CANDIDATES_MAX)) {
      throwIfCanceled(call);
      const [before, file] = [await sides.from.find(path), await sides.to.find(path)];
      // One that changed itself was looked at already.
      if (file === undefined || before?.digest !== file.digest) continue;
      const table = await readTable(store, file, call);
      if (table === undefined || "problem" in table) continue;
      const holders = new Set(table.external.map((span) => posix.join(folder, span.file)));
      if ([...holders].some((holder) => changed.has(holder))) found.push(path);
    }
  }
  return found;
}

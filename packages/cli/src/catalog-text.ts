/** What became of downloads, for people. */
import type { CatalogResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatSize } from "./format.ts";
import type { Output } from "./output.ts";

type Pulled = CatalogResult["pulled"];

/** When some came and others did not. */
const EXIT_PARTLY = 6;

export function printPulled(pulled: Pulled, out: Output): void {
  for (const { name, file, error } of pulled) {
    if (error !== null) out.hint(`${show(name, 300)} failed: ${show(error.message, 1000)}`);
    if (file === null) continue;
    const resumed = file.resumedBytes === 0 ? "" : `, ${formatSize(file.resumedBytes)} were there already`;
    if (file.downloaded)
      out.line(`Downloaded ${show(file.path, 1000)}, ${formatSize(file.sizeBytes)}${resumed}`);
    else out.line(`${show(file.path, 1000)} is up to date`);
  }
  const failed = pulled.filter(({ error }) => error !== null).map(({ name }) => show(name, 300));
  if (failed.length > 0) out.line(`${failed.length} of ${pulled.length} failed: ${failed.join(", ")}`);
}

export function hasDownloaded(pulled: Pulled): boolean {
  return pulled.some(({ file }) => file?.downloaded === true);
}

/** That of the failures when nothing else came and they are alike. */
export function pulledExit(pulled: Pulled): number {
  const exits = pulled.map(({ error }) => error?.exit ?? 0);
  const [first = 0] = exits;
  return exits.every((exit) => exit === first) ? first : EXIT_PARTLY;
}

export function pulledPaths(pulled: Pulled): string[] {
  return pulled.flatMap(({ file }) => file?.path ?? []);
}

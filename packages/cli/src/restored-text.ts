/** What a restored backup prints. */
import type { RestoreBackupResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatCount, formatSize } from "./format.ts";
import type { Output } from "./output.ts";

export function printRestoredBackup(data: RestoreBackupResult, out: Output): void {
  const path = show(data.path, 1000);
  const size = formatSize(data.contentBytes);
  if (!data.written) out.line(`${path} is there already, byte for byte`);
  else if (data.kind === "file") out.line(`Restored ${path}, ${size}, verified`);
  else out.line(`Restored ${path}: ${formatCount(data.files, "file")}, ${size}, verified`);
  if (data.kind === "store") out.hint(`check it with "smc --store ${path} fsck --full"`);
  for (const link of data.skippedLinks) out.hint(`symbolic link not restored: ${show(link, 500)}`);
}

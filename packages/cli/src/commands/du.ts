import type { DuResult } from "@smc/store";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatAgo, formatCount, formatSize, formatTable } from "../format.ts";
import type { Output } from "../output.ts";

export const command = defineCommand({
  usage: ["du [REV ...]"],
  description: [
    "Tells how much room each version takes: the bytes of its files, what is stored for them, and how much of that",
    "no other version in the list needs. Then what lies in the store, codec by codec.",
  ],
  positionals: [
    {
      name: "REV",
      summary: "versions to measure (all branches, tags and other refs); also folders REV:path",
      many: true,
      completes: "refs",
    },
  ],
  options: {},
  examples: [
    ["smc du", "all branches and tags"],
    ["smc du v1.0.0 v1.1.0", "what does the release add to the one before?"],
    ["smc du --json", "every number, in bytes"],
  ],
  run: (context, { words }) => context.call("du", words.length === 0 ? {} : { revisions: [...words] }),
  print: (data, out) => {
    printRows(data, out);
    if (data.rows.length > 0) out.line();
    printStore(data, out);
  },
  quiet: (data) => data.rows.map(({ tree }) => tree),
});

function printRows({ rows, total }: DuResult, out: Output): void {
  if (rows.length === 0) return;
  const now = Date.now();
  const [head = "", ...lines] = formatTable(
    [
      ["REF", "SIZE", "STORED", "UNIQUE", "SHARED", "COMMITTED"],
      ...rows.map((row) => [
        row.names.map((name) => show(name, 80)).join(", "),
        formatSize(row.sizeBytes),
        formatSize(row.storedBytes),
        formatSize(row.uniqueBytes),
        row.storedBytes === 0 ? "-" : `${Math.round((row.sharedBytes / row.storedBytes) * 100)} %`,
        row.committed === null ? "-" : formatAgo(Date.parse(row.committed), now),
      ]),
    ],
    [1, 2, 3, 4],
  );
  out.line(out.paint("bold", head));
  for (const line of lines) out.line(line);
  const ratio = total.storedBytes === 0 ? "" : ` (${(total.sizeBytes / total.storedBytes).toFixed(2)}x)`;
  const sizes = `${formatSize(total.sizeBytes)} logical, ${formatSize(total.storedBytes)} stored${ratio}`;
  out.line(`${formatCount(rows.length, "version")}, ${sizes}`);
}

function printStore({ store }: DuResult, out: Output): void {
  if (store.codecs.length > 0) {
    const [head = "", ...lines] = formatTable(
      [
        ["CODEC", "CHUNKS", "BYTES", "STORED", "SHARE"],
        ...store.codecs.map((row) => [
          row.codec,
          String(row.chunkCount),
          formatSize(row.rawBytes),
          formatSize(row.storedBytes),
          row.rawBytes === 0 ? "-" : `${((row.storedBytes / row.rawBytes) * 100).toFixed(1)} %`,
        ]),
      ],
      [1, 2, 3, 4],
    );
    out.line(out.paint("bold", head));
    for (const line of lines) out.line(line);
  }
  const { packs, freeBytes } = store;
  const taken = `${formatSize(packs.sizeBytes)} in ${formatCount(packs.count, "pack")}`;
  out.line(`store: ${taken}, all repositories and versions; ${formatSize(freeBytes)} free`);
}

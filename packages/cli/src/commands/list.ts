import type { ListResult } from "@smc/store";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, formatTable } from "../format.ts";

const HEADINGS = [
  ["Trained", "trained"],
  ["Cloud", "cloud"],
  ["Backups", "backups"],
  ["Active", "active"],
  ["Downloads", "downloads"],
] as const;

export const command = defineCommand({
  usage: ["list [--sort name|size|date] [--tree]"],
  description: [
    "Lists the files of trained/, cloud/, backups/ and active/ below layout.folder (data/models), and of downloads/",
    "when there are some: size, date, name. Cloud has also what was uploaded, as far as it was seen by the last",
    "upload or fetch, with its remote. With --json also what is known of each: where it came from, its description,",
    'notes. Hidden files are left out, and what smc keeps beside a file; "smc backups" tells more of backups, "smc',
    'show FILE" of a file. --tree reads files of the same size and tells which hold the same bytes.',
  ],
  options: {
    sort: {
      type: "choice",
      choices: ["name", "size", "date"],
      summary: "within each folder: by name, the largest or the newest first",
    },
    tree: { type: "boolean", summary: "as a tree, with what is there twice" },
  },
  examples: [
    ["smc list", "what is there?"],
    ["smc list --sort size -q", "names only, the largest first"],
    ["smc list --tree", "what takes space twice?"],
  ],
  run: (context, { options }) =>
    context.call("list", {
      ...(options.sort === undefined ? {} : { sort: options.sort }),
      compare: options.tree,
    }),
  print: (data, out, { options }) => {
    if (options.tree) {
      for (const line of treeLines(data)) out.line(line);
      return;
    }
    for (const [heading, key] of HEADINGS) {
      if (key === "downloads" && data[key].length === 0) continue;
      out.line(`${heading}:`);
      const files = data[key].map(({ sizeBytes, date, name }) => [sizeBytes, date, name, ""] as const);
      const uploads = data.uploads.map(
        ({ sizeBytes, uploaded, name, remote }) => [sizeBytes, uploaded, name, show(remote, 100)] as const,
      );
      const all = key === "cloud" ? [...files, ...uploads] : files;
      const rows = all.map(([sizeBytes, date, name, where]) => [
        `  ${formatSize(sizeBytes)}`,
        date.slice(0, 16).replace("T", " "),
        show(name, 300),
        ...(where === "" ? [] : [where]),
      ]);
      for (const line of formatTable(rows)) out.line(line);
    }
  },
  quiet: (data) => [
    ...HEADINGS.flatMap(([, key]) => data[key].map(({ name }) => `${key}/${name}`)),
    ...data.uploads.map(({ remote, name }) => `${remote}/files/${name}`),
  ],
});

interface Leaf {
  readonly sizeBytes: number;
  readonly date: string;
  readonly name: string;
  readonly note: string;
}

function leavesOf(data: ListResult, key: (typeof HEADINGS)[number][1]): Leaf[] {
  const files = data[key].map(({ sizeBytes, date, name, sameAs }) => {
    const note = sameAs === null ? "" : `= ${show(sameAs, 300)}`;
    return { sizeBytes, date, name, note };
  });
  const uploads = data.uploads.map(({ sizeBytes, uploaded, name, remote }) => {
    return { sizeBytes, date: uploaded, name, note: `on ${show(remote, 100)}` };
  });
  return key === "cloud" ? [...files, ...uploads] : files;
}

/** Folders that hold something, their files below; at the end what could go. */
function treeLines(data: ListResult): string[] {
  const folders = HEADINGS.map(([, key]) => [key, leavesOf(data, key)] as const);
  const full = folders.filter(([, leaves]) => leaves.length > 0);
  const rows = full.flatMap(([key, leaves], index) => {
    const isLast = index === full.length - 1;
    const below = leaves.map(({ sizeBytes, date, name, note }, at) => [
      `${isLast ? "   " : "│  "}${at === leaves.length - 1 ? "└─" : "├─"} ${show(name, 300)}`,
      formatSize(sizeBytes),
      date.slice(0, 16).replace("T", " "),
      note,
    ]);
    return [[`${isLast ? "└─" : "├─"} ${key}`, "", "", ""], ...below];
  });
  const files = HEADINGS.flatMap(([, key]) => data[key]);
  const twice = files.filter(({ sameAs }) => sameAs !== null);
  const bytesOf = (some: typeof files): string =>
    formatSize(some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const again = twice.length === 0 ? "" : `; ${bytesOf(twice)} of them there before (=)`;
  return [
    show(data.folder, 1000),
    ...formatTable(rows).map((line) => line.trimEnd()),
    `${formatCount(files.length, "file")}, ${bytesOf(files)}${again}`,
  ];
}

import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatSize, formatTable } from "../format.ts";

const HEADINGS = [
  ["Trained", "trained"],
  ["Cloud", "cloud"],
  ["Backups", "backups"],
  ["Active", "active"],
  ["Downloads", "downloads"],
] as const;

export const command = defineCommand({
  usage: ["list"],
  description: [
    "Lists the files of trained/, cloud/, backups/ and active/ below layout.folder (data/models), and of downloads/",
    "when there are some: size, date, name. Cloud has also what was uploaded, as far as it was seen by the last",
    "upload or fetch, with its remote. With --json also what is known of each: where it came from, its description,",
    'notes. Hidden files are left out, and what smc keeps beside a file; "smc backups" tells more of backups, "smc',
    'show FILE" of a file.',
  ],
  options: {},
  examples: [["smc list", "what is there?"]],
  run: (context) => context.call("list", {}),
  print: (data, out) => {
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

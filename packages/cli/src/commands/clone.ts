import { basename, resolve } from "node:path";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, shortDigest } from "../format.ts";
import { formatMoved } from "../ref-moves.ts";

export const command = defineCommand({
  usage: ["clone [options] URL [FOLDER]"],
  description: [
    "Makes a repository in the store of what a remote holds, a folder for it, and checks out its branch: main, else",
    "the first. The remote is called origin then. When it fails nothing is left that would be in the way of the",
    "next try.",
  ],
  positionals: [
    { name: "URL", summary: "file:///…, s3://… or https://…", required: true },
    { name: "FOLDER", summary: "absent or empty (the last part of the URL)" },
  ],
  options: {
    "no-checkout": { type: "boolean", short: "n", summary: "write no files" },
    ref: { type: "string", value: "REF", summary: "check out this branch or tag" },
    name: { type: "string", value: "NAME", summary: "name of the repository (the folder's own name)" },
  },
  examples: [
    ["smc clone file:///mnt/nas/model", "into the folder model"],
    ["smc clone --ref v1.0.0 file:///mnt/nas/model release", "a release, into the folder release"],
  ],
  run: (context, { words, rest, options }) => {
    const [url = "", folder] = [...words, ...(rest ?? [])];
    return context.call("clone", {
      url,
      folder: resolve(context.folder, folder ?? folderOf(url)),
      ...(options.ref === undefined ? {} : { ref: options.ref }),
      ...(options.name === undefined ? {} : { name: options.name }),
      noCheckout: options["no-checkout"],
    });
  },
  print: (data, out) => {
    const { objects, receivedBytes, receiveMs, verifiedBlobs, refs, url } = data.fetched;
    out.line(`Cloned ${show(url, 300)} into ${show(data.root)}`);
    const parts = [
      formatCount(objects, "object"),
      formatCount(refs.length, "ref"),
      formatMoved(receivedBytes, receiveMs),
    ];
    out.line(`  Received   ${parts.join(", ")}`);
    out.line(`  Verified   ${formatCount(verifiedBlobs, "file")}  ok`);
    if (data.digest === null) {
      out.hint("there is nothing yet; when you expected something, see whether the address is right");
      return;
    }
    const where = data.branch === null ? "HEAD is detached" : `On branch ${show(data.branch)}`;
    out.line(`${where} at ${shortDigest(data.digest)}, ${formatCount(data.written, "file")} written`);
  },
  quiet: (data) => [data.digest ?? ""].filter((digest) => digest !== ""),
});

/** The last part of a URL's path, as git does. */
function folderOf(url: string): string {
  const path = url.replace(/[?#].*$/, "").replace(/^[a-z0-9+.-]+:\/*/i, "");
  const name = basename(path).replace(/\.(?:smc|git)$/, "");
  if (/^[^.\\/\0][^\\/\0]*$/.test(name)) return name;
  throw new SmcError("USAGE", "name the folder: the URL does not end with a name", {
    hint: "smc clone URL FOLDER",
  });
}

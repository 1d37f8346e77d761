/** What does a series of fine-tunes take on disk, beside others on the same files? Real checkpoints in bf16. */
import { givenCheckpoints, series } from "./data.mjs";
import { inRepository, installPeers } from "./lab.mjs";
import { fileBytes, folderBytes, otherSizes, percent, smcSizes, xorPlanesBytes } from "./sizes.mjs";
import { join } from "node:path";

const NAME = "model.safetensors";
const BF16_BYTES = 2;

/** Bytes after each version, and once more after `smc repack`. */
function smcSeries(paths) {
  return inRepository((lab) => {
    const sizes = smcSizes(
      lab,
      paths.map((path) => ({ [NAME]: path })),
    );
    lab.smc("repack");
    return { sizes, repacked: folderBytes(join(lab.env.SMC_HOME, "packs")) };
  });
}

function wholeRows(title, paths, target) {
  const raw = fileBytes(paths);
  const { sizes, repacked } = smcSeries(paths);
  const rows = [
    [`${title}: smc`, percent(sizes.at(-1), raw), target],
    [`${title}: smc, repacked`, percent(repacked, raw), ""],
  ];
  const others = inRepository((lab) => {
    const found = otherSizes(
      lab,
      paths.map((path) => ({ [NAME]: path })),
    );
    return found.set("XOR + byte groups + zstd", xorPlanesBytes(lab, paths, BF16_BYTES));
  });
  for (const [name, bytes] of others) rows.push([`${title}: ${name}`, percent(bytes, raw), ""]);
  for (const [index, path] of paths.entries()) {
    const added = sizes[index] - (sizes[index - 1] ?? 0);
    rows.push([`${title}: version ${index} in smc`, percent(added, fileBytes([path])), ""]);
  }
  return rows;
}

function headRows({ base, heads }) {
  const { sizes } = smcSeries([base, ...heads]);
  return heads.map((path, index) => [
    `head-only fine-tune ${index + 1} in smc`,
    percent(sizes[index + 1] - sizes[index], fileBytes([path])),
    "below 1 %",
  ]);
}

export function run() {
  installPeers(["git-lfs", "restic", "zstd"]);
  const found = series();
  const rows = [];
  if (found !== undefined) {
    const { parameters, checkpoints } = found.record;
    const loss = ({ name, held_out_loss: { mail, book } }) => `${name} ${mail} and ${book}`;
    rows.push(["parameters", `${(parameters / 1e6).toFixed(1)} million`, "10 million or more"]);
    rows.push(["loss on held-out mail and book, nats a byte", checkpoints.map(loss).join(", "), ""]);
    rows.push(
      ...wholeRows("base and 5 fine-tunes", [found.base, ...found.tunes], "at most 28 %"),
      ...headRows(found),
    );
  }
  const given = givenCheckpoints();
  if (given.length > 0) rows.push(...wholeRows(`${given.length} given checkpoints`, given, ""));
  return { title: "A series of fine-tunes in bf16, stored bytes of raw bytes", rows };
}

/** What do single real models take on disk, beside others on the same files? */
import { basename } from "node:path";
import { f32Models, givenCheckpoints, isnet, series } from "./data.mjs";
import { inRepository, installPeers } from "./lab.mjs";
import { fileBytes, otherSizes, percent, smcSizes } from "./sizes.mjs";

/** Name → files of the model, and the most that smc may take. */
function findModels() {
  const models = f32Models().map((paths) => [`f32, ${basename(paths[0])}`, paths, "small tensors"]);
  const trained = series();
  if (trained !== undefined) models.unshift(["f32, base of the series", [trained.f32], "at most 83.5 %"]);
  const [checkpoint = trained?.base] = givenCheckpoints();
  if (checkpoint !== undefined)
    models.push([`bf16, ${basename(checkpoint)}`, [checkpoint], "at most 66.5 %"]);
  const found = isnet();
  if (found !== undefined) models.push(["f16, isnet-f16.onnx", [found.f16], "at most 86.5 %"]);
  return { models, quantised: found };
}

const versionOf = (paths) => Object.fromEntries(paths.map((path) => [basename(path), path]));

function modelRows([title, paths, target]) {
  const raw = fileBytes(paths);
  return inRepository((lab) => {
    const [stored] = smcSizes(lab, [versionOf(paths)]);
    const others = otherSizes(lab, [versionOf(paths)]);
    return [
      [`${title}: smc`, percent(stored, raw), target],
      ...[...others].map(([name, bytes]) => [`${title}: ${name}`, percent(bytes, raw), ""]),
    ];
  });
}

/** The u8 file alone, and what it adds where the f16 file is stored: found by itself, and with --base. */
function quantisedRows({ f16, u8 }) {
  const raw = fileBytes([u8]);
  const versions = [versionOf([f16]), versionOf([u8])];
  const [alone] = inRepository((lab) => smcSizes(lab, [versionOf([u8])]));
  const rows = [["u8 sibling, alone: smc", percent(alone, raw), ""]];
  for (const base of [false, true]) {
    const [before, after] = inRepository((lab) => smcSizes(lab, versions, { base }));
    const how = base ? ", with --base" : "";
    rows.push([`u8 sibling beside f16${how}: smc`, percent(after - before, raw), base ? "at most 2 %" : ""]);
  }
  const single = inRepository((lab) => otherSizes(lab, [versions[0]]));
  const both = inRepository((lab) => otherSizes(lab, versions));
  for (const [name, bytes] of both)
    rows.push([`u8 sibling beside f16: ${name}`, percent(bytes - single.get(name), raw), ""]);
  return rows;
}

export function run() {
  installPeers(["git-lfs", "restic", "zstd"]);
  const { models, quantised } = findModels();
  const rows = models.flatMap(modelRows);
  if (quantised !== undefined) rows.push(...quantisedRows(quantised));
  return { title: "Single models, stored bytes of raw bytes", rows };
}

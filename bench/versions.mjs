/** How long do the lists of 1,000 versions take, with metrics, an archive and notes? */
import { Lab, median } from "./lab.mjs";
import { load, WHO } from "./packs.mjs";

const VERSIONS = 1000;
const ROUNDS = 7;
const REASON = { op: "tag", reason: "bench", actor: "Bench <bench@example.org>" };

export async function run() {
  const lab = new Lab();
  try {
    lab.time(process.execPath, [import.meta.filename, lab.env.SMC_HOME]);
    lab.smc("daemon", "start");
    const commands = [
      ["versions", "--repo", "many"],
      ["versions", "--filter", "azi > 50", "--sort", "azi", "--repo", "many"],
      ["compare", "v1.0.0", "v1.0.999", "--repo", "many"],
      ["rank", "--weights", "mag=1,azi=1", "--repo", "many"],
    ];
    const rows = commands.map((words) => {
      const first = lab.timeSmc(...words) * 1000;
      const later = median(Array.from({ length: ROUNDS }, () => lab.timeSmc(...words) * 1000));
      const name = `smc ${words.slice(0, -2).join(" ")}`;
      return [name, `${later.toFixed(0)} ms`, `the first time ${first.toFixed(0)} ms; at most 300 ms`];
    });
    return { title: `${VERSIONS.toLocaleString("en")} versions, 100 with a note`, rows };
  } finally {
    lab.close();
  }
}

async function make(storePath) {
  const { openStore } = await load("open-store.js");
  const { encodeCommit, encodeTree } = await load("objects/objects.js");
  const store = await openStore(storePath, { create: true });
  await store.refs.createRepository("many", REASON);
  const changes = [];
  const session = store.write("bench");
  const tree = await session.putObject("tree", encodeTree([]));
  const put = (number, about) => {
    const moment = { ms: Date.UTC(2026, 0, 1) + number * 1000, offsetMinutes: 0 };
    const people = { author: WHO, authored: moment, committer: WHO, committed: moment };
    return session.putObject(
      "commit",
      encodeCommit({ tree, ...people, message: `version ${number}`, ...about }),
    );
  };
  let last;
  for (let number = 0; number < VERSIONS; number += 1) {
    const metrics = { mag: 90 + (number % 10), azi: 40 + (number % 37), val_loss: 1 / (number + 1) };
    const params = { lr: 0.001, epochs: 300, seed: number };
    last = await put(number, { parents: last === undefined ? [] : [last], meta: { metrics, params } });
    changes.push({ name: `refs/tags/v1.0.${number}`, from: "absent", to: last });
    if (number % 10 !== 0) continue;
    const note = await put(number, {
      parents: [],
      meta: { note: { kind: "evaluation", metrics: { azi: 50 } } },
    });
    changes.push({ name: `refs/notes/${last}`, from: "absent", to: note });
  }
  changes.push({ name: "refs/heads/main", from: "absent", to: last });
  await session.finish();
  await store.refs.update("many", changes, REASON);
  await store[Symbol.asyncDispose]();
}

if (process.argv[1] === import.meta.filename) await make(process.argv[2]);

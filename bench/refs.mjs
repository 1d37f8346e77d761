/** How long does it take to look up one of a million refs, and to see the first page of the log of 100,000 commits? */
import { Agent, request } from "node:http";
import { join } from "node:path";
import { Lab, median, seconds } from "./lab.mjs";
import { load, writePacks } from "./packs.mjs";

const REFS = 1_000_000;
const COMMITS = 100_000;
/** Refs of one record of the journal. */
const BATCH = 20_000;
const LOOKUPS = 5_000;
const PAGES = 20;
const PAGE = 100;
const REASON = { op: "tag", reason: "bench", actor: "Bench <bench@example.org>" };

const nameOf = (index) => `run-${String(index).padStart(7, "0")}`;

export async function run() {
  const lab = new Lab();
  try {
    const made = lab.time(process.execPath, [import.meta.filename, lab.env.SMC_HOME]);
    const started = lab.timeSmc("daemon", "start");
    const found = await timeMany(lab, LOOKUPS, () => {
      const name = nameOf(Math.floor(Math.random() * REFS));
      return { verb: "rev-parse", repository: "refs", input: { revisions: [`refs/tags/${name}`] } };
    });
    const page = { verb: "log", repository: "line", input: { limit: PAGE } };
    const line = await timeMany(lab, PAGES, () => page);
    const log = ["log", "-n", String(PAGE), "--oneline", "--repo", "line"];
    const command = median([1, 2, 3, 4, 5].map(() => lab.timeSmc(...log)));
    return {
      title: `${REFS.toLocaleString("en")} refs, ${COMMITS.toLocaleString("en")} commits`,
      rows: [
        ["making the store, its rows included", seconds(made), ""],
        ["start of the daemon", seconds(started), "after a clean stop"],
        ["one ref, by HTTP on the socket", ms(median(found)), `p99 ${ms(at(found, 0.99))}; at most 5 ms`],
        [`${PAGE} rows of log, by HTTP`, ms(median(line)), `slowest ${ms(at(line, 1))}; at most 300 ms`],
        [`smc log -n ${PAGE}`, ms(command * 1000), "with the start of the command line; at most 300 ms"],
      ],
    };
  } finally {
    lab.close();
  }
}

const ms = (value) => `${value.toFixed(1)} ms`;

function at(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Milliseconds from sending a request to the end of its answer, one after the other on one connection. */
async function timeMany(lab, count, choose) {
  const { socket } = JSON.parse(lab.smc("daemon", "status", "--json")).daemon;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const taken = [];
  for (let index = -Math.ceil(count / 10); index < count; index += 1) {
    const { verb, repository, input } = choose();
    const body = JSON.stringify({ at: { folder: lab.work, repository }, input });
    const start = performance.now();
    await post({ socketPath: socket, agent, path: `/v1/verbs/${verb}` }, body);
    if (index >= 0) taken.push(performance.now() - start);
  }
  agent.destroy();
  return taken;
}

/** The answer of one request; throws what is no good one. */
export function post(options, body) {
  return new Promise((resolve, reject) => {
    const headers = {
      "smc-protocol": "1",
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    };
    const sent = request({ ...options, method: "POST", headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => {
        text += part;
      });
      answer.on("end", () =>
        answer.statusCode === 200 && !text.includes('"error"') ? resolve(text) : reject(new Error(text)),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** The journal is written straight into its place as well; the store makes its rows of both when it is opened. */
async function make(storePath) {
  const { openStore } = await load("open-store.js");
  const { openJournal } = await load("journal/journal.js");
  const first = await openStore(storePath, { create: true });
  for (const name of ["line", "refs"]) await first.refs.createRepository(name, REASON);
  const { id } = first;
  await first[Symbol.asyncDispose]();
  const line = await writePacks(storePath, id, writeLine);
  const journal = await openJournal(join(storePath, "journal"), {
    storeId: id,
    signal: new AbortController().signal,
  });
  const record = (repository, names) =>
    journal.append({
      ...REASON,
      type: "refs",
      ms: Date.now(),
      repository,
      changes: names.map(([name, to]) => ({ name, from: "absent", to })),
    });
  for (const repository of ["line", "refs"]) await record(repository, [["refs/heads/main", line.at(-1)]]);
  for (let done = 0; done < REFS; done += BATCH) {
    const names = Array.from({ length: BATCH }, (_, index) => [
      `refs/tags/${nameOf(done + index)}`,
      line[(done + index) % COMMITS],
    ]);
    await record("refs", names);
  }
  await journal[Symbol.asyncDispose]();
  const store = await openStore(storePath);
  await store[Symbol.asyncDispose]();
}

/** A line of commits that all have the same tree; their digests, the first one first. */
async function writeLine({ putTree, putCommit }) {
  const tree = await putTree([]);
  const line = [];
  for (let index = 0; index < COMMITS; index += 1)
    line.push(await putCommit(index, { tree, parents: line.slice(-1) }));
  return line;
}

if (process.argv[1] === import.meta.filename) await make(process.argv[2]);

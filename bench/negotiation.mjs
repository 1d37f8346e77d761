/** How long does it take to learn that a server has 100,000 chunks already? */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Lab, median, seconds, spread } from "./lab.mjs";
import { load, writePacks } from "./packs.mjs";
import { logIn, startServer } from "./server.mjs";

const FOLDERS = 100;
const FILES = 1000;
const REASON = { op: "commit", reason: "bench", actor: "Bench <bench@example.org>" };
const DAEMON = join(import.meta.dirname, "..", "packages", "daemon", "dist");
const CALL = { signal: new AbortController().signal, onProgress: () => undefined };

/** The same objects wherever it is made. */
async function make(storePath) {
  const { openStore } = await load("open-store.js");
  const { refName } = await load("objects/names.js");
  const first = await openStore(storePath, { create: true });
  const { id } = first;
  await first.refs.createRepository("demo", REASON);
  await first[Symbol.asyncDispose]();
  const head = await writePacks(storePath, id, writeFiles);
  const store = await openStore(storePath);
  const main = refName("refs/heads/", "main");
  await store.refs.update("demo", [{ name: main, from: "absent", to: head }], REASON);
  await store[Symbol.asyncDispose]();
}

async function writeFiles({ put, putTree, putCommit }) {
  const entries = [];
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    const files = [];
    for (let file = 0; file < FILES; file += 1) {
      const raw = Buffer.from(`file ${file} of folder ${folder} `.padEnd(100, "."));
      const name = `f${String(file).padStart(4, "0")}`;
      files.push({ name, mode: "100644", digest: await put("chunk", raw), sizeBytes: raw.length });
    }
    const name = `d${String(folder).padStart(3, "0")}`;
    entries.push({ name, mode: "040000", digest: await putTree(files), sizeBytes: FILES * 100 });
  }
  return putCommit(0, { tree: await putTree(entries), parents: [] });
}

/** One question for all digests, as a push asks it; in seconds. */
async function askMissing({ url, token }) {
  const { HttpRemote } = await import(pathToFileURL(join(DAEMON, "remotes", "http-remote.js")).href);
  const { parseHttpUrl } = await import(pathToFileURL(join(DAEMON, "remotes", "http-url.js")).href);
  const { hashBytes } = await load("objects/digest.js");
  const digests = [];
  for (let folder = 0; folder < FOLDERS; folder += 1)
    for (let file = 0; file < FILES; file += 1)
      digests.push(hashBytes(Buffer.from(`file ${file} of folder ${folder} `.padEnd(100, "."))));
  const remote = new HttpRemote({ url: parseHttpUrl(`${url}/demo`), credential: { token } });
  try {
    const start = performance.now();
    const missing = await remote.missing(digests, CALL);
    if (missing.some((bit) => bit !== 0)) throw new Error("the server lacks what it has");
    return (performance.now() - start) / 1000;
  } finally {
    await remote[Symbol.asyncDispose]();
  }
}

export async function run({ rounds }) {
  const server = new Lab();
  const lab = new Lab();
  let running;
  try {
    for (const { env } of [server, lab]) server.time(process.execPath, [import.meta.filename, env.SMC_HOME]);
    running = startServer(server);
    logIn(lab, running);
    const asked = [];
    for (let round = 0; round < rounds; round += 1) asked.push(await askMissing(running));
    const pushes = Array.from({ length: rounds }, (_, round) => {
      lab.smc("remote", "add", `r${round}`, `${running.url}/new-${round}`, "--repo", "demo");
      return lab.timeSmc("push", "-q", `r${round}`, "main", "--repo", "demo");
    });
    return {
      title: `${(FOLDERS * FILES).toLocaleString("en")} chunks that a server has`,
      rows: [
        ["which of them it lacks", seconds(median(asked)), `${spread(asked)}; 1 s wanted`],
        ["push of all into another repository there", seconds(median(pushes)), spread(pushes)],
      ],
    };
  } finally {
    running?.child.kill("SIGTERM");
    server.close();
    lab.close();
  }
}

if (process.argv[1] === import.meta.filename) await make(process.argv[2]);

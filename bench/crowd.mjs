/** How long do others wait for their answers while 64 clients push at the same time? */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Lab, seconds } from "./lab.mjs";
import { load, WHO, writePacks } from "./packs.mjs";
import { startServer } from "./server.mjs";

const PUSHERS = 64;
/** Each pushes 100 objects: a commit, a tree, 98 files of 1 to 2 KiB. */
const FILES = 98;
const GET_MS = 20;
const REASON = { op: "commit", reason: "bench", actor: "Bench <bench@example.org>" };
const DAEMON = join(import.meta.dirname, "..", "packages", "daemon", "dist");
const CALL = { signal: new AbortController().signal, onProgress: () => undefined };

/** A store whose branches each have objects of their own. */
async function make(storePath) {
  const { openStore } = await load("open-store.js");
  const { refName } = await load("objects/names.js");
  const first = await openStore(storePath, { create: true });
  const { id } = first;
  await first.refs.createRepository("demo", REASON);
  await first[Symbol.asyncDispose]();
  const heads = await writePacks(storePath, id, async ({ put, putTree, putCommit }) => {
    const commits = [];
    for (let pusher = 0; pusher < PUSHERS; pusher += 1) {
      const files = [];
      for (let file = 0; file < FILES; file += 1) {
        const raw = Buffer.from(`file ${file} of ${pusher} `.repeat(80));
        const name = `f${String(file).padStart(3, "0")}`;
        files.push({ name, mode: "100644", digest: await put("chunk", raw), sizeBytes: raw.length });
      }
      commits.push(await putCommit(pusher, { tree: await putTree(files), parents: [] }));
    }
    return commits;
  });
  const store = await openStore(storePath);
  const changes = heads.map((to, index) => ({
    name: refName("refs/heads/", `b${index}`),
    from: "absent",
    to,
  }));
  await store.refs.update("demo", changes, REASON);
  return store;
}

/** All push at once, each with a token and a branch of its own; tells when the first begins and the last is through. */
async function pushAll({ storePath, url, tokens }) {
  const store = await make(storePath);
  const { HttpRemote } = await import(pathToFileURL(join(DAEMON, "remotes", "http-remote.js")).href);
  const { parseHttpUrl } = await import(pathToFileURL(join(DAEMON, "remotes", "http-url.js")).href);
  const { push } = await load("verbs/push.js");
  const repository = { store, name: "demo", worktree: undefined, actor: WHO, defaultBranch: "main" };
  process.stdout.write("ready\n");
  await once(process.stdin, "data");
  const start = performance.now();
  const pushing = tokens.map(async (token, index) => {
    const remote = new HttpRemote({ url: parseHttpUrl(`${url}/demo`), credential: { token } });
    await push(repository, { remote, remoteName: `r${index}`, refs: [`b${index}`] }, CALL);
    await remote[Symbol.asyncDispose]();
  });
  const failed = (await Promise.allSettled(pushing)).filter(({ status }) => status === "rejected");
  for (const { reason } of failed) process.stderr.write(`${String(reason)}\n`);
  process.stdout.write(
    `${JSON.stringify({ seconds: (performance.now() - start) / 1000, failed: failed.length })}\n`,
  );
  await store[Symbol.asyncDispose]();
  process.exit();
}

function timeGet(url, token, agent) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const headers = { authorization: `Bearer ${token}`, "smc-remote": "1" };
    request(`${url}/v1/repositories/demo/refs`, { agent, headers }, (answer) => {
      answer.resume();
      answer.once("end", () =>
        answer.statusCode === 200
          ? resolve(performance.now() - start)
          : reject(new Error(String(answer.statusCode))),
      );
    })
      .once("error", reject)
      .end();
  });
}

/** One question each 20 ms until `isOver`. */
async function timeOthers({ url, token }, isOver) {
  const agent = new Agent({ keepAlive: true });
  const taken = [];
  while (!isOver()) {
    taken.push(await timeGet(url, token, agent));
    await new Promise((resolve) => {
      setTimeout(resolve, GET_MS);
    });
  }
  agent.destroy();
  return taken.sort((a, b) => a - b);
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const ms = (value) => `${value.toFixed(1)} ms`;

export async function run() {
  const server = new Lab();
  const client = new Lab();
  let running;
  try {
    running = startServer(server);
    const tokens = Array.from({ length: PUSHERS }, (_, index) =>
      server.smc("token", "create", `c${index}`, "--scope", "push", "-q").trim(),
    );
    const asked = join(client.root, "asked.json");
    writeFileSync(
      asked,
      JSON.stringify({ storePath: join(client.root, "pushers"), url: running.url, tokens }),
    );
    const child = spawn(process.execPath, [import.meta.filename, asked], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    let outcome;
    child.stdout.once("data", (line) => {
      outcome = JSON.parse(String(line));
    });
    child.once("exit", () => {
      outcome ??= { seconds: Number.NaN, failed: PUSHERS };
    });
    const gets = { url: running.url, token: tokens[0] };
    await timeGet(gets.url, gets.token, new Agent());
    child.stdin.end("go\n");
    const others = await timeOthers(gets, () => outcome !== undefined);
    return {
      title: `${PUSHERS} pushes of ${FILES + 2} objects at once, and who else asks for refs every ${GET_MS} ms`,
      rows: [
        ["all pushes", seconds(outcome.seconds), `30 s at most, ${outcome.failed} failed`],
        ["answers to others, median", ms(at(others, 0.5)), `${others.length} of them`],
        ["answers to others, p99", ms(at(others, 0.99)), "100 ms wanted"],
        ["answers to others, slowest", ms(at(others, 1)), ""],
      ],
    };
  } finally {
    running?.child.kill("SIGTERM");
    server.close();
    client.close();
  }
}

if (process.argv[1] === import.meta.filename)
  await pushAll(JSON.parse(readFileSync(process.argv[2], "utf8")));

/**
 * How fast does a large file go to a server on this machine and come back, beside a plain upload and download of as
 * much?
 */
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { editModelHead, inRepository, Lab, median, MIB, seconds, spread, writeRandomModel } from "./lab.mjs";
import { folderBytes } from "./sizes.mjs";

const NAME = "model.safetensors";
const SMC = join(import.meta.dirname, "..", "bin", "smc");
const SINK = join(import.meta.dirname, "upload-sink.mjs");
const READY_MS_MAX = 20_000;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

function waitFor(what, look) {
  const deadline = performance.now() + READY_MS_MAX;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`${what} did not come`);
    Atomics.wait(PAUSE, 0, 0, 50);
  }
}

/** A server with a store of its own; its URL and a token. */
export function startServer(lab) {
  const child = spawn(SMC, ["daemon", "run", "--listen", "127.0.0.1:0"], {
    cwd: lab.work,
    env: lab.env,
    stdio: "ignore",
  });
  const url = waitFor("the server", () => {
    const ran = spawnSync(SMC, ["daemon", "status", "--json"], { env: lab.env, encoding: "utf8" });
    return ran.status === 0 ? (JSON.parse(ran.stdout).daemon.url ?? undefined) : undefined;
  });
  return { child, url, token: lab.smc("token", "create", "bench", "-q").trim() };
}

export function logIn(lab, { url, token }) {
  const ran = spawnSync(SMC, ["login", url], {
    cwd: lab.work,
    env: lab.env,
    input: `${token}\n`,
    encoding: "utf8",
  });
  if (ran.status !== 0) throw new Error(`login: ${ran.stderr}`);
}

/**
 * `curl` of the packs as they lie on the disk, the bytes that a push sends, to a program that writes each into a file
 * and syncs it before it answers.
 */
function uploadTime(lab) {
  const target = lab.folder("uploaded");
  const portFile = join(lab.root, "sink-port");
  const child = spawn(process.execPath, [SINK, target, portFile], { stdio: "ignore" });
  try {
    const port = waitFor("the sink", () => {
      const ran = spawnSync("cat", [portFile], { encoding: "utf8" });
      return ran.status === 0 && ran.stdout.endsWith("\n") ? ran.stdout.trim() : undefined;
    });
    const packs = readdirSync(join(lab.env.SMC_HOME, "packs"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".pack"))
      .map((entry) => join(entry.parentPath, entry.name));
    const url = `http://127.0.0.1:${port}/`;
    lab.settle();
    return lab.time("curl", ["-sS", "--fail", ...packs.flatMap((pack) => ["-T", pack, url])]);
  } finally {
    child.kill("SIGKILL");
    rmSync(target, { recursive: true, force: true });
    rmSync(portFile, { force: true });
  }
}

function measureRound(lab, { round, sizeMib }) {
  const server = new Lab();
  const running = startServer(server);
  try {
    const file = join(lab.work, NAME);
    rmSync(file, { force: true });
    writeRandomModel(file, sizeMib * MIB);
    lab.smc("add", NAME);
    lab.smc("commit", "-q", "-m", "one");
    const upload = uploadTime(lab);
    logIn(lab, running);
    lab.smc("remote", "add", "origin", `${running.url}/bench`);
    const refs = ["-q", "origin", "main"];
    lab.settle();
    const push = lab.timeSmc("push", ...refs);
    const nothing = lab.timeSmc("push", ...refs);
    const pushMemoryMib = lab.memoryPeakMib(lab.daemonPid());
    const home = lab.env.SMC_HOME;
    lab.env.SMC_HOME = join(lab.root, "other");
    lab.smc("repos");
    logIn(lab, running);
    lab.settle();
    const clone = lab.timeSmc(
      "clone",
      "-q",
      "--no-checkout",
      `${running.url}/bench`,
      join(lab.root, "clone"),
    );
    const cloneMemoryMib = lab.memoryPeakMib(lab.daemonPid());
    lab.smc("daemon", "stop");
    lab.env.SMC_HOME = home;
    editModelHead(file, sizeMib * MIB, round);
    lab.smc("add", NAME);
    lab.smc("commit", "-q", "-m", "two");
    const before = folderBytes(join(server.env.SMC_HOME, "packs"));
    const edit = lab.timeSmc("push", ...refs);
    const editBytes = folderBytes(join(server.env.SMC_HOME, "packs")) - before;
    const memoryMib = Math.max(pushMemoryMib, cloneMemoryMib);
    const serverMemoryMib = server.memoryPeakMib(server.daemonPid());
    return { upload, push, nothing, clone, edit, editBytes, memoryMib, serverMemoryMib };
  } finally {
    running.child.kill("SIGTERM");
    server.close();
  }
}

/** New stores in each round: nothing of the file before is there. */
export function run({ rounds, sizeMib }) {
  const results = Array.from({ length: rounds }, (_, round) =>
    inRepository((lab) => measureRound(lab, { round, sizeMib })),
  );
  const of = (name) => results.map((result) => result[name]);
  const ratio = (name) => `${(median(of("upload")) / median(of(name))).toFixed(2)} × the upload`;
  const row = (what, name, more) => [what, seconds(median(of(name))), `${spread(of(name))}${more}`];
  const most = (name) => `${Math.round(Math.max(...of(name)))} MiB`;
  return {
    title: `A new model of ${sizeMib} MiB without a pattern to a server on this machine and back, ${rounds} rounds`,
    rows: [
      row("curl -T of the packs, and their fsync", "upload", ""),
      row("push", "push", `; ${ratio("push")} (0.6 × wanted)`),
      row("clone without checkout", "clone", `; ${ratio("clone")} (0.6 × wanted)`),
      row("push of nothing", "nothing", " (0.3 s wanted)"),
      row(
        "push after an edit of the header",
        "edit",
        `; ${Math.round(median(of("editBytes")) / 1024)} KiB moved (300 KB wanted)`,
      ),
      ["most memory of a client's daemon", most("memoryMib"), "at most 512 MiB"],
      ["most memory of the server", most("serverMemoryMib"), "at most 512 MiB"],
    ],
  };
}

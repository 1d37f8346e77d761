/**
 * Preloaded into children that open thousands of stores: threads of a closed store are handed to the next one, and the
 * check of a LevelDB that was not closed well runs in one process that stays, not in a new one each time.
 */
import childProcess from "node:child_process";
import { EventEmitter } from "node:events";
import { syncBuiltinESMExports } from "node:module";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import workerThreads, { isMainThread } from "node:worker_threads";

const CHECKER = fileURLToPath(new URL("checker.mjs", import.meta.url));
const { Worker } = workerThreads;
const { fork } = childProcess;

/** Threads without a task, by what they run. */
const spares = new Map();

/** A thread that outlives those who use it. */
class Thread {
  #worker;
  #running = 0;
  #isSound = true;
  user;

  constructor(url, options) {
    this.#worker = new Worker(url, options);
    this.#worker.on("message", (message) => {
      if (message.kind === "done" || message.kind === "failed") this.#running -= 1;
      // A storer keeps the packs of a session that failed; a worker keeps nothing.
      if (message.kind === "failed" && url.href.includes("storer")) this.#isSound = false;
      this.user?.emit("message", message);
    });
    for (const event of ["error", "exit"]) {
      this.#worker.on(event, (cause) => {
        this.#isSound = false;
        this.user?.emit(event, cause);
      });
    }
    this.#worker.unref();
  }

  send(message, transfer) {
    if (message.kind === "task") this.#running += 1;
    this.#worker.postMessage(message, transfer);
  }

  /** True when it can be used again. */
  async leave() {
    this.user = undefined;
    if (this.#isSound && this.#running === 0) return true;
    await this.#worker.terminate();
    return false;
  }
}

/** What the product takes for a Worker of its own. The channel to the parent keeps the process alive. */
class QuickWorker extends EventEmitter {
  #thread;
  #url;

  constructor(url, options) {
    super();
    this.#url = url.href;
    this.#thread = spares.get(url.href)?.pop() ?? new Thread(url, options);
    this.#thread.user = this;
  }

  postMessage(message, transfer) {
    this.#thread?.send(message, transfer);
  }

  ref() {}

  unref() {}

  /** As often as one likes: a thread that were handed on twice would work for two at once. */
  async terminate() {
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread === undefined) return;
    if (await thread.leave()) spares.set(this.#url, [...(spares.get(this.#url) ?? []), thread]);
  }
}

let checker;
const asked = [];

function startChecker() {
  const child = fork(CHECKER, [], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  child.on("message", (report) => {
    const next = asked.shift();
    next?.emit("message", report);
    next?.emit("exit", 0, null);
    if (asked.length === 0) child.channel?.unref();
  });
  child.on("exit", (status, signal) => {
    checker = undefined;
    for (const next of asked.splice(0)) next.emit("exit", status, signal);
  });
  child.unref();
  return child;
}

/** Looks to the product like the process that it asked for. */
function ask(args) {
  const answer = new EventEmitter();
  answer.kill = () => checker?.kill("SIGKILL");
  checker ??= startChecker();
  asked.push(answer);
  checker.channel?.ref();
  checker.send(args);
  return answer;
}

if (isMainThread) {
  workerThreads.Worker = QuickWorker;
  childProcess.fork = (path, args, options) =>
    basename(path) === "db-check-program.js" ? ask(args) : fork(path, args, options);
  syncBuiltinESMExports();
}

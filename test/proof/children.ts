/** Runs tasks of runner.mjs in children, each again and again; one that dies is told apart from one that fails. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const HERE = new URL("./", import.meta.url);
/** The store as it is built. */
export const DIST = fileURLToPath(new URL("../../packages/store/dist", import.meta.url));
/** Nothing may hang. */
const TASK_MS_MAX = 120_000;

/** What a child answered: a result, what it threw, or the signal that ended it. */
export type Answer<T> =
  | { readonly kind: "done"; readonly result: T }
  | { readonly kind: "threw"; readonly error: string }
  | { readonly kind: "died"; readonly how: string };

interface ChildrenOptions {
  readonly count: number;
  /** The built store; another one for the tests of the tests. */
  readonly dist?: string;
  /** Threads and the check of LevelDB are used again: for those that are not killed. */
  readonly quick: boolean;
}

interface Message {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

export class Children implements AsyncDisposable {
  readonly #options: ChildrenOptions;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  readonly #waiting: ((child: ChildProcess) => void)[] = [];
  #nextId = 1;
  #isOver = false;

  constructor(options: ChildrenOptions) {
    this.#options = options;
    for (let index = 0; index < options.count; index += 1) this.#start();
  }

  #start(): void {
    const preloads = ["inject.mjs", ...(this.#options.quick ? ["quick.mjs"] : [])];
    const child = fork(fileURLToPath(new URL("runner.mjs", HERE)), [], {
      execArgv: preloads.flatMap((name) => ["--import", new URL(name, HERE).href]),
      env: { ...process.env, SMC_PROOF_DIST: this.#options.dist ?? DIST },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#all.add(child);
    child.on("exit", () => {
      this.#all.delete(child);
      const index = this.#idle.indexOf(child);
      if (index >= 0) this.#idle.splice(index, 1);
      if (!this.#isOver) this.#start();
    });
    this.#release(child);
  }

  #release(child: ChildProcess): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(child);
    else next(child);
  }

  #take(): Promise<ChildProcess> {
    const child = this.#idle.shift();
    if (child !== undefined) return Promise.resolve(child);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** In the next free child. */
  async ask<T>(task: string, input: object): Promise<Answer<T>> {
    const child = await this.#take();
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve) => {
      const limit = setTimeout(() => child.kill("SIGKILL"), TASK_MS_MAX);
      const finish = (answer: Answer<T>): void => {
        clearTimeout(limit);
        child.off("message", onMessage).off("exit", onExit);
        if (answer.kind !== "died") this.#release(child);
        resolve(answer);
      };
      const onExit = (status: number | null, signal: string | null): void =>
        finish({ kind: "died", how: signal ?? `status ${String(status)}` });
      const onMessage = (message: unknown): void => {
        const { id: answered, result, error } = message as Message;
        if (answered !== id) return;
        if (error === undefined) finish({ kind: "done", result: result as T });
        else finish({ kind: "threw", error });
      };
      child.on("message", onMessage).on("exit", onExit);
      child.send({ id, task, input });
    });
  }

  /** For tasks that must succeed. */
  async run<T>(task: string, input: object): Promise<T> {
    const answer = await this.ask<T>(task, input);
    if (answer.kind === "done") return answer.result;
    throw new Error(answer.kind === "threw" ? answer.error : `a child died: ${answer.how}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    const ended = [...this.#all].map(
      (child) =>
        new Promise((resolve) => {
          child.on("exit", resolve);
          child.kill("SIGKILL");
        }),
    );
    await Promise.all(ended);
  }
}

/** Two users with a store each, and a folder that both see. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSandbox, type Ran, type Sandbox } from "./sandbox.ts";

export class TwoSandboxes implements AsyncDisposable {
  readonly a: Sandbox;
  readonly b: Sandbox;
  /** The folder that the remote is. */
  readonly folder = mkdtempSync(join(tmpdir(), "smc-remote-"));
  readonly url = `file://${this.folder}`;

  constructor(a: Sandbox, b: Sandbox) {
    this.a = a;
    this.b = b;
  }

  /** What B prints in its clone. Throws when it does not end with 0. */
  async inClone(...words: string[]): Promise<string> {
    const ran = await this.ranInClone(...words);
    if (ran.code === 0) return ran.stdout;
    throw new Error(`smc ${words.join(" ")} ended with ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
  }

  ranInClone(...words: string[]): Promise<Ran> {
    return this.b.smc(words, { in: "clone" });
  }

  /** Where a file of B's clone is. */
  clonePath(name: string): string {
    return join(this.b.root, "clone", name);
  }

  /** Writes a file in B's clone and commits it; the digest of the commit. */
  async commitInClone(name: string, bytes: string | Uint8Array): Promise<string> {
    writeFileSync(this.clonePath(name), bytes);
    await this.inClone("add", "-A");
    return (await this.inClone("commit", "-q", "-m", `change ${name}`)).trim();
  }

  /** Files of the remote whose path ends so. */
  files(end: string): string[] {
    return readdirSync(this.folder, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(end))
      .map((path) => join(this.folder, path))
      .sort((x, y) => readFileSync(x).length - readFileSync(y).length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.a[Symbol.asyncDispose]();
    await this.b[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * A has committed and pushed `files` to `origin` and B cloned them into its folder "clone"; with `clone: false` A has a
 * remote that is empty.
 */
export async function createTwo(options: {
  files: Readonly<Record<string, string>>;
  clone?: boolean;
}): Promise<TwoSandboxes> {
  const two = new TwoSandboxes(await createSandbox(), await createSandbox({ init: false }));
  try {
    await two.a.commit("first", options.files);
    await two.a.ok("remote", "add", "origin", two.url);
    if (options.clone === false) return two;
    await two.a.ok("push", "-q");
    mkdirSync(two.b.root, { recursive: true });
    await two.b.ok("clone", "-q", two.url, join(two.b.root, "clone"));
    return two;
  } catch (error) {
    await two[Symbol.asyncDispose]();
    throw error;
  }
}

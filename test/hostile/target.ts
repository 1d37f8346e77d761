/** A sandbox to attack: after every attempt the refs, the packs and the files outside are what they were. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@smc/daemon/client";
import { type ErrorCode, ERRORS } from "@smc/store/errors";
import { expect } from "vitest";
import { createSandbox, type Ran, type RunOptions, type Sandbox, sha256 } from "../e2e/sandbox.ts";

export interface Expected {
  readonly code: ErrorCode;
  /** What the message must say. */
  readonly says?: RegExp;
}

const STACK = /\n\s+at .+[:(]\d+|node:internal|UnhandledPromise|\berrno:/;

/** A digest over names, kinds and contents of everything below a folder. */
export function fingerprint(folder: string): string {
  const lines = readdirSync(folder, { withFileTypes: true, recursive: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) return `${path} -> ${readlinkSync(path)}`;
    return entry.isFile() ? `${path} ${sha256(readFileSync(path))}` : path;
  });
  return sha256(lines.sort().join("\n"));
}

export function expectNoStack(ran: Ran): void {
  expect(`\n${ran.stdout}${ran.stderr}`).not.toMatch(STACK);
}

export class Target implements AsyncDisposable {
  readonly sandbox: Sandbox;
  /** A folder outside the worktree that nothing may touch. */
  readonly canary: string;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    this.canary = join(sandbox.root, "canary");
    mkdirSync(join(this.canary, "inner"), { recursive: true });
    writeFileSync(join(this.canary, "x"), "canary");
    writeFileSync(join(this.canary, "inner", "y"), "canary");
    symlinkSync("x", join(this.canary, "link"));
  }

  /** Asked of the daemon itself where one runs: thousands of attempts are looked at before and after. */
  async #refs(): Promise<unknown> {
    const client = createClient({ storePath: this.sandbox.home, autostart: false });
    if ((await client.daemonStatus()) === undefined) return this.sandbox.json("refs");
    return client.call("refs", { at: { folder: this.sandbox.work }, input: {} });
  }

  /** What an attempt must leave as it is. */
  async state(): Promise<string> {
    const refs = JSON.stringify(await this.#refs());
    const packs = readdirSync(join(this.sandbox.home, "packs"), { recursive: true }).sort().join("\n");
    return [refs, packs, fingerprint(this.canary)].join("\n");
  }

  /** Runs `smc`, which must refuse with this code and its exit status, say so without a stack, and change nothing. */
  async refused(words: readonly string[], expected: Expected, options: RunOptions = {}): Promise<Ran> {
    const before = await this.state();
    const ran = await this.sandbox.smc(words, options);
    const again = await this.sandbox.smc(["--json", ...words], options);
    expectNoStack(ran);
    expectNoStack(again);
    const shown = `${words.join(" ").slice(0, 200)}: ${ran.code} ${ran.stderr.slice(0, 500)}`;
    expect(again.stdout, shown).toMatch(/^\{/);
    const { error } = JSON.parse(again.stdout) as { error: { code: string; message: string } };
    expect({ code: error.code, exit: ran.code }, shown).toEqual({
      code: expected.code,
      exit: ERRORS[expected.code].exit,
    });
    expect(again.code).toBe(ran.code);
    if (expected.says !== undefined) expect(error.message).toMatch(expected.says);
    // oxlint-disable-next-line no-control-regex
    expect(ran.stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u200b]/u);
    expect(await this.state()).toBe(before);
    return ran;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox[Symbol.asyncDispose]();
  }
}

/** A target with one commit on main that holds the file `a`. */
export async function createTarget(): Promise<Target> {
  const target = new Target(await createSandbox());
  await target.sandbox.commit("one", { a: "a\n" });
  return target;
}

/** Two daemons that are started on one store at once, each by another way to it. */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Ran, Sandbox } from "../e2e/sandbox.ts";
import { quoted } from "./running-daemon.ts";

interface Way {
  readonly what: string;
  /** Words of bash that run a daemon on the store at `home`, and make what it needs. */
  readonly run: (home: string, root: string) => string;
}

const RUN = 'exec "$SMC_TEST_NODE" "$SMC_TEST_BIN"';

function byHome(path: string): string {
  return `export SMC_HOME=${quoted(path)}; ${RUN} daemon run`;
}

const WAYS: readonly Way[] = [
  { what: "the same path", run: (home) => byHome(home) },
  { what: "a link to it", run: (_, root) => byHome(join(root, "link")) },
  {
    what: "a link to a folder above it",
    run: (home, root) => byHome(home.replace(root, join(root, "above"))),
  },
  {
    what: "a path with ..",
    run: (home, root) => byHome(`${root}/work/.././work/..${home.slice(root.length)}`),
  },
  { what: "a path that ends in slashes", run: (home) => byHome(`${home}///`) },
  {
    what: "a relative path",
    run: (home, root) => `cd ${quoted(root)}; ${byHome(home.slice(root.length + 1))}`,
  },
  { what: "the option --store", run: (home) => `unset SMC_HOME; ${RUN} --store ${quoted(home)} daemon run` },
  {
    what: "another folder for its socket",
    run: (home, root) => `export XDG_RUNTIME_DIR=${quoted(root)}; ${byHome(home)}`,
  },
];

/** A path of more than 107 bytes has its socket elsewhere. */
const HOMES = [
  { what: "a short path", names: ["store"], ways: WAYS },
  {
    what: "a path of more than 107 bytes",
    names: ["deep".repeat(20), "deeper".repeat(15), "store"],
    ways: WAYS.filter(({ what }) => /link to it|socket/.test(what)),
  },
];

function pidOf(ran: Ran): number {
  return Number(/process (\d+)/.exec(ran.stderr)?.[1]);
}

/** Starts both at once; resolves with the one that ended when the other has the store. */
async function race(
  sandbox: Sandbox,
  scripts: readonly [string, string],
): Promise<{ ended: Ran; running: Promise<Ran> }> {
  const both = scripts.map((script) => sandbox.shell(script));
  const ended = await Promise.race(both.map((ran, index) => ran.then((done) => ({ done, index }))));
  const running = both[1 - ended.index];
  if (running === undefined) throw new Error("there were two");
  return { ended: ended.done, running };
}

test.for(HOMES)(
  "of two daemons on a store at $what one owns it and the other names it, by whatever way",
  async ({ names, ways }) => {
    await using sandbox = new Sandbox();
    const home = join(sandbox.root, ...names);
    Object.assign(sandbox.env, { SMC_HOME: home });
    mkdirSync(join(home, ".."), { recursive: true });
    symlinkSync(home, join(sandbox.root, "link"));
    symlinkSync(sandbox.root, join(sandbox.root, "above"));
    await sandbox.ok("init");
    const head = await sandbox.commit("one", { a: "a" });
    await sandbox.ok("daemon", "stop");
    for (const { what, run } of ways) {
      const { ended, running } = await race(sandbox, [byHome(home), run(home, sandbox.root)]);
      const { daemon } = await sandbox.json<{ daemon: { pid: number } }>("daemon", "status");
      expect({ code: ended.code, pid: pidOf(ended) }, `${what}: ${ended.stderr}`).toEqual({
        code: 9,
        pid: daemon.pid,
      });
      expect(ended.stderr).toContain("STORE_LOCKED");
      await sandbox.ok("daemon", "stop");
      expect(await running, what).toMatchObject({ code: 0 });
    }
    expect((await sandbox.ok("rev-parse", "HEAD")).trim()).toBe(head);
    expect((await sandbox.smc(["fsck", "--full"])).code).toBe(0);
  },
);

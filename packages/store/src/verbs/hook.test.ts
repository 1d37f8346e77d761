import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noteHook, readHooks } from "../hooks.ts";
import type { OwnedStore } from "../open-store.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { hook, type HookAccess } from "./hook.ts";

function accessOf(store: OwnedStore): HookAccess & { changes: number } {
  const access = {
    store,
    changes: 0,
    checkUrl: (url: string) => url,
    checkProgram: (exec: readonly string[]) => exec,
    tell: async () => ({ id: "1", atMs: 0, ok: true, attempts: 1, message: "it answered 204" }),
    changed: () => void (access.changes += 1),
  };
  return access;
}

const ADD = { action: "add", event: "ref.updated", url: "https://example.org/" } as const;

test("hook() adds, lists, tries and removes; the secret is told once", async () => {
  await withStore(async (store) => {
    const access = accessOf(store);
    const { hooks, secret } = await hook(access, ADD, QUIET);
    const id = hooks[0]?.id ?? "";
    expect(secret).toMatch(/^smc_hook_[A-Za-z0-9_-]{43}$/);
    const exec = ["/bin/true", "x"];
    expect((await hook(access, { action: "add", event: "integrity.failed", exec }, QUIET)).secret).toBeNull();
    const listed = await hook(access, { action: "list" }, QUIET);
    expect(listed.hooks).toMatchObject([
      { id, url: ADD.url, exec: null, last: null },
      { url: null, exec },
    ]);
    expect(JSON.stringify(listed)).not.toContain(secret);
    const path = join(store.path, "hooks.json");
    expect(readFileSync(path, "utf8")).toContain(secret);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await hook(access, { action: "test", id }, QUIET)).tried).toMatchObject({ ok: true });
    const last = { id: "e", atMs: 5, ok: false, attempts: 7, message: "nobody answers" };
    await noteHook(store, id, { afterSeq: 3, last, failed: 1, skipped: 2 }, QUIET);
    expect((await hook(access, { action: "list" }, QUIET)).hooks[0]).toMatchObject({
      failed: 1,
      skipped: 2,
      last: { ok: false, attempts: 7, at: expect.stringContaining("1970") },
    });
    expect((await hook(access, { action: "rm", id }, QUIET)).hooks).toHaveLength(1);
    await noteHook(store, id, { afterSeq: 9, last, failed: 1, skipped: 2 }, QUIET);
    expect(await readHooks(store)).toHaveLength(1);
    expect(access.changes).toBe(3);
  });
});

test("hook() refuses what is no event, nobody to tell, and a file that others may read or that is damaged", async () => {
  await withStore(async (store) => {
    const access = accessOf(store);
    const code = (options: Parameters<typeof hook>[1]) => codeOf(() => hook(access, options, QUIET));
    expect(await code({ ...ADD, event: "job.begun" })).toBe("ARGUMENT_INVALID");
    expect(await code({ ...ADD, exec: ["x"] })).toBe("USAGE");
    expect(await code({ action: "rm", id: "00000000" })).toBe("ARGUMENT_INVALID");
    await hook(access, ADD, QUIET);
    const path = join(store.path, "hooks.json");
    chmodSync(path, 0o644);
    expect(await code({ action: "list" })).toBe("UNSAFE_OWNER");
    chmodSync(path, 0o600);
    const text = readFileSync(path, "utf8");
    for (const broken of ["{", "{}", '{"version":1}', text.replace("ref.updated", "frob")]) {
      writeFileSync(path, broken);
      expect(await code({ action: "list" })).toBe("STORE_CORRUPT");
    }
    writeFileSync(path, text.replace('"version": 1', '"version": 2'));
    expect(await code({ action: "list" })).toBe("FORMAT_UNSUPPORTED");
  });
});

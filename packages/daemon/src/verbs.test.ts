import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Client, createClient } from "./client.ts";
import { type TestDaemon, withDaemonHere } from "./testing.ts";

const SLOW_MS = 60_000;
const author = "Test <test@example.org>";

interface Worktree extends TestDaemon {
  readonly client: Client;
  readonly root: string;
  readonly at: { readonly folder: string; readonly author: string };
}

async function withWorktree<T>(run: (test: Worktree) => Promise<T>): Promise<T> {
  return withDaemonHere(async (here) => {
    const client = createClient({ storePath: here.storePath, autostart: false });
    const root = join(here.folder, "work");
    const at = { folder: root, author };
    await client.call("init", { at: { folder: here.folder, author }, input: { folder: "work" } });
    return run({ ...here, client, root, at });
  });
}

async function readAll(client: Client, digest: string): Promise<Buffer> {
  const { bytes } = await client.readBlob(digest);
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}

test("a commit is made, told, tagged and read back through the socket", { timeout: SLOW_MS }, async () => {
  await withWorktree(async ({ client, root, at }) => {
    const weights = randomBytes(9 * 1024 * 1024);
    await writeFile(join(root, "model.bin"), weights);
    await writeFile(join(root, "empty"), "");
    await client.call("add", { at, input: { paths: ["."] } });
    const input = { message: "one", metrics: { accuracy: 0.5 }, params: { epochs: 3 } };
    const made = await client.call("commit", { at, input });
    expect(made).toMatchObject({ ref: "refs/heads/main", parents: [] });
    await client.call("tag", { at, input: { name: "v1.0.0" } });
    const [row] = await client.call("log", { at, input: {} });
    expect(row).toMatchObject({ digest: made.digest, author, message: "one", metrics: { accuracy: 0.5 } });
    const found = await client.call("cat", { at, input: { revision: "v1.0.0:model.bin" } });
    expect(found).toEqual({
      digest: createHash("sha256").update(weights).digest("hex"),
      sizeBytes: weights.length,
    });
    expect((await readAll(client, found.digest)).equals(weights)).toBe(true);
    const empty = await client.call("cat", { at, input: { revision: "HEAD:empty" } });
    expect((await readAll(client, empty.digest)).length).toBe(0);
  });
});

test("an error keeps its code, hint and details on its way", async () => {
  await withWorktree(async ({ client, at }) => {
    const call = client.call("commit", { at, input: { message: "nothing" } });
    await expect(call).rejects.toMatchObject({
      code: "NOTHING_TO_COMMIT",
      exit: 1,
      hint: expect.stringContaining("smc add"),
    });
    await expect(client.call("cat", { at, input: { revision: "nope" } })).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
  });
});

test("at.folder and at.repository choose the repository", async () => {
  await withWorktree(async ({ client, folder, at }) => {
    const outside = { folder, author };
    await expect(client.call("log", { at: outside, input: {} })).rejects.toMatchObject({
      code: "WORKTREE_NOT_FOUND",
    });
    const named = { ...outside, repository: "work" };
    expect(await client.call("branch", { at: named, input: {} })).toMatchObject({ action: "list" });
    await expect(client.call("status", { at: named, input: {} })).rejects.toMatchObject({
      code: "WORKTREE_NOT_FOUND",
    });
    const wrong = { ...at, repository: "nope" };
    await expect(client.call("log", { at: wrong, input: {} })).rejects.toMatchObject({
      code: "REPOSITORY_NOT_FOUND",
    });
    const bad = { ...at, repository: "../x" };
    await expect(client.call("log", { at: bad, input: {} })).rejects.toMatchObject({
      code: "REPOSITORY_NAME_INVALID",
    });
    const relative = { folder: "work", author };
    await expect(client.call("log", { at: relative, input: {} })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    const gone = { folder: join(folder, "gone"), author };
    await expect(client.call("log", { at: gone, input: {} })).rejects.toMatchObject({
      code: "PATH_NOT_FOUND",
    });
    const nobody = { ...at, author: "no address" };
    await expect(client.call("log", { at: nobody, input: {} })).rejects.toMatchObject({
      code: "IDENTITY_INVALID",
    });
  });
});

test(
  "the author is at.author, else the settings, else the account of the system",
  { timeout: SLOW_MS },
  async () => {
    await withWorktree(async ({ client, root, at }) => {
      const place = { folder: root };
      const commit = async (where: { folder: string; author?: string }): Promise<string | undefined> => {
        await client.call("commit", { at: where, input: { message: "m", allowEmpty: true } });
        return (await client.call("log", { at: place, input: { limit: 1 } }))[0]?.author;
      };
      expect(await commit(at)).toBe(author);
      expect(await commit(place)).toMatch(/^\S+ <\S+@\S+>$/);
      await client.call("config", { at: place, input: { action: "set", key: "user.name", value: "Ada" } });
      await client.call("config", {
        at: place,
        input: { action: "set", key: "user.email", value: "ada@example.org" },
      });
      expect(await commit(place)).toBe("Ada <ada@example.org>");
      expect(await commit(at)).toBe(author);
    });
  },
);

test("commits of many clients at once each happen exactly once", { timeout: SLOW_MS }, async () => {
  await withWorktree(async ({ client, at }) => {
    const names = Array.from({ length: 30 }, (_, index) => `client ${index}`);
    const outcomes = await Promise.allSettled(
      names.map((message) => client.call("commit", { at, input: { message, allowEmpty: true } })),
    );
    const done = names.filter((_, index) => outcomes[index]?.status === "fulfilled");
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ exit: 5 });
    }
    const log = await client.call("log", { at, input: {} });
    expect(log.map((row) => row.message).sort()).toEqual([...done].sort());
    expect(done.length).toBeGreaterThan(0);
  });
});

test(
  "a blob that is damaged on disk ends with the error, never with other bytes",
  { timeout: SLOW_MS },
  async () => {
    await withWorktree(async ({ client, storePath, root, at }) => {
      const bytes = randomBytes(24 * 1024 * 1024);
      await mkdir(join(root, "sub"));
      await writeFile(join(root, "sub", "weights"), bytes);
      await client.call("add", { at, input: { all: true, paths: [] } });
      const { digest } = (await client.call("ls-files", { at, input: {} }))[0] ?? {};
      const pack = await largestPack(storePath);
      const file = await open(pack.path, "r+");
      await file.write(Buffer.from([0x5a, 0xa5, 0x5a]), 0, 3, Math.floor(pack.sizeBytes * 0.9));
      await file.close();
      const seen: Uint8Array[] = [];
      const reading = (async () => {
        const { bytes: parts } = await client.readBlob(digest ?? "");
        for await (const part of parts) seen.push(part);
      })();
      await expect(reading).rejects.toMatchObject({ exit: 4 });
      const got = Buffer.concat(seen);
      expect(got.equals(bytes.subarray(0, got.length))).toBe(true);
      expect(got.length).toBeLessThan(bytes.length);
    });
  },
);

async function largestPack(storePath: string): Promise<{ path: string; sizeBytes: number }> {
  const names = await readdir(join(storePath, "packs"), { recursive: true });
  const packs = await Promise.all(
    names
      .filter((name) => name.endsWith(".pack"))
      .map(async (name) => {
        const path = join(storePath, "packs", name);
        return { path, sizeBytes: (await readFile(path)).length };
      }),
  );
  const [largest] = packs.sort((a, b) => b.sizeBytes - a.sizeBytes);
  if (largest === undefined) throw new Error("no pack");
  return largest;
}

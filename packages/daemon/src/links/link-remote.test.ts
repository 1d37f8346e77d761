import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as smc from "@smc/store";
import type { Call, OwnedStore } from "@smc/store";
import { commitSeries, QUIET, readOnlySuite, withStore } from "@smc/store/testing";
import { expect, test } from "vitest";
import { NO_HOSTS } from "../remotes/outside-addresses.ts";
import { QUICK } from "../remotes/s3-server.ts";
import { LinkRemote } from "./link-remote.ts";
import { LinkServer } from "./link-server.ts";
import { parseLinkUrl } from "./link-url.ts";

type Service = keyof LinkServer["links"];
const SERVICES: readonly Service[] = ["web", "github", "gdrive", "dropbox"];
const MIB = 1024 * 1024;

function openAt(server: LinkServer, url: string, store: OwnedStore): LinkRemote {
  const { settings } = server;
  const link = parseLinkUrl(url);
  return new LinkRemote(
    { link, settings, limits: QUICK, metadataHosts: NO_HOSTS, privateHosts: NO_HOSTS },
    store,
  );
}

for (const service of SERVICES)
  readOnlySuite(`a bundle behind a link: ${service}`, async () => {
    const server = await LinkServer.start();
    return {
      open: async (store) => openAt(server, server.links[service], store),
      publish: async ({ store, repository, root }) => {
        server.file = await bundleOf({ ...repository, store }, root);
        server.etag = `"${randomBytes(4).toString("hex")}"`;
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  });

async function bundleOf(repository: smc.OwnedRepository, folder: string): Promise<Buffer> {
  const { store } = repository;
  const place = { store, folder, openRepository: async () => repository };
  const file = join(folder, "..", `${randomBytes(4).toString("hex")}.car`);
  await smc.bundle(place, { action: "create", file, all: true }, QUIET);
  return readFileSync(file);
}

interface Scene {
  readonly server: LinkServer;
  readonly store: OwnedStore;
  readonly whole: Buffer;
  /** Fetches into the store by this link. */
  readonly fetch: (url: string, call?: Call) => Promise<smc.FetchResult>;
}

/** A bundle of 3 MiB on a server, made in another store. */
async function withLinked(run: (scene: Scene) => Promise<void>): Promise<void> {
  await withStore(async (other, folder) => {
    await using server = await LinkServer.start();
    const reason = { op: "init", reason: "init", actor: "Ada <ada@example.org>" };
    const actor = { name: "Ada", email: "ada@example.org" };
    const at = (store: OwnedStore): smc.OwnedRepository => ({
      store,
      name: "demo",
      worktree: undefined,
      actor,
      defaultBranch: "main",
    });
    await commitSeries(other, folder, 1);
    const whole = await bundleOf(at(other), join(folder, "work"));
    server.file = whole;
    await using store = await smc.openStore(join(folder, "mine"), { create: true });
    await store.refs.createRepository("demo", reason, { reuse: true });
    const fetch = async (url: string, call: Call = QUIET): Promise<smc.FetchResult> => {
      await using remote = openAt(server, url, store);
      return await smc.fetch(at(store), { remote, remoteName: "origin" }, call);
    };
    await run({ server, store, whole, fetch });
  });
}

const leftIn = (store: OwnedStore): string[] => readdirSync(join(store.path, "cache", "links"));

test("a look at the refs takes the first bytes only, and nothing stays on the disk", async () => {
  await withLinked(async ({ server, store }) => {
    await using remote = openAt(server, server.links.web, store);
    expect(await remote.refs(QUIET)).toMatchObject([{ name: "refs/heads/main" }]);
    expect(server.requests).toEqual(["GET /files/model.car all"]);
    expect(leftIn(store)).toEqual([]);
  });
});

test.each([
  ["a tag", '"one"', true],
  ["no tag", undefined, true],
  ["no ranges", '"one"', false],
] as const)("a download that breaks off goes on, from a server with %s", async (_, etag, takesRanges) => {
  await withLinked(async ({ server, store, whole, fetch }) => {
    Object.assign(server, { etag, takesRanges });
    server.breaks.push(whole.length, Math.floor(whole.length / 2));
    expect((await fetch(server.links.web)).refs).toHaveLength(1);
    const ranges = server.requests.filter((line) => line.includes("bytes="));
    expect(ranges.length).toBeGreaterThan(0);
    expect(leftIn(store)).toEqual([]);
  });
});

test("a file that changes in the middle of a download that goes on is never taken for one", async () => {
  await withLinked(async ({ server, store, whole, fetch }) => {
    server.etag = undefined;
    server.breaks.push(whole.length, Math.floor(whole.length / 2));
    const changed = Buffer.from(whole);
    changed.fill(7, whole.length - 1000);
    const url = server.links.web;
    await using remote = openAt(server, url, store);
    await remote.refs(QUIET);
    server.file = changed;
    await expect(fetch(url)).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(await store.refs.list("demo", "refs/remotes/")).toEqual([]);
    expect(leftIn(store)).toEqual([]);
  });
});

test("the token of GitHub goes to its API and not where that leads", async () => {
  await withLinked(async ({ server, store }) => {
    server.token = "github_pat_0123456789abcdef";
    await using cdn = await LinkServer.start();
    cdn.file = server.file;
    server.cdn = cdn.origin;
    const link = parseLinkUrl(server.links.github);
    const way = {
      link,
      settings: server.settings,
      limits: QUICK,
      metadataHosts: NO_HOSTS,
      privateHosts: NO_HOSTS,
    };
    await using closed = new LinkRemote(way, store);
    await expect(closed.refs(QUIET)).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND", exit: 3 });
    await using remote = new LinkRemote({ ...way, credential: { token: server.token } }, store);
    expect(await remote.refs(QUIET)).toHaveLength(1);
    expect(cdn.requests).toEqual(["GET /cdn/model.car all"]);
    expect(cdn.withToken).toEqual([]);
    expect(server.withToken).toHaveLength(2);
  });
});

type Setting = (server: LinkServer) => void;
test.each<[string, Service, Setting, string, string]>([
  [
    "a file that is not there",
    "web",
    (server) => (server.file = undefined),
    "REMOTE_NOT_FOUND",
    "no such file",
  ],
  [
    "a file that is no bundle",
    "web",
    (server) => (server.file = randomBytes(MIB)),
    "FILE_MALFORMED",
    "no bundle",
  ],
  ["a quota page", "gdrive", (server) => (server.drivePage = "quota"), "REMOTE_FAILED", "Quota exceeded"],
  ["several bundles", "github", (server) => server.assets.push("b.car"), "URL_INVALID", "model.car, b.car"],
  [
    "no bundle",
    "github",
    (server) => (server.assets = ["notes.txt"]),
    "REMOTE_NOT_FOUND",
    "it has notes.txt",
  ],
  [
    "a file that ends too early",
    "web",
    (server) => (server.file = server.file?.subarray(0, server.file.length - 5)),
    "OBJECT_CORRUPT",
    "damaged",
  ],
])("a fetch of %s ends with the reason and changes nothing", async (_, service, change, code, why) => {
  await withLinked(async ({ server, store, fetch }) => {
    change(server);
    const fetching = fetch(server.links[service]);
    await expect(fetching).rejects.toMatchObject({ code, message: expect.stringContaining(why) });
    expect(await store.refs.list("demo", "refs/remotes/")).toEqual([]);
    expect(leftIn(store)).toEqual([]);
  });
});

test("a file of more bytes than the setting allows is refused", async () => {
  await withLinked(async ({ server, store, whole }) => {
    const link = parseLinkUrl(server.links.web);
    const settings = { ...server.settings, bytesMax: whole.length - 1 };
    const way = { link, settings, limits: QUICK, metadataHosts: NO_HOSTS, privateHosts: NO_HOSTS };
    await using remote = new LinkRemote(way, store);
    await expect(remote.refs(QUIET)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});

test("a bundle for which the disk has no room is refused before it comes", async () => {
  await withLinked(async ({ server, store }) => {
    const link = parseLinkUrl(server.links.web);
    const settings = { ...server.settings, bytesMax: Number.MAX_SAFE_INTEGER };
    const way = { link, settings, limits: QUICK, metadataHosts: NO_HOSTS, privateHosts: NO_HOSTS };
    server.claimedBytes = Number.MAX_SAFE_INTEGER;
    await using remote = new LinkRemote(way, store);
    const [main] = await remote.refs(QUIET);
    const digest = main?.digest as smc.Digest;
    await expect(remote.missing([digest], QUIET)).rejects.toMatchObject({
      code: "DISK_FULL",
      message: expect.stringContaining("has room for"),
    });
    expect(leftIn(store)).toEqual([]);
  });
});

test("a bundle that came and could not be taken over is not downloaded again", async () => {
  await withLinked(async ({ server, store, whole, fetch }) => {
    const url = server.links.web;
    const incoming = join(store.path, "incoming");
    rmSync(incoming, { recursive: true });
    writeFileSync(incoming, "in the way");
    await expect(fetch(url)).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    expect(leftIn(store)).toHaveLength(2);
    rmSync(incoming);
    server.requests.length = 0;
    expect((await fetch(url)).refs).toHaveLength(1);
    const path = "GET /files/model.car";
    expect(server.requests).toEqual([`${path} all`, `${path} bytes=${whole.length}-`]);
    expect(leftIn(store)).toEqual([]);
  });
});

test("a link that was closed brings nothing any more, and does not keep the next one waiting", async () => {
  await withLinked(async ({ server, store, fetch }) => {
    const closed = openAt(server, server.links.web, store);
    const [main] = await closed.refs(QUIET);
    await closed[Symbol.asyncDispose]();
    const digest = main?.digest as smc.Digest;
    await expect(closed.missing([digest], QUIET)).rejects.toMatchObject({ code: "INTERNAL" });
    expect((await fetch(server.links.web)).refs).toHaveLength(1);
  });
});

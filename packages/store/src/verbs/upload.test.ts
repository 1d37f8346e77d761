import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readCommit } from "../history/graph.ts";
import { parseDigest } from "../objects/digest.ts";
import { placeOf } from "../testing/files-place.ts";
import { codeOf, refsOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import type { Bench } from "../testing/worktree.ts";
import { add } from "./add.ts";
import { download, type DownloadOptions, type DownloadResult } from "./download.ts";
import { list } from "./list.ts";
import { noteHere } from "./note.ts";
import { showHere } from "./show.ts";
import { upload, type UploadOptions, type UploadResult } from "./upload.ts";

type Words<T> = Omit<T, "remote" | "remoteName">;

function send({ remote }: TwoStores, bench: Bench, words: Words<UploadOptions>): Promise<UploadResult> {
  return upload(placeOf(bench), { ...words, remote, remoteName: "origin" }, QUIET);
}

function bring({ remote }: TwoStores, bench: Bench, words: Words<DownloadOptions>): Promise<DownloadResult> {
  return download(placeOf(bench), { ...words, remote, remoteName: "origin" }, QUIET);
}

test("upload() makes a commit of one file there, and touches nothing of the user", async () => {
  await withTwoStores(async (stores) => {
    const { a, remote } = stores;
    await a.commit({ "a.txt": "1" });
    await a.write({ "runs/exp/best.pt": "weights", "a.txt": "staged" });
    await add(a.repository, { paths: ["a.txt"] }, QUIET);
    const before = {
      status: await a.status(),
      refs: await a.store.refs.list(a.repository.name, "refs/heads/"),
    };
    const made = await send(stores, a, {
      file: "runs/exp/best.pt",
      name: "my_model.pt",
      description: "of May",
    });
    expect(await refsOf(remote)).toEqual({ "refs/heads/files/my_model.pt": made.commit });
    expect({
      status: await a.status(),
      refs: await a.store.refs.list(a.repository.name, "refs/heads/"),
    }).toEqual(before);
    const { meta, parents } = await readCommit(a.store, parseDigest(made.commit));
    expect(parents).toEqual([]);
    expect(meta).toEqual({
      file: {
        name: "my_model.pt",
        sizeBytes: 7,
        sha256: createHash("sha256").update("weights").digest("hex"),
        md5: createHash("md5").update("weights").digest("hex"),
        uploaded: made.uploaded,
        originalPath: join(a.root, "runs/exp/best.pt"),
        description: "of May",
      },
    });
    const card = await showHere(placeOf(a), { revision: "runs/exp/best.pt" }, QUIET);
    expect(card).toMatchObject({ uploaded: made.uploaded, remote: "origin", description: "of May" });
  });
});

test("upload() of the same bytes sends nothing; of others it adds a version, also to what somebody else sent", async () => {
  await withTwoStores(async (stores) => {
    const { a, b } = stores;
    const bytes = randomBytes(300_000);
    await a.write({ "best.pt": bytes });
    const first = await send(stores, a, { file: "best.pt" });
    expect(first).toMatchObject({ isNew: true, before: null });
    expect(await send(stores, a, { file: "best.pt" })).toMatchObject({ isNew: false, commit: first.commit });
    await b.write({ "b.pt": Buffer.concat([bytes, Buffer.from("more")]) });
    const second = await send(stores, b, { file: "b.pt", name: "best.pt" });
    expect(second).toMatchObject({ isNew: true, before: first.commit });
    const third = await send(stores, a, { file: "best.pt", description: "the first again" });
    expect(third).toMatchObject({ before: second.commit });
    expect((await readCommit(a.store, parseDigest(third.commit))).parents).toEqual([second.commit]);
    expect((await bring(stores, b, { name: "best.pt" })).sha256).toBe(first.sha256);
  });
});

test("download() writes what was uploaded, tells all that is known, and leaves other files alone", async () => {
  await withTwoStores(async (stores) => {
    const { a, b } = stores;
    await a.write({ "runs/best.pt": "weights" });
    const sent = await send(stores, a, { file: "runs/best.pt", name: "m.pt", description: "of May" });
    const got = await bring(stores, b, { name: "m.pt" });
    const path = join(b.root, "data/models/downloads/m.pt");
    expect(got).toMatchObject({ path, written: true, commit: sent.commit, md5: sent.md5 });
    expect(readFileSync(path, "utf8")).toBe("weights");
    await noteHere(placeOf(b), { revision: "m.pt", message: "good" }, QUIET);
    const card = await showHere(placeOf(b), { revision: "m.pt" }, QUIET);
    expect(card).toMatchObject({
      uploaded: sent.uploaded,
      downloaded: expect.stringMatching(/^\d{4}-/),
      sizeBytes: 7,
      originalPath: join(a.root, "runs/best.pt"),
      description: "of May",
      notes: [{ text: "good" }],
    });
    expect(await bring(stores, b, { name: "m.pt" })).toMatchObject({ written: false });
    expect(await showHere(placeOf(b), { revision: "m.pt" }, QUIET)).toEqual(card);
    await b.write({ "data/models/downloads/m.pt": "mine", "elsewhere/x": "" });
    expect(await codeOf(() => bring(stores, b, { name: "m.pt" }))).toBe("WOULD_OVERWRITE");
    expect(readFileSync(path, "utf8")).toBe("mine");
    await bring(stores, b, { name: "m.pt", force: true });
    expect(readFileSync(path, "utf8")).toBe("weights");
    expect(await noteHere(placeOf(b), { revision: "m.pt" }, QUIET)).toMatchObject({
      notes: [{ text: "good" }],
    });
    // Outside of the folders of model files nothing is put beside it.
    await bring(stores, b, { name: "m.pt", destination: "elsewhere" });
    await bring(stores, b, { name: "m.pt", destination: "new/own.pt" });
    expect(readdirSync(join(b.root, "elsewhere"))).toEqual(["m.pt", "x"]);
    expect(readdirSync(join(b.root, "new"))).toEqual(["own.pt"]);
    const { uploads, cloud } = await list(placeOf(b), {}, QUIET);
    expect(cloud).toEqual([]);
    expect(uploads).toMatchObject([
      { name: "m.pt", remote: "origin", sizeBytes: 7, uploaded: sent.uploaded },
    ]);
  });
});

test.each([
  ["a file that is not there", { file: "nope.pt" }, "PATH_NOT_FOUND"],
  ["a folder", { file: "runs" }, "PATH_NOT_FOUND"],
  ["a name with a folder", { file: "best.pt", name: "a/b.pt" }, "PATH_INVALID"],
  ["a name that no branch can have", { file: "best.pt", name: "my model.pt" }, "PATH_INVALID"],
  ["an empty description", { file: "best.pt", description: " " }, "MESSAGE_INVALID"],
])("upload() refuses %s", async (_, words, code) => {
  await withTwoStores(async (stores) => {
    await stores.a.write({ "best.pt": "1" });
    mkdirSync(join(stores.a.root, "runs"));
    expect(await codeOf(() => send(stores, stores.a, words))).toBe(code);
    expect(await refsOf(stores.remote)).toEqual({});
  });
});

test("download() refuses a name that is not there, and a branch that holds something else", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push } = stores;
    await a.write({ "best.pt": "1" });
    await send(stores, a, { file: "best.pt" });
    const error: unknown = await bring(stores, b, { name: "besst.pt" }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "REVISION_NOT_FOUND", hint: expect.stringContaining("best.pt") });
    await a.commit({ "a.txt": "1" });
    await push(a, { refs: ["HEAD:refs/heads/files/a.pt"] });
    expect(await codeOf(() => bring(stores, b, { name: "a.pt" }))).toBe("REVISION_INVALID");
    expect(existsSync(join(b.root, "data"))).toBe(false);
    // A mirror makes branches there what they are here; what was uploaded is on none.
    await push(a, { mirror: true });
    expect(Object.keys(await refsOf(stores.remote))).toContain("refs/heads/files/best.pt");
  });
});

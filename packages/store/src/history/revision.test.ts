import { expect, test } from "vitest";
import { createHash } from "node:crypto";
import { type Digest, formatCid } from "../objects/digest.ts";
import { momentAt } from "./dates.ts";
import { encodeTag } from "../objects/objects.ts";
import { resolveCommit, resolveCommitSet, resolveRevision, resolveTree } from "./revision.ts";
import { ADA, type History, NOWHERE, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";

const HEX = "0123456789abcdef".repeat(4);

interface Scene {
  readonly history: History;
  readonly first: Digest;
  readonly second: Digest;
  readonly side: Digest;
  readonly merge: Digest;
  readonly tag: Digest;
}

/** first ── second ── merge (main, HEAD); first ── side ── merge. */
async function withScene(run: (scene: Scene) => Promise<void>): Promise<void> {
  await withHistory(async (history) => {
    const { store } = history;
    const first = await history.commit({
      files: { "weights/a.bin": "a1", "notes.txt": "n" },
      message: "first",
    });
    await history.point("refs/heads/main", first);
    const second = await history.commit({
      files: { "weights/a.bin": "a2" },
      parents: [first],
      message: "second",
    });
    await history.point("refs/heads/main", second);
    const side = await history.commit({
      files: { "weights/a.bin": "a3" },
      parents: [first],
      message: "side",
    });
    const merge = await history.commit({
      files: { "weights/a.bin": "a4" },
      parents: [second, side],
      message: "merge",
    });
    await history.point("refs/heads/main", merge);
    await using session = store.write("test");
    const tagged = {
      target: second,
      targetKind: "commit",
      name: "v1.0.0",
      tagger: ADA,
      tagged: momentAt(0),
      message: "one",
    } as const;
    const tag = await session.putObject("tag", encodeTag(tagged));
    await session.finish();
    await history.point("refs/tags/v1.0.0", tag);
    await history.point("refs/tags/2.0.0", merge);
    await history.point("refs/registry/champion", second);
    await history.point("refs/archive/v0", first);
    await history.point("refs/remotes/origin/main", side);
    await history.point("refs/remotes/up/HEAD", side);
    await history.point("refs/heads/feature/x", side);
    await run({ history, first, second, side, merge, tag });
  });
}

test("resolveCommit() knows every way to name a commit", async () => {
  await withScene(async ({ history, first, second, side, merge }) => {
    const expected: [string, Digest][] = [
      [first, first],
      [`sha256:${first}`, first],
      [formatCid(first, "commit"), first],
      [first.slice(0, 7), first],
      [first.slice(0, 40), first],
      ["main", merge],
      ["heads/main", merge],
      ["refs/heads/main", merge],
      ["feature/x", side],
      ["v1.0.0", second],
      ["1.0.0", second],
      ["2.0.0", merge],
      ["tags/v1.0.0", second],
      ["champion", second],
      ["registry/champion", second],
      ["archive/v0", first],
      ["origin/main", side],
      ["remotes/origin/main", side],
      ["up", side],
      ["HEAD", merge],
      ["@", merge],
      ["@~2", first],
      ["HEAD~", second],
      ["HEAD~0", merge],
      ["main^", second],
      ["main^2", side],
      ["main^0", merge],
      ["main^^", first],
      ["main^2~1", first],
      ["v1.0.0^{}", second],
      ["v1.0.0^{commit}", second],
      ["v1.0.0^{commit}~1", first],
      ["v1.0.0^", first],
      ["main@{0}", merge],
      ["main@{1}", second],
      ["main@{2}", first],
      ["@{1}", second],
      ["main@{1}^", first],
      ["main@{now}", merge],
    ];
    for (const [text, digest] of expected) {
      expect([text, await resolveCommit(history.repository, text, QUIET)]).toEqual([text, digest]);
    }
  });
});

test("resolveRevision() tells kind, ref, path and mode", async () => {
  await withScene(async ({ history, tag, second, merge }) => {
    const resolve = (text: string) => resolveRevision(history.repository, text, QUIET);
    expect(await resolve("v1.0.0")).toEqual({ digest: tag, kind: "tag", ref: "refs/tags/v1.0.0" });
    expect(await resolve("v1.0.0^{tag}")).toEqual({ digest: tag, kind: "tag" });
    expect(await resolve("v1.0.0^{object}")).toEqual({ digest: tag, kind: "tag" });
    expect(await resolve("HEAD")).toEqual({ digest: merge, kind: "commit", ref: "refs/heads/main" });
    expect(await resolve("v1.0.0^{}")).toEqual({ digest: second, kind: "commit" });
    const blob = createHash("sha256").update("a2").digest("hex");
    for (const path of ["weights/a.bin", "./weights/a.bin", "weights/../weights/a.bin"]) {
      expect(await resolve(`champion:${path}`)).toEqual({
        digest: blob,
        kind: "blob",
        path: "weights/a.bin",
        mode: "100644",
      });
    }
    expect(await resolve(`champion^{tree}:weights/a.bin`)).toMatchObject({ digest: blob });
    expect(await resolve(blob)).toEqual({ digest: blob, kind: "blob" });
    expect(await resolve(blob.slice(0, 12))).toEqual({ digest: blob, kind: "blob" });
    expect(await resolve("v1.0.0:weights")).toMatchObject({ kind: "tree", path: "weights", mode: "040000" });
    expect(await resolve("v1.0.0:")).toMatchObject({ kind: "tree", path: "", mode: "040000" });
    expect(await resolveTree(history.repository, "v1.0.0", QUIET)).toBe((await resolve("v1.0.0:")).digest);
  });
});

const REFUSED: [string, string][] = [
  ["", "REVISION_INVALID"],
  ["sha256:../../../../etc/passwd", "DIGEST_INVALID"],
  [`sha256-${HEX}`, "DIGEST_INVALID"],
  [`sha256:${HEX.slice(1)}`, "DIGEST_INVALID"],
  [`sha256:${HEX}0`, "DIGEST_INVALID"],
  [`SHA256:${HEX}`, "DIGEST_INVALID"],
  [`sha1:${HEX.slice(0, 40)}`, "DIGEST_INVALID"],
  [`md5:${HEX.slice(0, 32)}`, "DIGEST_INVALID"],
  [HEX.slice(1), "DIGEST_INVALID"],
  [`${HEX}0`, "DIGEST_INVALID"],
  [HEX.toUpperCase(), "DIGEST_INVALID"],
  [`${HEX.slice(1)}\u0430`, "DIGEST_INVALID"],
  [`${HEX}\n`, "DIGEST_INVALID"],
  ["0", "REVISION_INVALID"],
  ["abc", "REVISION_INVALID"],
  ["abcdef", "REVISION_INVALID"],
  ["abcdef0", "REVISION_NOT_FOUND"],
  ["ABCDEF0", "REVISION_NOT_FOUND"],
  [NOWHERE, "REVISION_NOT_FOUND"],
  ["mian", "REVISION_NOT_FOUND"],
  ["main~9", "REVISION_NOT_FOUND"],
  ["main^3", "REVISION_NOT_FOUND"],
  ["main@{99}", "REVISION_NOT_FOUND"],
  ["main@{1999-12-31}", "REVISION_NOT_FOUND"],
  ["main@{soon}", "DATE_INVALID"],
  ["nothing@{1}", "REVISION_NOT_FOUND"],
  ["main..v1.0.0", "REVISION_INVALID"],
  ["main\n", "REVISION_INVALID"],
  ["a b", "REVISION_INVALID"],
  ["-f", "REVISION_INVALID"],
  ["MD5:x", "DIGEST_INVALID"],
  ["--output=/etc/x", "REVISION_INVALID"],
  ["ma\u202ein", "REVISION_INVALID"],
  ["../../x", "REVISION_INVALID"],
  ["refs/heads/../HEAD", "REVISION_INVALID"],
  ["main^{blob}", "REVISION_INVALID"],
  ["main^{tree}~1", "REVISION_INVALID"],
  ["main:weights/b.bin", "PATH_NOT_FOUND"],
  ["main:notes.txt/x", "PATH_NOT_FOUND"],
  ["main:../x", "PATH_INVALID"],
  ["main:./../x", "PATH_INVALID"],
  ["main:a//b", "PATH_INVALID"],
  ["main:weights/a.bin^{tree}", "PATH_NOT_FOUND"],
  [`refs/heads/${"x".repeat(300)}`, "REVISION_INVALID"],
  ["x".repeat(5000), "REVISION_INVALID"],
];

test("resolveRevision() refuses what is malformed, unknown or absent, each with its code", async () => {
  await withScene(async ({ history }) => {
    for (const [text, code] of REFUSED) {
      await expect(
        resolveRevision(history.repository, text, QUIET),
        JSON.stringify(text),
      ).rejects.toMatchObject({ code });
    }
  });
});

test("resolveRevision() suggests names that are near", async () => {
  await withScene(async ({ history }) => {
    await expect(resolveRevision(history.repository, "v1.0.1", QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
      hint: "did you mean: v1.0.0",
      details: { candidates: ["v1.0.0"] },
    });
    await expect(resolveRevision(history.repository, "mian~2", QUIET)).rejects.toMatchObject({
      hint: "did you mean: main",
    });
  });
});

test("resolveRevision() answers an unknown version with versions that are there", async () => {
  await withScene(async ({ history }) => {
    await expect(resolveRevision(history.repository, "v9", QUIET)).rejects.toMatchObject({
      hint: "did you mean: 2.0.0, v1.0.0",
    });
  });
});

test("resolveRevision() lists what a short digest may mean", async () => {
  await withHistory(async ({ repository, store }) => {
    // 7 digits of 28 bits: a few thousand blobs would do by chance; these two are made for it.
    const seen = new Map<string, string>();
    let pair: [string, string] | undefined;
    for (let index = 0; pair === undefined; index += 1) {
      const text = `collide ${index}`;
      const short = createHash("sha256").update(text).digest("hex").slice(0, 7);
      const other = seen.get(short);
      if (other === undefined) seen.set(short, text);
      else pair = [other, text];
    }
    await using session = store.write("test");
    const digests: Digest[] = [];
    for (const text of pair) digests.push((await session.putBlob(Buffer.from(text))).digest);
    await session.finish();
    const short = digests[0]?.slice(0, 7) ?? "";
    await expect(resolveRevision(repository, short, QUIET)).rejects.toMatchObject({
      code: "REVISION_AMBIGUOUS",
      details: { candidates: [...digests].sort() },
    });
    expect(await resolveRevision(repository, digests[0]?.slice(0, 12) ?? "", QUIET)).toMatchObject({
      digest: digests[0],
    });
  });
});

test("HEAD without a commit says what to do", async () => {
  await withHistory(async ({ repository }) => {
    await expect(resolveCommit(repository, "HEAD", QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
      message: "branch 'main' has no commit yet",
    });
    await expect(resolveCommit(repository, "HEAD~1", QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
  });
});

test("a ref whose object is missing is damage, not absence", async () => {
  await withHistory(async (history) => {
    await history.point("refs/heads/main", NOWHERE).catch(() => undefined);
    const ref = await history.store.refs.read("demo", "refs/heads/main" as never);
    if (ref === undefined) return;
    await expect(resolveCommit(history.repository, "main", QUIET)).rejects.toMatchObject({
      code: "OBJECT_MISSING",
    });
  });
});

test("a deleted branch is found by its reflog only", async () => {
  await withScene(async ({ history, side }) => {
    await history.point("refs/heads/feature/x", "absent");
    await expect(resolveCommit(history.repository, "feature/x", QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    expect(await resolveCommit(history.repository, "feature/x@{1}", QUIET)).toBe(side);
    await expect(resolveCommit(history.repository, "feature/x@{0}", QUIET)).rejects.toMatchObject({
      message: expect.stringContaining("was not there then"),
    });
  });
});

test("a branch wins over a short digest, a tag over a branch, the registry over both", async () => {
  await withScene(async ({ history, first, side, merge }) => {
    await history.point("refs/heads/abcdef0", side);
    expect(await resolveCommit(history.repository, "abcdef0", QUIET)).toBe(side);
    await history.point("refs/heads/release", first);
    await history.point("refs/tags/release", merge);
    expect(await resolveCommit(history.repository, "release", QUIET)).toBe(merge);
    await history.point("refs/heads/champion", first);
    expect(await resolveCommit(history.repository, "champion", QUIET)).not.toBe(first);
  });
});

test("resolveCommitSet() reads ranges", async () => {
  await withScene(async ({ history, first, second, side, merge }) => {
    const read = (...texts: string[]) => resolveCommitSet(history.repository, texts, QUIET);
    expect(await read()).toEqual({ from: [merge], exclude: [] });
    expect(await read("main", "^v1.0.0")).toEqual({ from: [merge], exclude: [second] });
    expect(await read("champion..main")).toEqual({ from: [merge], exclude: [second] });
    expect(await read("champion..")).toEqual({ from: [merge], exclude: [second] });
    expect(await read("champion...origin/main")).toEqual({ from: [side, second], exclude: [first] });
    expect(await read("^champion")).toEqual({ from: [merge], exclude: [second] });
  });
});

test("HEAD~2000 is found, and one more is not", { timeout: 240_000 }, async () => {
  await withHistory(async (history) => {
    const digests = await history.chain(2001);
    await history.point("refs/heads/main", digests.at(-1) as Digest);
    expect(await resolveCommit(history.repository, "HEAD~2000", QUIET)).toBe(digests[0]);
    expect(await resolveCommit(history.repository, `HEAD${"^".repeat(1000)}`, QUIET)).toBe(digests[1000]);
    await expect(resolveCommit(history.repository, "HEAD~2001", QUIET)).rejects.toMatchObject({
      message: expect.stringContaining("ends after 2000 of 2001"),
    });
  });
});

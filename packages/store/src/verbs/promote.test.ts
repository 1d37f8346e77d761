import { randomBytes } from "node:crypto";
import { truncateSync } from "node:fs";
import { expect, test } from "vitest";
import { formatMoment, momentAt } from "../history/dates.ts";
import { parseRefName } from "../objects/names.ts";
import { listArchived } from "../registry/archive-refs.ts";
import { packPath } from "../pack/folder.ts";
import { flip } from "../testing/damage.ts";
import { withRegistry } from "../testing/registry.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { audit } from "./audit.ts";
import { challenger } from "./challenger.ts";
import { champion } from "./champion.ts";
import { promote } from "./promote.ts";

test("promote() moves champion, archives the one before with the reason and drops the challenger, in one record", () =>
  withRegistry(async ({ repository, promote: run, state, commits }) => {
    expect(await state()).toEqual({ champion: null, challenger: null, archived: [] });
    expect(await run("v1.0.0")).toMatchObject({ moved: true, from: null, archives: null });
    await challenger(repository, { revision: "v1.0.1" }, QUIET);
    expect(await state()).toEqual({ champion: "v1.0.0", challenger: "v1.0.1", archived: [] });
    const { seq } = repository.store.journal.position;
    expect(await run("challenger", { reason: "azi is up" })).toMatchObject({
      moved: true,
      from: { version: "v1.0.0", commit: commits[0] },
      to: { version: "v1.0.1", metrics: { azi: 71.28 }, sizeBytes: 9 },
      archives: "refs/archive/v1.0.0",
      dropsChallenger: true,
    });
    expect(await state()).toEqual({ champion: "v1.0.1", challenger: null, archived: ["v1.0.0"] });
    expect(repository.store.journal.position.seq).toBe(seq + 1);
    expect(await listArchived(repository, QUIET)).toMatchObject([
      { version: "v1.0.0", commit: commits[0], reason: "azi is up", by: "Ada <ada@example.org>" },
    ]);
    const live = (await champion(repository, {}, QUIET)).champion;
    expect(live).toMatchObject({
      role: "champion",
      reason: "promote: azi is up",
      by: "Ada <ada@example.org>",
    });
    expect(Math.abs(Date.parse(live?.since ?? "") - Date.now())).toBeLessThan(60_000);
    expect(live?.since).toBe(formatMoment(momentAt(Date.parse(live?.since ?? ""))));
  }));

test("promote() brings an archived version back, and names a version without a tag by its digest", () =>
  withRegistry(async ({ history, promote: run, state, commits }) => {
    const plain = await history.commit({ files: { "model.bin": "plain" }, parents: [commits[2]] });
    await history.point("refs/heads/main", plain);
    await run("v1.0.0");
    await run(plain);
    const name = `c-${plain.slice(0, 12)}`;
    expect(await state()).toMatchObject({ champion: name, archived: ["v1.0.0"] });
    expect(await run("1.0.0")).toMatchObject({ unarchives: ["refs/archive/v1.0.0"] });
    expect(await state()).toMatchObject({ champion: "v1.0.0", archived: [name] });
    expect(await run("v1.0.0")).toMatchObject({ moved: false });
  }));

test("promote() to another role changes nothing of the archive, and a champion that leaves is archived whatever its roles", () =>
  withRegistry(async ({ promote: run, state, history }) => {
    await run("v1.0.0");
    await run("v1.0.0", { to: "edge" });
    await run("v1.0.1", { to: "edge" });
    await run("v1.0.1", { to: "edge2" });
    expect((await state()).archived).toEqual([]);
    await run("v1.0.1");
    expect((await state()).archived).toEqual(["v1.0.0"]);
    await run("v1.0.2");
    expect((await state()).archived).toEqual(["v1.0.0", "v1.0.1"]);
    expect(await run("v1.0.0", { to: "edge2" })).toMatchObject({ moved: true, unarchives: [] });
    expect((await state()).archived).toEqual(["v1.0.0", "v1.0.1"]);
    expect(await history.store.refs.read("demo", parseRefName("refs/registry/edge"))).toBeDefined();
    await expect(run("v1.0.2", { to: "a..b" })).rejects.toMatchObject({ code: "REF_NAME_INVALID" });
  }));

test("a gate that is not met moves nothing; force does, and the audit log says so", () =>
  withRegistry(async ({ repository, promote: run, state }) => {
    await run("v1.0.0");
    const require = "azi >= champion.azi and mag >= champion.mag";
    expect(await run("v1.0.1", { require })).toMatchObject({
      moved: false,
      gate: { met: false, failed: [{ term: "mag >= champion.mag", left: 97.63, right: 98.36 }] },
    });
    expect((await state()).champion).toBe("v1.0.0");
    await expect(run("v1.0.1", { require: "acc > 1" })).rejects.toMatchObject({ code: "EXPRESSION_INVALID" });
    await expect(run("v1.0.1", { require: "azi > nobody.azi" })).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    expect(await run("v1.0.1", { require, force: true })).toMatchObject({ moved: true });
    const { entries } = await audit(repository.store, { ref: "champion", limit: 1 }, QUIET);
    expect(entries[0]?.reason).toBe(`promote: because (forced: not ${require})`);
    expect(await run("v1.0.2", { require: "'v1.0.1'.azi > azi and lr = params.lr" })).toMatchObject({
      moved: true,
      gate: { met: true, failed: [] },
    });
  }));

test("promote() does nothing unasked: it plans, takes yes, and notes a no", () =>
  withRegistry(async ({ repository, promote: run, state, commits }) => {
    await run("v1.0.0");
    const ask = { revision: "v1.0.1", reason: "because" };
    await expect(promote(repository, ask, QUIET)).rejects.toMatchObject({
      code: "CONFIRMATION_NEEDED",
      message: "this moves champion v1.0.0 -> v1.0.1; nothing was changed",
    });
    expect(await run("v1.0.1", { answer: "plan" })).toMatchObject({
      moved: false,
      archives: "refs/archive/v1.0.0",
    });
    expect(await run("v1.0.1", { answer: "no" })).toMatchObject({ moved: false });
    const { entries } = await audit(repository.store, { limit: 1 }, QUIET);
    expect(entries).toMatchObject([
      { op: "promote", ref: null, reason: "promote: declined: champion v1.0.0 -> v1.0.1 (because)" },
    ]);
    expect(await repository.store.refs.check(QUIET)).toEqual([]);
    const wrong = run("v1.0.1", { expected: commits[2] });
    await expect(wrong).rejects.toMatchObject({ code: "REF_CHANGED" });
    await expect(run("v1.0.1", { reason: " " })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    expect((await state()).champion).toBe("v1.0.0");
  }));

test("one of two promotions at once wins, and the other says so", () =>
  withRegistry(async ({ promote: run, state }) => {
    await run("v1.0.0");
    const ended = await Promise.allSettled([run("v1.0.1"), run("v1.0.2")]);
    const lost = ended.filter((outcome) => outcome.status === "rejected");
    expect(lost).toHaveLength(1);
    expect(lost[0]?.reason).toMatchObject({ code: "REF_CHANGED" });
    expect((await state()).archived).toEqual(["v1.0.0"]);
  }));

test("a version that is damaged is not promoted, and nothing moves", () =>
  withWorktree(async (bench) => {
    const repository = { ...bench.repository, store: bench.store };
    const run = (revision: string, full = false) =>
      promote(repository, { revision, reason: "because", answer: "yes", full }, QUIET);
    await bench.commit({ "model.bin": randomBytes(300_000) }, { tag: "v1" });
    const before = new Set(bench.store.index.packs().map(({ name }) => name));
    await bench.commit({ "model.bin": randomBytes(300_000) }, { tag: "v2" });
    expect((await run("v1")).intact).toMatchObject({ objects: 3, readSince: null });
    expect((await run("v1", true)).moved).toBe(false);
    const fresh = bench.store.index.packs().filter(({ name }) => !before.has(name));
    const largest = fresh.sort((a, b) => b.sizeBytes - a.sizeBytes)[0];
    const path = packPath(bench.store.path, largest?.name ?? ("" as never));
    flip(path, 150_000);
    const seq = bench.store.journal.position.seq;
    await expect(run("v2")).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
      exit: 4,
      message: expect.stringContaining("no ref was moved"),
    });
    expect(bench.store.journal.position.seq).toBe(seq);
    flip(path, 150_000);
    expect((await run("v2")).intact?.readBytes).toBeGreaterThan(300_000);
    // What was read lately is not read again, unless that is asked for.
    expect((await run("v1")).intact).toMatchObject({ readBytes: 0, readSince: expect.any(String) });
    flip(path, 150_000);
    await expect(run("v2", true)).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    truncateSync(path, 100_000);
    await expect(run("v2")).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
  }));

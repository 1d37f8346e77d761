import { expect, test } from "vitest";
import { olderHolders } from "../registry/past-roles.ts";
import { withRegistry } from "../testing/registry.ts";
import { QUIET } from "../testing/testing.ts";
import { rollback } from "./rollback.ts";

test("rollback() goes back one champion, and another one when it is run again", () =>
  withRegistry(async ({ promote, rollback: back, state, commits }) => {
    await expect(back()).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    for (const version of ["v1.0.0", "v1.0.1", "v1.0.2"]) await promote(version);
    expect(await back({ reason: "drift" })).toMatchObject({
      action: "rollback",
      moved: true,
      from: { version: "v1.0.2", commit: commits[2] },
      to: { version: "v1.0.1", commit: commits[1] },
      reason: "drift",
      at: expect.stringMatching(/^\d{4}-/),
    });
    expect(await state()).toMatchObject({ champion: "v1.0.1", archived: ["v1.0.0", "v1.0.2"] });
    expect(await back()).toMatchObject({ to: { version: "v1.0.0" }, reason: "back to v1.0.0" });
    await expect(back()).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    expect(await state()).toMatchObject({ champion: "v1.0.0", archived: ["v1.0.1", "v1.0.2"] });
  }));

test("rollback() takes a version by name, with or without the v, and lists what is archived", () =>
  withRegistry(async ({ repository, promote, rollback: back }) => {
    for (const version of ["v1.0.0", "v1.0.1", "v1.0.2"])
      await promote(version, { reason: `for ${version}` });
    const listed = await rollback(repository, { list: true }, QUIET);
    expect(listed.action === "list" ? listed.versions : []).toMatchObject([
      { version: "v1.0.1", reason: "for v1.0.2", isNext: true, metrics: { azi: 71.28 } },
      { version: "v1.0.0", reason: "for v1.0.1", isNext: false },
    ]);
    expect(await back({ version: "1.0.0" })).toMatchObject({ moved: true, to: { version: "v1.0.0" } });
    expect(await back({ version: "v1.0.0" })).toMatchObject({ moved: false });
    await expect(back({ version: "v9" })).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    const unasked = rollback(repository, { version: "v1.0.1" }, QUIET);
    await expect(unasked).rejects.toMatchObject({ code: "CONFIRMATION_NEEDED", exit: 8, http: 428 });
  }));

test("olderHolders() undoes: each rollback takes away what is above it", () => {
  const of = (text: string): string[] =>
    olderHolders(
      text
        .split(" ")
        .filter((word) => word !== "")
        .map((word) => ({
          to: word.slice(-1) as never,
          op: word.startsWith("<") ? "rollback" : "promote",
        }))
        .toReversed(),
    );
  expect(of("")).toEqual([]);
  expect(of("a")).toEqual([]);
  expect(of("a b c")).toEqual(["b", "a"]);
  expect(of("a b c <b")).toEqual(["a"]);
  expect(of("a b c <b <a")).toEqual([]);
  expect(of("a b c <a d")).toEqual(["a"]);
  expect(of("a b <x")).toEqual(["b", "a"]);
  expect(of("a b a")).toEqual(["b", "a"]);
});

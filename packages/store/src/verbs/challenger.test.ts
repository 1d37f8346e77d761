import { expect, test } from "vitest";
import { withRegistry } from "../testing/registry.ts";
import { QUIET } from "../testing/testing.ts";
import { challenger } from "./challenger.ts";

test("challenger() names a candidate, keeps the one before unarchived, and refuses the champion", () =>
  withRegistry(async ({ repository, promote, state }) => {
    const run = (revision: string) => challenger(repository, { revision }, QUIET);
    expect(await challenger(repository, {}, QUIET)).toEqual({ challenger: null, moved: false });
    expect(await run("v1.0.1")).toMatchObject({ moved: true, challenger: { version: "v1.0.1" } });
    expect(await run("v1.0.1")).toMatchObject({ moved: false });
    expect(await run("v1.0.2")).toMatchObject({
      moved: true,
      challenger: { version: "v1.0.2", reason: "challenger: v1.0.2 is the candidate" },
    });
    expect((await state()).archived).toEqual([]);
    await promote("v1.0.0");
    await expect(run("v1.0.0")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(run("nope")).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  }));

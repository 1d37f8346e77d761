import { expect, test } from "vitest";
import { digestOf, withDesk } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { add } from "./add.ts";
import { cat } from "./cat.ts";

test("cat() finds files, also in the stage", async () => {
  await withDesk(async (desk) => {
    await desk.commit({ "w/a": "one", empty: "" });
    await desk.write({ "w/a": "three" });
    await add(desk.repository, { paths: ["w/a"] }, QUIET);
    const run = (revision: string) => cat(desk.repository, { revision }, QUIET);
    expect(await run("HEAD:w/a")).toEqual({ digest: digestOf("one"), sizeBytes: 3 });
    expect(await run(":w/a")).toEqual({ digest: digestOf("three"), sizeBytes: 5 });
    expect(await run("HEAD:empty")).toEqual({ digest: digestOf(""), sizeBytes: 0 });
    expect(await run(digestOf("one"))).toEqual({ digest: digestOf("one"), sizeBytes: 3 });
    await expect(run("HEAD:w")).rejects.toMatchObject({
      code: "REVISION_INVALID",
      message: "'HEAD:w' is a folder, not a file",
    });
    await expect(run("HEAD")).rejects.toMatchObject({ code: "REVISION_INVALID" });
    await expect(run(":w/b")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  });
});

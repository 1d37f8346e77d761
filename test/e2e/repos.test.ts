import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc repos lists the repositories of the store from anywhere", async () => {
  await box.commit("one", { "a.txt": "a" });
  await box.ok("tag", "v1.0.0");
  await box.ok("init", "-q", "--name", "acme/detector", "../other");
  const ran = await box.smc(["repos"], { in: "." });
  expect(ran.stdout).toMatch(
    /^acme\/detector {2}0 branches {2}0 tags {2}no commits yet\nwork +1 branch +1 tag +last commit .*\n$/,
  );
  expect(await box.ok("repos", "-q")).toBe("acme/detector\nwork\n");
  expect(await box.json("repos", "acme")).toMatchObject([{ name: "acme/detector", branchCount: 0 }]);
});

test("smc repos of a store that --store names and that is not there is refused", async () => {
  expect(await box.refused("--store", "absent", "repos")).toMatchObject({ exit: 3, code: "STORE_NOT_FOUND" });
});

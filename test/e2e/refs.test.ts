import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc refs lists branches and tags, by prefix too", async () => {
  expect(await box.ok("refs")).toBe("");
  const head = await box.commit("one", { "a.txt": "1" });
  await box.ok("tag", "v1.0.0");
  await box.ok("branch", "fix");
  expect(await box.ok("refs")).toBe(
    `${head} refs/heads/fix\n${head} refs/heads/main\n${head} refs/tags/v1.0.0\n`,
  );
  expect(await box.ok("refs", "-q", "tags")).toBe("refs/tags/v1.0.0\n");
  expect(await box.json("refs", "refs/heads/fix")).toMatchObject([
    { name: "refs/heads/fix", short: "fix", digest: head, kind: "commit" },
  ]);
});

test("smc refs works from anywhere with --repo, and refuses a repository that is not there", async () => {
  const ran = await box.smc(["refs", "-q", "--repo", "work"], { in: "." });
  expect(ran).toMatchObject({ code: 0, stdout: "refs/heads/fix\nrefs/heads/main\nrefs/tags/v1.0.0\n" });
  expect(await box.refused("refs", "--repo", "absent")).toMatchObject({
    exit: 3,
    code: "REPOSITORY_NOT_FOUND",
  });
  expect(await box.refused("refs", "--repo", "a b")).toMatchObject({
    exit: 2,
    code: "REPOSITORY_NAME_INVALID",
  });
});

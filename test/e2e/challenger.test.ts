import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc challenger names the candidate and shows it", async () => {
  const commit = await box.commit("one", { "a.bin": "1" }, "--tag", "v1.0.0");
  expect((await box.smc(["challenger"])).code).toBe(1);
  expect(await box.ok("challenger", "v1.0.0", "--reason", "to be tried")).toContain(
    `v1.0.0  ${commit.slice(0, 9)}  one\n`,
  );
  expect(await box.json("challenger")).toMatchObject({
    role: "challenger",
    commit,
    reason: "challenger: to be tried",
  });
  await box.ok("promote", "challenger", "--reason", "good", "--yes");
  expect((await box.smc(["challenger"])).code).toBe(1);
  expect(await box.refused("challenger", "v1.0.0")).toMatchObject({ exit: 5, code: "ALREADY_EXISTS" });
});

import { expect, test } from "vitest";
import { withDesk } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { env } from "./env.ts";

test("env() tells what a report needs and masks secrets", async () => {
  await withDesk(async (desk) => {
    const environment = { SMC_HOME: "/x", SMC_TOKEN: "hunter2", AWS_SECRET_ACCESS_KEY: "s", PATH: "/bin" };
    const result = await env(desk.history.store, { folder: desk.root, environment }, QUIET);
    expect(result.environment).toEqual({ SMC_HOME: "/x", SMC_TOKEN: "********" });
    expect(JSON.stringify(result)).not.toContain("hunter2");
    expect(result).toMatchObject({
      node: process.versions.node,
      store: { id: desk.history.store.id, readOnlyReason: null },
    });
    expect(result.version).toMatch(/^\d+\.\d+\.\d+/);
  });
});

import { expect, test } from "vitest";
import { withRegistry } from "../testing/registry.ts";
import { QUIET } from "../testing/testing.ts";
import { champion } from "./champion.ts";

test("champion() tells who is live, and null while nobody is", () =>
  withRegistry(async ({ repository, promote, commits }) => {
    expect(await champion(repository, {}, QUIET)).toEqual({ champion: null });
    await promote("v1.0.1", { reason: "best so far" });
    expect(await champion(repository, {}, QUIET)).toMatchObject({
      champion: {
        role: "champion",
        version: "v1.0.1",
        commit: commits[1],
        metrics: { mag: 97.63, azi: 71.28 },
        params: { lr: 0.1 },
        sizeBytes: 9,
        reason: "promote: best so far",
        by: "Ada <ada@example.org>",
      },
    });
    expect(await champion(repository, { at: "2026-01-01" }, QUIET)).toEqual({ champion: null });
    const now = await champion(repository, { at: new Date(Date.now() + 1000).toISOString() }, QUIET);
    expect(now.champion?.version).toBe("v1.0.1");
    await expect(champion(repository, { at: "never" }, QUIET)).rejects.toMatchObject({
      code: "DATE_INVALID",
    });
  }));

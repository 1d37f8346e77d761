import { expect, test } from "vitest";
import { withRegistry } from "../testing/registry.ts";
import { QUIET } from "../testing/testing.ts";
import { archive } from "./archive.ts";
import { audit } from "./audit.ts";
import { unarchive } from "./unarchive.ts";

test("unarchive() is in the audit log, with the reason the version was archived for", () =>
  withRegistry(async ({ repository }) => {
    await archive(repository, { revision: "v1.0.0", reason: "azi is low" }, QUIET);
    await unarchive(repository, { revision: "archive/v1.0.0", reason: "wanted again" }, QUIET);
    const { entries } = await audit(repository.store, { ref: "archive/*" }, QUIET);
    expect(entries.map(({ op, reason }) => [op, reason])).toEqual([
      ["unarchive", "unarchive: wanted again"],
      ["archive", "archive: azi is low"],
    ]);
  }));

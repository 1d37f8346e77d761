import { SmcError } from "@smc/store/errors";
import { expect, test } from "vitest";
import { createLogger } from "../logger.ts";
import { describeRefusal } from "./refusal.ts";

const storePath = "/srv/models/store";
const describe = (error: unknown) => describeRefusal(error, { logger: createLogger("silent"), storePath });

test.each([
  [new SmcError("DISK_FULL", "cannot write '/srv/models/store/incoming/x'"), 507, "DISK_FULL"],
  [new SmcError("CONFIG_INVALID", "'/srv/models/store/config.json', line 3: …"), 500, "INTERNAL"],
  [new SmcError("PATH_NOT_FOUND", "cannot read '/etc/smc'"), 500, "INTERNAL"],
  [new SmcError("PERMISSION_DENIED", "cannot read '/etc/smc'"), 500, "PERMISSION_DENIED"],
  [new SmcError("OBJECT_CORRUPT", "a record of /srv/models/store/packs/x"), 500, "OBJECT_CORRUPT"],
  [
    new SmcError("OBJECT_CORRUPT", "x", { details: { pack: "/srv/models/store/packs/x" } }),
    500,
    "OBJECT_CORRUPT",
  ],
  [
    Object.assign(new Error("EACCES: /etc/smc"), { code: "EACCES", syscall: "open" }),
    500,
    "PERMISSION_DENIED",
  ],
  [new TypeError("undefined is not a function (/srv/models/store)"), 500, "INTERNAL"],
  ["/srv/models/store", 500, "INTERNAL"],
])("what goes wrong in the server is told by its code and an id: %s", (error, http, code) => {
  const failure = describe(error);
  expect(failure).toMatchObject({
    http,
    json: { code, details: { id: expect.stringMatching(/^[0-9a-f]{12}$/) } },
  });
  expect(JSON.stringify(failure)).not.toMatch(/srv|etc|stack|\.ts/);
});

test("what is wrong with a request is told as it is", () => {
  const error = new SmcError("REF_CHANGED", "'refs/heads/main' moved", {
    details: { name: "refs/heads/main" },
  });
  expect(describe(error)).toEqual({ http: 409, json: error.toJSON() });
});

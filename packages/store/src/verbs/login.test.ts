import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import { QUIET } from "../testing/testing.ts";
import { type Login, login, type LoginAccess } from "./login.ts";
import { logout } from "./logout.ts";

const TOKEN = `smc_${"a".repeat(43)}`;
const FOUND = { name: "ada", scopes: ["read"], expiresMs: null };
const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

/** Servers that take this one token, and tokens in memory. */
function accessTo(kept: Map<string, Login>): LoginAccess {
  return {
    originOf: (url) => new URL(url).origin,
    ask: async ({ token }) => {
      if (token !== TOKEN) throw new SmcError("AUTH_FAILED", "no");
      return FOUND;
    },
    keep: async (one) => void kept.set(one.origin, one),
    forget: async (origin) => kept.delete(origin),
  };
}

test("login() keeps what the server takes, logout() forgets it", async () => {
  const kept = new Map<string, Login>();
  const access = accessTo(kept);
  const options = { url: "https://h:7433/team/model", token: TOKEN, caPem: PEM };
  expect(await login(access, options, QUIET)).toEqual({ origin: "https://h:7433", ...FOUND });
  expect(kept.get("https://h:7433")).toEqual({ origin: "https://h:7433", token: TOKEN, caPem: PEM });
  expect(await logout(access, { url: "https://h:7433" }, QUIET)).toEqual({ origin: "https://h:7433" });
  expect(kept.size).toBe(0);
});

test.each([
  [{ token: `smc_${"b".repeat(43)}` }, "AUTH_FAILED"],
  [{ token: "hunter2" }, "ARGUMENT_INVALID"],
  [{ token: `${TOKEN}\n` }, "ARGUMENT_INVALID"],
  [{ token: "" }, "ARGUMENT_INVALID"],
  [{ caPem: "no certificate" }, "ARGUMENT_INVALID"],
  [{ caPem: PEM + "x".repeat(300_000) }, "ARGUMENT_INVALID"],
])("login() keeps nothing of %j", async (wrong, code) => {
  const kept = new Map<string, Login>();
  const options = { url: "https://h", token: TOKEN, ...wrong };
  const failure = login(accessTo(kept), options, QUIET);
  await expect(failure).rejects.toMatchObject({ code });
  await expect(failure).rejects.toMatchObject({ message: expect.not.stringMatching(/hunter2|smc_[ab]/) });
  expect(kept.size).toBe(0);
});

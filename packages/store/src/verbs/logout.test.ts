import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { logout } from "./logout.ts";

test("logout() says when there was nothing to forget, and is about one exact origin", async () => {
  const kept = new Set(["https://h"]);
  const access = {
    originOf: (url: string) => new URL(url).origin,
    forget: async (origin: string) => kept.delete(origin),
  };
  for (const url of ["http://h", "https://h:8443", "https://h.example.org"])
    await expect(logout(access, { url }, QUIET)).rejects.toMatchObject({ code: "TOKEN_NOT_FOUND" });
  expect(await logout(access, { url: "https://h/model" }, QUIET)).toEqual({ origin: "https://h" });
});

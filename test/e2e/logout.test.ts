import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const sandbox = await createSandbox();
afterAll(() => sandbox[Symbol.asyncDispose]());
const origins = { "https://models.lan:7433": { token: `smc_${"a".repeat(43)}` } };
const write = (mode: number): void =>
  writeFileSync(join(sandbox.home, "credentials.json"), JSON.stringify({ version: 1, origins }), { mode });

test("smc logout forgets the token for a server, of one exact origin", async () => {
  write(0o600);
  for (const url of ["https://models.lan", "https://models.lan:8443", "https://models.lan.example.org:7433"])
    expect(await sandbox.refused("logout", url)).toMatchObject({ exit: 3, code: "TOKEN_NOT_FOUND" });
  expect(await sandbox.ok("logout", "https://Models.lan:7433/team/model")).toBe(
    "Forgot the token for https://models.lan:7433\n",
  );
  expect(await sandbox.refused("logout", "https://models.lan:7433")).toMatchObject({ exit: 3 });
});

test.each([
  [["logout"], 2, "USAGE"],
  [["logout", "models.lan"], 2, "URL_INVALID"],
  [["logout", "https://ada:secret@models.lan"], 2, "URL_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await sandbox.refused(...words)).toMatchObject({ exit, code });
});

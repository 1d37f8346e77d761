import { chmod, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QUIET, withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { codeOf } from "./bucket-suite.ts";
import { forgetCredential, keepCredential, readCredential } from "./credentials.ts";
import { TOKEN } from "./http-server.ts";
import { failureOf } from "./s3-server.ts";

const OTHER = `smc_${"o".repeat(43)}`;

async function withCredentials(run: (path: string, file: string) => Promise<void>): Promise<void> {
  await withFolder(async (path) => {
    await keepCredential({ path }, { origin: "https://h", credential: { token: TOKEN } }, QUIET);
    await run(path, join(path, "credentials.json"));
  });
}

test("a token is kept for one exact origin, in a file that nobody else can read", async () => {
  await withCredentials(async (path, file) => {
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readCredential({ path }, "https://h")).toEqual({ token: TOKEN });
    for (const origin of ["http://h", "https://h:8443", "https://h.example.org", "https://", "__proto__"])
      expect(await readCredential({ path }, origin)).toBeUndefined();
    const credential = { token: OTHER, caPem: "PEM" };
    await keepCredential({ path }, { origin: "https://h:8443", credential }, QUIET);
    expect(await readCredential({ path }, "https://h:8443")).toEqual(credential);
    expect(await readCredential({ path }, "https://h")).toEqual({ token: TOKEN });
    expect(await forgetCredential({ path }, "https://h", QUIET)).toBe(true);
    expect(await forgetCredential({ path }, "https://h", QUIET)).toBe(false);
    expect(await readFile(file, "utf8")).not.toContain(TOKEN);
  });
});

test("many who log in at once keep all their tokens", async () => {
  await withCredentials(async (path) => {
    const origins = Array.from({ length: 20 }, (_, index) => `https://h${index}`);
    await Promise.all(
      origins.map((origin) => keepCredential({ path }, { origin, credential: { token: OTHER } }, QUIET)),
    );
    for (const origin of origins) expect(await readCredential({ path }, origin)).toEqual({ token: OTHER });
  });
});

test("a file that others may read is not used, and nothing is written to it", async () => {
  await withCredentials(async (path, file) => {
    for (const mode of [0o640, 0o604, 0o660, 0o610]) {
      await chmod(file, mode);
      const error = await failureOf(() => readCredential({ path }, "https://h"));
      expect(error).toMatchObject({ code: "UNSAFE_OWNER", hint: expect.stringContaining("chmod 600") });
      const keep = () =>
        keepCredential({ path }, { origin: "https://x", credential: { token: OTHER } }, QUIET);
      expect(await codeOf(keep)).toBe("UNSAFE_OWNER");
    }
    await chmod(file, 0o400);
    expect(await readCredential({ path }, "https://h")).toEqual({ token: TOKEN });
  });
});

test("a link in the place of the file is not followed", async () => {
  await withCredentials(async (path, file) => {
    await rename(file, join(path, "elsewhere"));
    await symlink(join(path, "elsewhere"), file);
    expect(await codeOf(() => readCredential({ path }, "https://h"))).toBe("UNSAFE_PATH");
  });
});

const origins = (value: unknown): string => JSON.stringify({ version: 1, origins: value });

test.for([
  ["", "STORE_CORRUPT"],
  [`{"token":"${TOKEN}"`, "STORE_CORRUPT"],
  ["[]", "STORE_CORRUPT"],
  ["null", "STORE_CORRUPT"],
  ['{"version":2,"origins":{}}', "FORMAT_UNSUPPORTED"],
  [origins(7), "STORE_CORRUPT"],
  [origins({ "https://h": TOKEN }), "STORE_CORRUPT"],
  [origins({ "https://h": { token: `${TOKEN}\r\nx: y` } }), "STORE_CORRUPT"],
  [origins({ "https://h": { token: "x".repeat(1e6) } }), "STORE_CORRUPT"],
  [origins({ "https://h/path": { token: TOKEN } }), "STORE_CORRUPT"],
  [origins({ "https://h": { token: TOKEN, caPem: 7 } }), "STORE_CORRUPT"],
  [" ".repeat(5 * 1024 * 1024), "STORE_CORRUPT"],
] as const)("a file with %.40s is %s, told without what stands in it", async ([text, code]) => {
  await withCredentials(async (path, file) => {
    await writeFile(file, text);
    const error = await failureOf(() => readCredential({ path }, "https://h"));
    expect(error.code).toBe(code);
    expect(JSON.stringify(error)).not.toContain("smc_");
  });
});

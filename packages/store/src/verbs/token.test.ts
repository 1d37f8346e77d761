import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { QUIET, withFolder } from "../testing/testing.ts";
import { findToken } from "../tokens.ts";
import { token, type TokenOptions, type TokenResult } from "./token.ts";

interface Place {
  readonly path: string;
  readonly file: string;
  readonly ask: (options: TokenOptions) => Promise<TokenResult>;
}

async function withTokens(run: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (path) => {
    await run({ path, file: join(path, "tokens.json"), ask: (options) => token({ path }, options, QUIET) });
  });
}

async function make({ ask }: Place, name: string, more: Partial<TokenOptions> = {}): Promise<string> {
  return (await ask({ action: "create", name, ...more })).secret ?? "";
}

test("token() tells a token once, and keeps nothing that it can be made from", async () => {
  await withTokens(async (place) => {
    const secret = await make(place, "laptop");
    expect(secret).toMatch(/^smc_[A-Za-z0-9_-]{43}$/);
    expect(statSync(place.file).mode & 0o777).toBe(0o600);
    expect(readFileSync(place.file, "utf8")).not.toContain(secret.slice(4));
    const listed = await place.ask({ action: "list" });
    expect(listed).toMatchObject({
      secret: null,
      tokens: [{ name: "laptop", scopes: ["read", "push"], expires: null, expired: false }],
    });
    expect(JSON.stringify(listed)).not.toContain("sha256");
    expect(await findToken(place, secret)).toMatchObject({ name: "laptop" });
  });
});

test("findToken() finds nothing but the very text of a token", async () => {
  await withTokens(async (place) => {
    expect(await findToken(place, "")).toBe(undefined);
    const secret = await make(place, "a");
    await make(place, "b");
    for (const other of [
      "",
      " ",
      secret.slice(1),
      `${secret} `,
      ` ${secret}`,
      `${secret}\n`,
      secret.slice(0, -1),
      `${secret}A`,
      secret.toUpperCase(),
    ])
      expect(await findToken(place, other)).toBe(undefined);
    expect((await findToken(place, secret))?.name).toBe("a");
  });
});

test("a scope brings those along that it needs", async () => {
  await withTokens(async (place) => {
    const scopesOf = async (scopes: readonly string[]) => {
      const name = `t-${scopes.join("-")}`;
      return (await place.ask({ action: "create", name, scopes })).tokens[0]?.scopes;
    };
    expect(await scopesOf(["read"])).toEqual(["read"]);
    expect(await scopesOf(["push"])).toEqual(["read", "push"]);
    expect(await scopesOf(["admin"])).toEqual(["read", "push", "admin"]);
    expect(await scopesOf(["jobs", "read", "jobs"])).toEqual(["read", "jobs"]);
  });
});

test("token() rotates and revokes at once, and keeps the id of who has it", async () => {
  await withTokens(async (place) => {
    const old = await make(place, "ci");
    const before = (await place.ask({ action: "list" })).tokens[0];
    const { secret, tokens } = await place.ask({ action: "rotate", name: "ci" });
    expect(tokens).toEqual([before]);
    expect(await findToken(place, old)).toBe(undefined);
    expect(await findToken(place, secret ?? "")).toMatchObject({ id: before?.id });
    await place.ask({ action: "revoke", name: "ci" });
    expect(await findToken(place, secret ?? "")).toBe(undefined);
    expect((await place.ask({ action: "list" })).tokens).toEqual([]);
  });
});

test("a token that expired is worth nothing and is listed as such", async () => {
  await withTokens(async (place) => {
    const late = await make(place, "late", { expires: "0" });
    const fresh = await make(place, "fresh", { expires: "90d" });
    expect(await findToken(place, late)).toBe(undefined);
    expect(await findToken(place, fresh)).toMatchObject({ name: "fresh" });
    expect((await place.ask({ action: "list" })).tokens.map(({ name, expired }) => [name, expired])).toEqual([
      ["fresh", false],
      ["late", true],
    ]);
  });
});

test("token() rotates what expired only when it is told for how long", async () => {
  await withTokens(async (place) => {
    await make(place, "ci", { expires: "0" });
    const before = readFileSync(place.file);
    const rotating = (expires?: string): Promise<TokenResult> =>
      place.ask({ action: "rotate", name: "ci", ...(expires === undefined ? {} : { expires }) });
    for (const expires of [undefined, "0"])
      await expect(rotating(expires)).rejects.toMatchObject({
        code: "ARGUMENT_INVALID",
        hint: expect.stringContaining("smc token rotate ci --expires"),
      });
    expect(readFileSync(place.file)).toEqual(before);
    const { secret, tokens } = await rotating("90d");
    expect(tokens).toMatchObject([{ name: "ci", expired: false }]);
    expect(await findToken(place, secret ?? "")).toMatchObject({ name: "ci" });
    expect((await rotating()).tokens).toEqual(tokens);
  });
});

test("tokens that are made at the same time are all there afterwards", async () => {
  await withTokens(async (place) => {
    const names = Array.from({ length: 20 }, (_, index) => `t${index}`);
    const secrets = await Promise.all(names.map((name) => make(place, name)));
    expect((await place.ask({ action: "list" })).tokens.map(({ name }) => name)).toEqual(names.sort());
    for (const secret of secrets) expect(await findToken(place, secret)).toBeDefined();
  });
});

const name = "a";
test.each<[TokenOptions, string]>([
  [{ action: "create" }, "ARGUMENT_INVALID"],
  [{ action: "create", name: "" }, "ARGUMENT_INVALID"],
  [{ action: "create", name: "a b" }, "ARGUMENT_INVALID"],
  [{ action: "create", name: "a<b>" }, "ARGUMENT_INVALID"],
  [{ action: "create", name: "-a" }, "ARGUMENT_INVALID"],
  [{ action: "create", name: "a".repeat(65) }, "ARGUMENT_INVALID"],
  [{ action: "create", name: "taken" }, "ALREADY_EXISTS"],
  [{ action: "create", name: "Taken" }, "ALREADY_EXISTS"],
  [{ action: "create", name, scopes: [] }, "ARGUMENT_INVALID"],
  [{ action: "create", name, scopes: ["write"] }, "ARGUMENT_INVALID"],
  [{ action: "create", name, expires: "soon" }, "DATE_INVALID"],
  [{ action: "create", name, expires: "999999999 weeks" }, "DATE_INVALID"],
  [{ action: "rotate", name: "nobody" }, "TOKEN_NOT_FOUND"],
  [{ action: "revoke", name: "nobody" }, "TOKEN_NOT_FOUND"],
  [{ action: "revoke" }, "ARGUMENT_INVALID"],
  [{ action: "rotate", name: "taken", scopes: ["admin"] }, "ARGUMENT_INVALID"],
  [{ action: "revoke", name: "taken", expires: "90d" }, "ARGUMENT_INVALID"],
  [{ action: "list", name: "taken" }, "ARGUMENT_INVALID"],
])("token(%j) is refused with %s, and nothing changes", async (options, code) => {
  await withTokens(async (place) => {
    const secret = await make(place, "taken");
    const before = readFileSync(place.file);
    await expect(place.ask(options)).rejects.toMatchObject({ code });
    expect(readFileSync(place.file)).toEqual(before);
    expect(await findToken(place, secret)).toBeDefined();
  });
});

test("a list of tokens that is not exactly one lets nobody in", async () => {
  await withTokens(async (place) => {
    const secret = await make(place, "a");
    const good = JSON.parse(readFileSync(place.file, "utf8")) as { tokens: Record<string, unknown>[] };
    const [record] = good.tokens;
    const bad: unknown[] = [
      undefined,
      [],
      { tokens: [record] },
      { version: 1 },
      { version: 1, tokens: {} },
      { version: 1, tokens: [record, record] },
      { version: 1, tokens: [null] },
      ...["id", "name", "scopes", "sha256", "createdMs", "expiresMs"].map((field) => ({
        version: 1,
        tokens: [{ ...record, [field]: undefined }],
      })),
      { version: 1, tokens: [{ ...record, scopes: ["read", "root"] }] },
      { version: 1, tokens: [{ ...record, scopes: [] }] },
      { version: 1, tokens: [{ ...record, expiresMs: "2030" }] },
      { version: 1, tokens: [{ ...record, sha256: "" }] },
    ];
    for (const value of bad) {
      writeFileSync(place.file, JSON.stringify(value) ?? "{");
      await expect(findToken(place, secret)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
      await expect(place.ask({ action: "create", name: "b" })).rejects.toMatchObject({
        code: "STORE_CORRUPT",
      });
    }
    writeFileSync(place.file, JSON.stringify({ ...good, version: 2 }));
    await expect(findToken(place, secret)).rejects.toMatchObject({ code: "FORMAT_UNSUPPORTED" });
  });
});

test("findToken() sees at once that a list which was there for a while is another one", async () => {
  await withTokens(async (place) => {
    const [ada, bob] = [await make(place, "ada"), await make(place, "bob")];
    // From then on the list is kept in memory.
    const settle = (): Promise<void> =>
      vi.waitFor(() => expect(Date.now() - statSync(place.file).ctimeMs).toBeGreaterThan(2100), 60_000);
    await settle();
    for (const secret of [ada, ada, bob, bob]) expect(await findToken(place, secret)).toBeDefined();
    await place.ask({ action: "revoke", name: "ada" });
    expect(await findToken(place, ada)).toBeUndefined();
    await settle();
    for (let time = 0; time < 2; time += 1) expect(await findToken(place, bob)).toBeDefined();
    // As an editor does that writes into the file: as long as before.
    const text = readFileSync(place.file, "utf8");
    writeFileSync(
      place.file,
      text.replace(
        /("sha256": ")./,
        (_, before: string) => `${before}${text.includes('sha256": "0') ? 1 : 0}`,
      ),
    );
    expect(await findToken(place, bob)).toBeUndefined();
    await settle();
    expect(await findToken(place, bob)).toBeUndefined();
    rmSync(place.file);
    expect(await findToken(place, bob)).toBeUndefined();
  });
});

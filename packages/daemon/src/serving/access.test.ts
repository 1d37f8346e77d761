import { token } from "@smc/store";
import { QUIET } from "@smc/store/testing";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Ask, withServer } from "./testing.ts";

const ME: Ask = { path: "/v1/token" };
const P = "a".repeat(64);

test("the server tells anybody that it is there, and nothing else without a token", async () => {
  await withServer(async ({ ask, tokens }) => {
    const health = await ask({
      path: "/healthz",
      headers: { authorization: undefined, "smc-remote": undefined },
    });
    expect(health).toMatchObject({ status: 200, json: { status: "ok" } });
    const me = await ask(ME);
    expect(me).toMatchObject({
      status: 200,
      json: { result: { name: "push", scopes: ["read", "push"], expiresMs: null } },
    });
    expect(me.headers["smc-remote"]).toBe("1");
    expect(me.text).not.toContain(tokens.push);
  });
});

test("C1: whatever is wrong with a token, the answer is the same", async () => {
  await withServer(async ({ ask, tokens, raw }) => {
    const good = tokens.push;
    const wrong: (string | undefined)[] = [
      undefined,
      "",
      good,
      `Bearer ${good.slice(0, -1)}`,
      `Bearer ${good}x`,
      `Bearer ${good.toLowerCase()}`,
      `Bearer  ${good}`,
      `Bearer ${good} x`,
      `bearer ${good}`,
      `Bearer "${good}"`,
      `Basic ${Buffer.from(`x:${good}`).toString("base64")}`,
      `Bearer smc_${"A".repeat(43)}`,
      `Bearer ${"A".repeat(10_000)}`,
      `Bearer ${good}, Bearer ${good}`,
    ];
    const answers = new Set<string>();
    for (const authorization of wrong) {
      const answer = await ask({ ...ME, headers: { authorization } });
      expect([authorization?.slice(0, 80), answer.status]).toEqual([authorization?.slice(0, 80), 401]);
      expect(answer.headers["www-authenticate"]).toBe("Bearer");
      answers.add(answer.text);
    }
    const elsewhere = [
      { path: `/v1/token?token=${good}`, headers: { authorization: undefined } },
      { path: `/v1/token?access_token=${good}`, headers: { authorization: undefined } },
      {
        path: "/v1/token",
        headers: { authorization: undefined, cookie: `token=${good}; authorization=Bearer ${good}` },
      },
      { path: "/nothing", headers: { authorization: undefined } },
      { path: "/v1/repositories/x/refs", headers: { authorization: undefined } },
    ];
    for (const request of elsewhere) answers.add((await ask(request)).text);
    expect([...answers]).toHaveLength(1);
    expect([...answers][0]).toContain('"AUTH_FAILED"');
    const huge = await raw(
      `GET /v1/token HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${"A".repeat(1 << 20)}\r\n\r\n`,
    );
    expect(huge).toMatch(/^HTTP\/1\.1 431 |^$/);
    expect((await ask(ME)).status).toBe(200);
  });
});

test("another version of the protocol is refused", async () => {
  await withServer(async ({ ask }) => {
    const missing = await ask({ ...ME, headers: { "smc-remote": undefined } });
    expect(missing).toMatchObject({ status: 400, json: { error: { code: "REQUEST_INVALID" } } });
    const other = await ask({ ...ME, headers: { "smc-remote": "2" } });
    expect(other).toMatchObject({ status: 503, json: { error: { code: "DAEMON_INCOMPATIBLE" } } });
    expect(other.headers["smc-remote"]).toBe("1");
  });
});

test("C21: a token may do what its scopes say, and tells which one is missing", async () => {
  await withServer(async ({ ask, tokens, storePath }) => {
    const writes: Ask[] = [
      { method: "PUT", path: `/v1/repositories/demo/packs/${P}`, body: "x" },
      {
        method: "POST",
        path: "/v1/repositories/demo/update",
        body: "{}",
        headers: { "content-type": "application/json" },
      },
    ];
    for (const request of writes) {
      const answer = await ask({ ...request, token: tokens.read });
      expect(answer).toMatchObject({
        status: 403,
        json: { error: { code: "SCOPE_MISSING", details: { scope: "push" } } },
      });
    }
    const { secret } = await token(
      { path: storePath },
      { action: "create", name: "jobs", scopes: ["jobs"] },
      QUIET,
    );
    const jobs = secret ?? "";
    expect((await ask({ path: "/v1/repositories/demo/refs", token: jobs })).json.error?.code).toBe(
      "SCOPE_MISSING",
    );
    expect((await ask({ ...ME, token: jobs })).status).toBe(200);
  });
});

test("C21: a token that expired, was rotated or revoked is dead at once", async () => {
  await withServer(async ({ ask, storePath, tokens }) => {
    const place = { path: storePath };
    const late = await token(place, { action: "create", name: "late", expires: "0" }, QUIET);
    expect((await ask({ ...ME, token: late.secret ?? "" })).status).toBe(401);
    expect((await ask(ME)).status).toBe(200);
    const { secret } = await token(place, { action: "rotate", name: "push" }, QUIET);
    expect((await ask(ME)).status).toBe(401);
    expect((await ask({ ...ME, token: secret ?? "" })).status).toBe(200);
    expect((await ask({ ...ME, token: tokens.read })).status).toBe(200);
    await token(place, { action: "revoke", name: "read" }, QUIET);
    expect((await ask({ ...ME, token: tokens.read })).status).toBe(401);
  });
});

test("nobody is let in by a list of tokens that is damaged, and nothing of this machine is told", async () => {
  await withServer(async ({ ask, storePath }) => {
    writeFileSync(join(storePath, "tokens.json"), '{"version":1,"tokens":[{"name":"x"}]}');
    const answer = await ask(ME);
    expect(answer).toMatchObject({ status: 500, json: { error: { code: "STORE_CORRUPT" } } });
    expect(answer.text).not.toContain(storePath);
    expect(answer.text).not.toContain("tokens.json");
  });
});

test("the daemon's own requests cannot be asked over the network", async () => {
  await withServer(async ({ ask, tokens }) => {
    for (const path of ["/v1/daemon", "/v1/daemon/stop", "/v1/verbs/refs", `/v1/blobs/${P}`]) {
      for (const method of ["GET", "POST"]) {
        const headers = { "smc-protocol": "1" };
        const answer = await ask({ method, path, headers, token: tokens.admin });
        expect([path, answer.status, answer.json.error?.code]).toEqual([path, 404, "ROUTE_NOT_FOUND"]);
      }
    }
  });
});

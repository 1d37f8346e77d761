import { createServer, type Server } from "node:https";
import { QUIET } from "@smc/store/testing";
import { expect, test } from "vitest";
import { type CertificateOptions, createAuthority } from "./certificates.ts";
import { json, TOKEN, withHttpServer } from "./http-server.ts";
import { askForToken, assertReads } from "./http-token.ts";
import { failureOf, listening, QUICK } from "./s3-server.ts";

const FOUND = { name: "ada", scopes: ["read", "push"], expiresMs: Date.UTC(2030, 0, 1) };
const authority = createAuthority("Authority of these tests");

/** Runs with the origin of a server that has such a certificate of `authority`. */
async function withTlsServer(
  options: CertificateOptions,
  run: (origin: string, requests: readonly string[]) => Promise<void>,
): Promise<void> {
  const { certPem, keyPem } = authority.issue(options);
  const requests: string[] = [];
  const server: Server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    requests.push(request.headers.authorization ?? "");
    json(response, { result: { ...FOUND, version: "1", storeId: "0" } });
  });
  try {
    await listening(server, (port) => run(`https://127.0.0.1:${port}`, requests));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const ask = (origin: string, caPem?: string) => {
  const credential = { token: TOKEN, ...(caPem === undefined ? {} : { caPem }) };
  return askForToken({ origin, credential, limits: QUICK }, QUIET);
};

test("a server that an authority of the user's vouches for is asked", async () => {
  await withTlsServer({}, async (origin, requests) => {
    expect(await ask(origin, authority.caPem)).toEqual(FOUND);
    expect(requests).toEqual([`Bearer ${TOKEN}`]);
  });
});

const HOUR_MS = 3_600_000;

test.for([
  ["that nobody known vouches for", {}, undefined, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  [
    "that somebody else vouches for",
    {},
    createAuthority("Somebody else").caPem,
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  ],
  [
    "of another host",
    { hosts: ["models.lan", "127.0.0.2"] },
    authority.caPem,
    "ERR_TLS_CERT_ALTNAME_INVALID",
  ],
  ["that has expired", { toMs: -HOUR_MS }, authority.caPem, "CERT_HAS_EXPIRED"],
  ["that is not valid yet", { fromMs: HOUR_MS }, authority.caPem, "CERT_NOT_YET_VALID"],
] as const)("a certificate %s ends it before the token is sent", async ([, options, caPem, code]) => {
  // What switches the check off elsewhere.
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
  try {
    await withTlsServer(options, async (origin, requests) => {
      const error = await failureOf(() => ask(origin, caPem));
      expect(error.code).toBe("REMOTE_UNREACHABLE");
      expect(error.message).toContain(code);
      expect(error.hint).toContain(code === "UNABLE_TO_VERIFY_LEAF_SIGNATURE" ? "--ca-file" : "clock");
      expect(requests).toEqual([]);
    });
  } finally {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
  }
});

test("a server that speaks no TLS where it should is told as such", async () => {
  await withHttpServer(
    (_, response) => json(response, {}),
    async ({ origin }) => {
      const error = await failureOf(() => ask(origin.replace("http:", "https:")));
      expect(error.code).toBe("REMOTE_UNREACHABLE");
      expect(error.message).toContain("no secure connection");
    },
  );
});

test.for([
  [{ ...FOUND, expiresMs: null }, { expiresMs: null }],
  [{ ...FOUND, expiresMs: 1e300 }, { expiresMs: null }],
  [{ ...FOUND, name: `\u001b[2J ${TOKEN}` }, { name: "\\x1b[2J ***" }],
  [{ ...FOUND, scopes: ["read\u001b", 7] }, { scopes: ["read\\x1b", "7"] }],
] as const)("what a server says of a token is made safe: %j", async ([result, safe]) => {
  await withHttpServer(
    (_, response) => json(response, { result }),
    async ({ origin }) => expect(await ask(origin)).toEqual({ ...FOUND, ...safe }),
  );
});

test.for([
  [{}],
  [{ ...FOUND, name: 7 }],
  [{ ...FOUND, scopes: "read" }],
  [{ ...FOUND, scopes: Array(100).fill("x") }],
])("what tells nothing of a token is refused: %#", async ([result]) => {
  await withHttpServer(
    (_, response) => json(response, { result }),
    async ({ origin }) => expect((await failureOf(() => ask(origin))).code).toBe("REMOTE_FAILED"),
  );
});

test("assertReads() tells who may fetch only, and refuses who may not even that", async () => {
  const reads = (scopes: readonly string[]) => assertReads({ ...FOUND, scopes }, "https://h");
  expect(reads(["read"])).toEqual({ readOnly: true });
  expect(reads(["read", "push"])).toEqual({ readOnly: false });
  expect(reads(["admin", "push", "read"])).toEqual({ readOnly: false });
  for (const scopes of [[], ["jobs"], ["push"]])
    expect((await failureOf(async () => reads(scopes))).code).toBe("SCOPE_MISSING");
});

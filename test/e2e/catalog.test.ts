import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../source.ts";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
const WEIGHTS = Buffer.alloc(1_000_000, "weights");
const SHA256 = createHash("sha256").update(WEIGHTS).digest("hex");
const MD5 = createHash("md5").update(WEIGHTS).digest("hex");

/** Requests that came: path and range. */
const requests: string[] = [];
let breaksOff = false;
const server: Server = createServer((request, response) => {
  const { range } = request.headers;
  requests.push(`${request.url ?? ""} ${range ?? "all"}`);
  if (request.url?.startsWith("/gone") === true) return void response.writeHead(404).end();
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  const headers = { etag: '"1"', "content-length": String(WEIGHTS.length - from) };
  if (from > 0 && !breaksOff)
    response.writeHead(206, {
      ...headers,
      "content-range": `bytes ${from}-${WEIGHTS.length - 1}/${WEIGHTS.length}`,
    });
  else if (from === 0) response.writeHead(200, headers);
  if (!breaksOff) return void response.end(WEIGHTS.subarray(from));
  // A piece once, then nothing more.
  if (from > 0) return void response.writeHead(404).end();
  response.write(WEIGHTS.subarray(0, 600_000), () => setImmediate(() => response.destroy()));
});
let origin = "";
beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await box.ok("config", "set", "catalog.privateHosts", "127.0.0.1");
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await box[Symbol.asyncDispose]();
});

const schema = JSON.parse(readFileSync(join(ROOT, "docs", "reference", "models.schema.json"), "utf8"));

test("S4.13 smc catalog add keeps where a model is in a file that is versioned", async () => {
  const words = ["catalog", "add", "best.pt", "--url", `${origin}/best.pt`, "--sha256", SHA256, "--md5", MD5];
  expect(await box.ok(...words, "--default")).toBe(`Added best.pt to ${box.path("smc.models.json")}\n`);
  const validate = new Ajv2020().compile(schema);
  expect(validate(JSON.parse(box.read("smc.models.json"))), JSON.stringify(validate.errors)).toBe(true);
  await box.commit("the catalog");
  expect(await box.ok("ls-files")).toContain("smc.models.json\n");
  await box.ok("catalog", "rm", "best.pt");
  expect(await box.ok("status")).toContain("smc.models.json");
  await box.ok("restore", "smc.models.json");
  expect(await box.ok("catalog")).toMatch(
    new RegExp(`^best\\.pt +${SHA256.slice(0, 12)} +- +default +http://`),
  );
  expect(await box.json("catalog", "list")).toMatchObject({
    models: [{ name: "best.pt", md5: MD5, path: null }],
  });
});

test("S4.15 smc setup --with-defaults downloads the default models into trained/, once", async () => {
  const path = box.path("data/models/trained/best.pt");
  expect(await box.ok("setup", "--with-defaults")).toContain(`Downloaded ${path}, 976.6 KiB\n`);
  expect(readFileSync(path).equals(WEIGHTS)).toBe(true);
  const before = requests.length;
  expect(await box.ok("setup", "--with-defaults")).toContain(`${path} is up to date\n`);
  expect(requests).toHaveLength(before);
});

test("S4.6 smc catalog pull --all keeps what came when one of three fails, names it, and ends with 6", async () => {
  await box.ok("catalog", "add", "gone.pt", "--url", `${origin}/gone.pt`);
  await box.ok("catalog", "add", "third.pt", "--url", `${origin}/third.pt`, "--md5", MD5);
  const ran = await box.smc(["catalog", "pull", "--all"]);
  expect(ran.code).toBe(6);
  expect(ran.stdout).toContain("\n1 of 3 failed: gone.pt\n");
  expect(ran.stderr).toContain("gone.pt failed: ");
  expect(ran.stderr).toContain("it answered 404");
  expect(readdirSync(box.path("data/models/downloads"))).toEqual([
    "best.pt",
    "best.pt.json",
    "third.pt",
    "third.pt.json",
  ]);
  expect(await box.json("show", "third.pt")).toMatchObject({
    md5: execFileSync("md5sum", [box.path("data/models/downloads/third.pt")], { encoding: "utf8" }).slice(
      0,
      32,
    ),
    url: `${origin}/third.pt`,
    downloaded: expect.stringMatching(/^\d{4}-/),
  });
  expect(await box.refused("catalog", "pull", "gone.pt")).toMatchObject({ code: "REMOTE_FAILED", exit: 6 });
});

test("S4.16 smc catalog pull of other bytes than the digest says ends with 4 and keeps nothing", async () => {
  await box.ok("catalog", "add", "wrong.pt", "--url", `${origin}/wrong.pt`, "--md5", "0".repeat(32));
  expect(await box.refused("catalog", "pull", "wrong.pt")).toMatchObject({ code: "OBJECT_CORRUPT", exit: 4 });
  expect(readdirSync(box.path("data/models/downloads")).filter((name) => name.includes("wrong"))).toEqual([]);
  await box.ok("catalog", "add", "wrong2.pt", "--url", `${origin}/wrong.pt`, "--md5", "0".repeat(32));
  const both = await box.smc(["catalog", "pull", "wrong.pt", "wrong2.pt"]);
  expect([both.code, both.stdout]).toEqual([4, "2 of 2 failed: wrong.pt, wrong2.pt\n"]);
});

test("smc catalog pull goes on where the last one broke off, also when the daemon was stopped", async () => {
  await box.ok("catalog", "add", "big.pt", "--url", `${origin}/big.pt?key=geheim`, "--sha256", SHA256);
  breaksOff = true;
  const error = await box.refused("catalog", "pull", "big.pt");
  breaksOff = false;
  expect(error).toMatchObject({ code: "REMOTE_FAILED", exit: 6 });
  expect(error.message + error.stderr).not.toContain("geheim");
  await box.ok("daemon", "stop");
  const before = requests.length;
  expect(await box.ok("catalog", "pull", "big.pt")).toContain(" were there already\n");
  expect(requests[before]).toMatch(/^\/big\.pt\?key=geheim bytes=[1-9]\d*-$/);
  expect(await box.ok("catalog")).not.toContain("geheim");
});

test.each([
  [["catalog", "steal"], 2, "ARGUMENT_INVALID"],
  [["catalog", "pull"], 2, "USAGE"],
  [["catalog", "pull", "nope.pt"], 3, "PATH_NOT_FOUND"],
  [["catalog", "add", "x.pt"], 2, "USAGE"],
  [["catalog", "add", "x.pt", "--url", "https://ada:geheim@host/x.pt"], 2, "URL_INVALID"],
  [["catalog", "rm", "best.pt", "--md5", "x"], 2, "USAGE"],
  [["catalog", "list", "x"], 2, "USAGE"],
  [["catalog", "add", "best.pt", "--url", "https://host/best.pt"], 5, "ALREADY_EXISTS"],
] as const)("smc %j is refused", async (words, exit, code) => {
  const error = await box.refused(...words);
  expect(error).toMatchObject({ exit, code });
  expect(error.message).not.toContain("geheim");
});

test("C22 smc catalog pull asks nothing of this machine or a private network that the user did not name", async () => {
  await box.ok("config", "set", "catalog.privateHosts", "models.lan");
  const before = requests.length;
  await box.ok("catalog", "add", "near.pt", "--url", `${origin}/near.pt`);
  const ran = await box.smc(["catalog", "pull", "near.pt"]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("an address of this machine or of a private network; it was not asked");
  expect(ran.stderr).toContain("smc config set catalog.privateHosts 127.0.0.1");
  expect(requests).toHaveLength(before);
});

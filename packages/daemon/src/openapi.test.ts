import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { api, type VerbName } from "./api.ts";
import { createClient } from "./client.ts";
import { rawRequest, withDaemonHere } from "./testing.ts";

const SLOW_MS = 240_000;

interface Generator {
  readonly DOCUMENT: string;
  readonly renderDocument: () => Promise<string>;
}

interface Document {
  readonly paths: Readonly<Record<string, unknown>>;
  readonly components: object;
}

test(
  "openapi.json says what the code says; if not, run scripts/openapi.mjs",
  { timeout: SLOW_MS },
  async () => {
    const script = new URL("../../../scripts/openapi.mjs", import.meta.url).href;
    const { DOCUMENT, renderDocument } = (await import(script)) as Generator;
    expect(await readFile(DOCUMENT, "utf8")).toBe(await renderDocument());
  },
);

test("the daemon serves an OpenAPI 3.1 document that holds every verb", async () => {
  await withDaemonHere(async ({ socket }) => {
    const { status, text } = await rawRequest(socket, { method: "GET", path: "/v1/openapi.json" });
    expect(status).toBe(200);
    const document = JSON.parse(text) as Document;
    expect(await new Validator().validate(text)).toMatchObject({ valid: true });
    const verbs = Object.keys(document.paths).filter((path) => path.startsWith("/v1/verbs/"));
    expect(verbs.sort()).toEqual(
      Object.keys(api)
        .map((verb) => `/v1/verbs/${verb}`)
        .sort(),
    );
  });
});

test("what verbs answer is what the document says", async () => {
  await withDaemonHere(async ({ socket, storePath, folder }) => {
    const { text } = await rawRequest(socket, { method: "GET", path: "/v1/openapi.json" });
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    ajv.addSchema(JSON.parse(text) as Document, "smc");
    const client = createClient({ storePath, autostart: false });
    const root = join(folder, "work");
    const at = { folder: root, author: "Test <test@example.org>" };
    await mkdir(root);
    await writeFile(join(root, "model.bin"), "weights");
    const calls: readonly (readonly [VerbName, object])[] = [
      ["init", {}],
      ["add", { paths: ["."] }],
      ["status", {}],
      ["commit", { message: "one", metrics: { accuracy: 0.5 }, params: { epochs: 3 } }],
      ["tag", { name: "v1.0.0" }],
      ["log", {}],
      ["ls-files", {}],
      ["promote", { revision: "v1.0.0", reason: "first", answer: "yes" }],
      ["champion", {}],
      ["versions", {}],
      ["compare", { revisions: ["v1.0.0", "champion"] }],
      ["registry", { action: "summary" }],
      ["hash-object", { files: [join(root, "model.bin")] }],
      ["doctor", {}],
      ["fsck", {}],
    ];
    const schemaOf = (verb: VerbName): string =>
      `smc#/paths/~1v1~1verbs~1${verb}/post/responses/200/content/application~1json/schema`;
    expect(ajv.validate({ $ref: schemaOf("champion") }, { result: { champion: "v1.0.0" } })).toBe(false);
    for (const [verb, input] of calls) {
      const result: unknown = await client.call(verb, { at, input });
      const path = schemaOf(verb);
      const isRight = ajv.validate({ $ref: path }, { result });
      expect({ verb, isRight, errors: ajv.errors }).toEqual({ verb, isRight: true, errors: null });
    }
  });
});

#!/usr/bin/env node
/**
 * Writes packages/daemon/openapi.json, which the daemon serves: `node scripts/openapi.mjs` after a build.
 * Inputs come from the daemon's table, results from the types of the store's verbs. OpenAPI 3.1.1.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const STORE = join(ROOT, "packages/store");
const JSON_TYPE = "application/json";
const NEEDS = {
  store: "Works on the store.",
  repository: "Needs a repository: a worktree around `at.folder`, or `at.repository`.",
  worktree: "Needs a worktree around `at.folder`.",
};

export const DOCUMENT = join(ROOT, "packages/daemon/openapi.json");

const component = (name) => ({ $ref: `#/components/schemas/${name}` });
const json = (schema) => ({ content: { [JSON_TYPE]: { schema } } });
const object = (properties, required = Object.keys(properties)) => ({ type: "object", properties, required });
const result = (schema) => object({ result: schema });
const failure = { description: "Not done: see `error.code`.", ...json(component("Failure")) };
const PROTOCOL = { $ref: "#/components/parameters/protocol" };

/** Verbs that are words of the language, which no function may be called: their functions. */
const OTHERWISE_CALLED = { eval: "evaluate", export: "exportModel" };

/** What the function of a verb returns, by the signature in its file. */
function resultTypeOf(verb) {
  const text = readFileSync(join(STORE, "src/verbs", `${verb}.ts`), "utf8");
  const name = (OTHERWISE_CALLED[verb] ?? verb).replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
  const own = new RegExp(
    String.raw`^export (?:async )?function ${name}(?:Branch|History)?\([\s\S]*?\): Promise<([^{]+)> \{$`,
    "m",
  );
  const found = own.exec(text)?.[1];
  if (found === undefined)
    throw new Error(`verbs/${verb}.ts: no exported function '${name}' with its result`);
  return found;
}

/** References to the definitions of one type become references to the components of the document. */
function movedToComponents(schema) {
  return JSON.parse(JSON.stringify(schema).replaceAll("#/definitions/", "#/components/schemas/"));
}

/** The schema of a type, and into `shared` those it needs. */
function schemaOf(generator, type, shared) {
  const isList = type.endsWith("[]");
  const {
    $schema: _,
    definitions = {},
    ...schema
  } = movedToComponents(generator.createSchema(isList ? type.slice(0, -2) : type));
  for (const [name, definition] of Object.entries(definitions)) {
    const known = shared.get(name);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(definition))
      throw new Error(`two different types are called ${name}`);
    shared.set(name, definition);
  }
  return isList ? { type: "array", items: schema } : schema;
}

function verbPath({ verb, row, schema }) {
  const input = JSON.parse(JSON.stringify(row.input));
  const lines = { schema: { anyOf: [component("ProgressLine"), result(schema), component("Failure")] } };
  const told = row.progress ? " Tells progress when it takes longer than 0.1 s." : "";
  return {
    post: {
      operationId: verb,
      tags: ["verbs"],
      summary: row.summary,
      description: `${NEEDS[row.needs]}${told}`,
      parameters: [PROTOCOL],
      requestBody: {
        required: true,
        ...json({ ...object({ at: component("At"), input }), additionalProperties: false }),
      },
      responses: {
        200: {
          description: "Done.",
          content: {
            [JSON_TYPE]: { schema: result(schema) },
            ...(row.progress ? { "application/x-ndjson": lines } : {}),
          },
        },
        default: failure,
      },
    },
  };
}

/** Requests that are not verbs. `status` is the schema of DaemonStatus. */
function otherPaths(status) {
  const get = (operationId, summary, response, parameters = [PROTOCOL]) => ({
    operationId,
    tags: ["daemon"],
    summary,
    parameters,
    responses: { 200: { description: "Done.", ...response }, default: failure },
  });
  const post = (operationId, summary, schema) => ({
    ...get(operationId, summary, json(result(schema))),
    requestBody: { required: true, ...json({ type: "object", additionalProperties: false }) },
  });
  const digest = { name: "digest", in: "path", required: true, schema: component("Digest") };
  const size = { description: "Size of the whole file.", schema: { type: "integer", minimum: 0 } };
  const bytes = { headers: { "smc-size-bytes": size }, content: { "application/octet-stream": {} } };
  return {
    "/healthz": {
      get: get("health", "Tells that the daemon answers", json(object({ status: { const: "ok" } })), []),
    },
    "/v1/openapi.json": { get: get("openapi", "This document", json({ type: "object" })) },
    "/v1/daemon": { get: get("daemonStatus", "Tells how the daemon is", json(result(status))) },
    "/v1/daemon/measure": {
      post: post("measure", "Forgets the longest delay of the event loop", { type: "object" }),
    },
    "/v1/daemon/stop": {
      post: post("stop", "Ends the daemon after its active requests", object({ pid: { type: "integer" } })),
    },
    "/v1/blobs/{digest}": {
      get: get("readBlob", "The bytes of a file, verified", bytes, [PROTOCOL, digest]),
    },
  };
}

function baseSchemas({ errors, at }) {
  const text = { type: "string" };
  const count = { type: "number" };
  const error = object(
    {
      code: { enum: Object.keys(errors), description: "What to match by: docs/reference/errors.md." },
      exit: { type: "integer", description: "Exit status of the command line." },
      message: text,
      hint: text,
      details: { type: "object" },
    },
    ["code", "exit", "message"],
  );
  const progress = object({ phase: text, done: count, total: count, unit: text }, ["phase", "done", "unit"]);
  return {
    At: { ...at, description: "Where the user stands, and as whom." },
    Failure: object({ error }),
    ProgressLine: object({ progress }),
  };
}

/** The document. `modules` are those of the built daemon and store. */
export async function renderOpenApi({ api, errors, protocol }) {
  const { createGenerator } = await import("ts-json-schema-generator");
  const options = { skipTypeCheck: true, expose: "export", topRef: false, additionalProperties: true };
  const tsconfig = join(STORE, "tsconfig.json");
  const verbs = createGenerator({ ...options, path: join(STORE, "src/verbs/*.ts"), tsconfig });
  const daemon = createGenerator({
    ...options,
    path: join(ROOT, "packages/daemon/src/protocol.ts"),
    tsconfig,
  });
  const shared = new Map();
  const paths = otherPaths(schemaOf(daemon, "DaemonStatus", shared));
  for (const [verb, row] of Object.entries(api)) {
    const schema = schemaOf(verbs, resultTypeOf(verb), shared);
    paths[`/v1/verbs/${verb}`] = verbPath({ verb, row, schema });
  }
  const { at } = Object.values(api)[0].request.properties;
  const schemas = { ...baseSchemas({ errors, at }), ...Object.fromEntries([...shared].sort()) };
  return {
    openapi: "3.1.1",
    info: {
      title: "smc",
      version: protocol,
      description:
        "The daemon's HTTP on its unix socket. A body that has a field more than stands here is refused. See docs/reference/http.md.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "http://localhost", description: "By the unix socket <store>/run/daemon.sock" }],
    tags: [{ name: "verbs" }, { name: "daemon" }],
    paths,
    components: {
      schemas,
      parameters: {
        protocol: { name: "smc-protocol", in: "header", required: true, schema: { const: protocol } },
      },
    },
  };
}

/** A line for each path and each type, so that a change of the table is a change of few lines. */
function writeLines(document) {
  const rows = (table) => {
    const lines = Object.entries(table).map(
      ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
    );
    return `{\n${lines.join(",\n")}\n}`;
  };
  const { paths, components, ...head } = document;
  const { schemas, parameters } = components;
  const parts = [
    rows(head).slice(2, -2),
    `"paths": ${rows(paths)}`,
    `"components": {"parameters": ${JSON.stringify(parameters)}, "schemas": ${rows(schemas)}}`,
  ];
  return `{\n${parts.join(",\n")}\n}\n`;
}

/** The document as it is written. */
export async function renderDocument() {
  const [{ api }, { ERRORS }, { PROTOCOL: protocol }] = await Promise.all([
    import("../packages/daemon/dist/api.js"),
    import("../packages/store/dist/errors.js"),
    import("../packages/daemon/dist/protocol.js"),
  ]);
  return writeLines(await renderOpenApi({ api, errors: ERRORS, protocol }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  if (!existsSync(join(ROOT, "packages/daemon/dist"))) throw new Error("build first: npm run build");
  writeFileSync(DOCUMENT, await renderDocument());
}

/** The pages and the program say the same, both ways. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { ERRORS } from "@smc/store/errors";
import { expect, test } from "vitest";
import { COMMANDS, isCommandName, loadCommand } from "../packages/cli/src/commands/index.ts";
import { GLOBAL_OPTIONS } from "../packages/cli/src/global-options.ts";
import { topicHelp } from "../packages/cli/src/help-topics.ts";
import { ROUTES } from "../packages/daemon/src/serving/routes.ts";
import { CONFIG_KEYS } from "../packages/store/src/config-keys.ts";
import { TrainSpecSchema } from "../packages/trainer/src/spec.ts";
import { createSandbox, runProgram, type Sandbox } from "./e2e/sandbox.ts";
import { productSources, ROOT, sources, withoutComments } from "./source.ts";

function page(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Heading → the lines below it, up to the next heading of the same depth. */
function sections(text: string, depth: number): Map<string, string> {
  const mark = `${"#".repeat(depth)} `;
  const parts = text.split(new RegExp(`^${mark}`, "m")).slice(1);
  return new Map(
    parts.map((part) => [part.slice(0, part.indexOf("\n")).trim(), part.slice(part.indexOf("\n") + 1)]),
  );
}

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort();
}

const errors = sections(page("docs/reference/errors.md"), 3);

test("errors.md has every code and no other", () => {
  expect(sorted(errors.keys())).toEqual(sorted(Object.keys(ERRORS)));
});

test.for(Object.entries(ERRORS))(
  "errors.md gives the exit and the status of %s",
  ([code, { exit, http }]) => {
    expect(errors.get(code)).toMatch(new RegExp(`^\\s*Exit ${exit}, HTTP ${http}\\. \\S`));
  },
);

test("errors.md lists every exit status that a code has", () => {
  const listed = [...page("docs/reference/errors.md").matchAll(/^\| (\d+) +\|/gm)].map((match) => match[1]);
  for (const { exit } of Object.values(ERRORS)) expect(listed).toContain(String(exit));
});

const cli = sections(page("docs/reference/cli.md"), 2);

test("S3.23 every line of the quick reference begins with a verb that there is", () => {
  const words = [...page("docs/quick-reference.md").matchAll(/`smc (\S+?)[ `]/g)].map(
    ([, word]) => word ?? "",
  );
  expect(words.length).toBeGreaterThan(30);
  expect(words.filter((word) => !isCommandName(word))).toEqual([]);
});

test("cli.md has every verb and no other", () => {
  const headings = [...cli.keys()].filter((heading) => /^[a-z-]+$/.test(heading));
  expect(sorted(headings)).toEqual(sorted(Object.keys(COMMANDS)));
});

/** Option names in a piece of a page: words that start with two dashes, inside backquotes or code blocks. */
function optionsIn(text: string): string[] {
  const code = [...text.matchAll(/```[\s\S]*?```|`[^`]+`/g)].map((match) => match[0]).join("\n");
  return sorted([...code.matchAll(/(?<![\w-])--([a-z][a-z0-9-]*)/g)].map((match) => match[1] ?? ""));
}

const globals = Object.keys(GLOBAL_OPTIONS);

test.for(Object.keys(COMMANDS).filter(isCommandName))(
  "cli.md has every option of '%s' and no other",
  async (verb) => {
    const { options } = await loadCommand(verb);
    const documented = optionsIn(cli.get(verb) ?? "");
    const own = Object.keys(options);
    expect(own.filter((name) => !documented.includes(name))).toEqual([]);
    expect(documented.filter((name) => !own.includes(name) && !globals.includes(name))).toEqual([]);
  },
);

test("cli.md has every global option", () => {
  const documented = optionsIn(page("docs/reference/cli.md"));
  expect(globals.filter((name) => !documented.includes(name))).toEqual([]);
});

/** Endpoints as server.ts registers them: "GET /v1/daemon". */
const endpoints = [
  ...page("packages/daemon/src/server.ts").matchAll(/server\.(get|post|put|delete)(?:<.*>)?\("([^"]+)"/g),
].map(([, method = "", path = ""]) => `${method.toUpperCase()} ${path.replace(/:(\w+)/g, "<$1>")}`);

test("http.md has every endpoint and no other", () => {
  expect(endpoints.length).toBeGreaterThan(3);
  const documented = [
    ...page("docs/reference/http.md").matchAll(/^#+ `((?:GET|POST|PUT|DELETE|HEAD) \/\S*)`/gm),
  ];
  expect(sorted(documented.map((match) => match[1] ?? ""))).toEqual(sorted(endpoints));
});

test("protocol.md has every request that a server answers, with its scope, and no other", () => {
  const rows = [
    ...page("docs/design/protocol.md").matchAll(/^\| `(GET|HEAD|POST|PUT) (\/v1\/\S+)` +\| (\w+) +\|/gm),
  ];
  const documented = rows.map(([, method = "", path = "", scope = ""]) => `${method} ${path} ${scope}`);
  const known = ROUTES.map(({ method, path, scope }) => {
    const shown = path.replace(":repository", "R").replace(":pack", "P");
    return `${method} ${shown} ${scope ?? "any"}`;
  });
  expect(sorted(documented)).toEqual(sorted(known));
});

test("http.md has every verb of the daemon", () => {
  const table = page("packages/daemon/src/handlers.ts");
  const verbs = [...table.matchAll(/^ {2}"?([a-z][a-z-]*)"?: on/gm)].map((match) => match[1] ?? "");
  expect(verbs.length).toBeGreaterThan(20);
  const text = page("docs/reference/http.md");
  expect(verbs.filter((verb) => !text.includes(`\`${verb}\``))).toEqual([]);
});

test("config.md has every setting with its default and no other", () => {
  const rows = [
    ...page("docs/reference/config.md").matchAll(
      /^\| `([a-z]+\.[A-Za-z]+)` +\| (\S+) +\|.*\| (yes|no) +\|/gm,
    ),
  ];
  const listed = rows.map((row) => ({ name: row[1], value: row[2], worktree: row[3] }));
  const known = CONFIG_KEYS.map((key) => ({
    name: key.name,
    value: key.default === null ? "none" : `\`${String(key.default)}\``,
    worktree: key.worktree ? "yes" : "no",
  }));
  expect(listed).toEqual(known);
});

test("smc help config has every setting and no other", () => {
  const listed = topicHelp("config", {}).flatMap(
    (line) => /^ {2}([a-z]+\.[A-Za-z]+) {2}/.exec(line)?.[1] ?? [],
  );
  expect(sorted(listed)).toEqual(sorted(CONFIG_KEYS.map(({ name }) => name)));
});

test("config.md has every variable of the environment that the code reads, and no other", () => {
  const read = productSources().flatMap(
    ({ text }) => withoutComments(text).match(/\b(SMC_[A-Z_]+|NO_COLOR)\b/g) ?? [],
  );
  const listed = [...page("docs/reference/config.md").matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(
    (row) => row[1] ?? "",
  );
  expect(sorted(listed)).toEqual(sorted(read));
});

const pages = [
  ...sources(["docs", "bench", ".changeset"], [".md"]),
  ...["README", "ARCHITECTURE", "STYLE", "CONTRIBUTING", "CHANGELOG"].map((name) => ({
    path: `${name}.md`,
    text: page(`${name}.md`),
  })),
];

/** The anchor that a heading gets where the pages are shown. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

test.for(pages)("links of $path lead somewhere", ({ path, text }) => {
  const prose = text.replace(/```[\s\S]*?```/g, "");
  for (const match of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    const link = match[1] ?? "";
    if (/^https?:/.test(link)) continue;
    const [file = "", fragment] = link.split("#");
    const target = file === "" ? path : normalize(join(dirname(path), file));
    expect(existsSync(join(ROOT, target)), `${path}: ${link}`).toBe(true);
    if (fragment === undefined) continue;
    const anchors = [...page(target).matchAll(/^#+ (.+)$/gm)].map((heading) => anchor(heading[1] ?? ""));
    expect(anchors, `${path}: ${link}`).toContain(fragment);
  }
});

test("files that ARCHITECTURE.md names exist", () => {
  const named = [...page("ARCHITECTURE.md").matchAll(/`(packages\/[a-z./-]+)`/g)].map(
    (match) => match[1] ?? "",
  );
  expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

/** Runs the lines that start with `$ ` of every `console` block, in order, in one shell; `smc` is this checkout's. */
async function runBlocks(
  text: string,
  sandbox: Sandbox,
): Promise<{ commands: string[]; printed: string; code: number }> {
  const blocks = [...text.matchAll(/```console\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  const commands = blocks.flatMap((block) =>
    block.split("\n").flatMap((line) => (line.startsWith("$ ") ? [line.slice(2)] : [])),
  );
  const script = ["set -e", `smc() { "${join(ROOT, "bin", "smc")}" "$@"; }`, ...commands].join("\n");
  const ran = await runProgram("bash", ["-c", script], { cwd: sandbox.work, env: sandbox.env });
  return { commands, printed: ran.stdout + ran.stderr, code: ran.code };
}

test("the commands of the README run", async () => {
  await using sandbox = await createSandbox({ init: false });
  const { commands, printed, code } = await runBlocks(page("README.md"), sandbox);
  expect(commands.length).toBeGreaterThan(5);
  expect(code, printed).toBe(0);
});

interface SettingSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SettingSchema>>;
  readonly additionalProperties?: SettingSchema | boolean;
  readonly patternProperties?: Readonly<Record<string, SettingSchema>>;
  readonly default?: string | number | boolean | object;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

function settingsIn(schema: SettingSchema, prefix = ""): (readonly [string, SettingSchema])[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) =>
    inner.properties === undefined
      ? [[inner.patternProperties === undefined ? prefix + name : `${prefix}${name}.NAME`, inner] as const]
      : settingsIn(inner, `${prefix}${name}.`),
  );
}

function valuesOf(schema: SettingSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  const [named] = Object.values(schema.patternProperties ?? {});
  if (named !== undefined) return valuesOf(named);
  if (schema.type === "boolean") return "`true`, `false`";
  if (schema.type === "string") return "text";
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const from = exclusiveMinimum === undefined ? minimum : `more than ${exclusiveMinimum}`;
  const to = exclusiveMaximum === undefined ? maximum : `less than ${exclusiveMaximum}`;
  const range = from === undefined ? "any" : `${from} to ${to}`;
  return schema.type === "integer" ? `whole, ${range}` : range;
}

test("training-settings.md has every setting with its values and what it usually is", () => {
  const rows = [
    ...page("docs/reference/training-settings.md").matchAll(
      /^\| `([^`]+)` +\| (.+?) +\| (.+?) +\| (.+?) +\|$/gm,
    ),
  ];
  const told = rows.map(([, name, values, usual]) => ({ name, values, usual }));
  const known = settingsIn(TrainSpecSchema as SettingSchema).map(([name, schema]) => ({
    name,
    values: valuesOf(schema),
    usual:
      schema.default === undefined || typeof schema.default === "object"
        ? "-"
        : `\`${String(schema.default)}\``,
  }));
  expect(told).toEqual(known);
});

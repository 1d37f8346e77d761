import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { formatConfigText, parseConfigText } from "./config-text.ts";
import { CONFIG_KEYS } from "./config-keys.ts";
import { parseConfigValue, readConfig, requireConfigKey, writeConfig } from "./config.ts";
import { withFolder } from "./testing/testing.ts";

async function withPlaces(
  run: (places: { storePath: string; worktreeRoot: string }, write: Write) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const places = { storePath: join(folder, "store"), worktreeRoot: join(folder, "work") };
    await mkdir(places.storePath);
    await mkdir(join(places.worktreeRoot, ".smc"), { recursive: true });
    await run(places, async (layer, text) => {
      const file =
        layer === "store"
          ? join(places.storePath, "config.json")
          : join(places.worktreeRoot, ".smc/config.json");
      await writeFile(file, text);
    });
  });
}
type Write = (layer: "store" | "worktree", text: string) => Promise<void>;

test("readConfig() takes environment over worktree over store over default", async () => {
  await withPlaces(async (places, write) => {
    expect((await readConfig(places)).entries.get("checkout.symlinks")).toMatchObject({
      value: "never",
      origin: "default",
    });
    await write("store", '{"checkout.symlinks": "safe", "user.name": "Ada", "log.level": "warn"}');
    await write("worktree", '{"checkout.symlinks": "never"}');
    const config = await readConfig({
      ...places,
      environment: { SMC_LOG: "debug", SMC_AUTHOR: "Bo <bo@example.org>" },
    });
    const origins = Object.fromEntries(
      [...config.entries].map(([key, entry]) => [key, [entry.value, entry.origin]]),
    );
    expect(origins).toMatchObject({
      "checkout.symlinks": ["never", "worktree"],
      "user.name": ["Bo", "environment"],
      "user.email": ["bo@example.org", "environment"],
      "log.level": ["debug", "environment"],
      "daemon.idleMinutes": [15, "default"],
    });
    expect(config.problems).toEqual([]);
  });
});

test("readConfig() ignores what a worktree may not set and says so", async () => {
  await withPlaces(async (places, write) => {
    await write(
      "worktree",
      '{\n  "remote.cmd": "rm -rf /",\n  "hooks": "x",\n  "editor": "vi",\n  "include": "/etc/passwd",\n  "user.name": "Eve"\n}',
    );
    const { entries, problems } = await readConfig(places);
    expect(entries.get("user.name")).toEqual({ key: "user.name", value: null, origin: "default" });
    expect(problems.map(({ key, line }) => [key, line])).toEqual([
      ["remote.cmd", 2],
      ["hooks", 3],
      ["editor", 4],
      ["include", 5],
      ["user.name", 6],
    ]);
  });
});

test.each([
  ["", 1],
  ["\ufeff{}", 1],
  ["[]", 1],
  ["{", 1],
  ['{\n"log.level": "info",\n}', 3],
  ['{\n"log.level": "info"\n"user.name": "x"}', 3],
  ['{\n\n"log.level": {"a": 1}}', 3],
  ['{"a": null}', 1],
  ['{"a": 1e}', 1],
  ['{"a": 1,\n"a": 2}', 2],
  ["{}\n{}", 2],
  ['{"user.name": "a\u0000b"}', 1],
  ['{"user.name": "a\\qb"}', 1],
  ['{\n"log.level": "loud"}', 2],
  ['{"daemon.idleMinutes": "15"}', 1],
  ['{"daemon.idleMinutes": -1}', 1],
  ['{"user.name": ""}', 1],
  ['{"init.defaultBranch": "a b"}', 1],
  ['{"names.allowNonportable": "yes"}', 1],
])("readConfig() refuses %j with the line", async (text, line) => {
  await withPlaces(async (places, write) => {
    await write("store", text);
    await expect(readConfig(places)).rejects.toMatchObject({ code: "CONFIG_INVALID", details: { line } });
  });
});

test("readConfig() does not touch prototypes", async () => {
  await withPlaces(async (places, write) => {
    await write("store", '{"__proto__": 1, "constructor": 2, "__proto__.admin": true}');
    const { problems } = await readConfig(places);
    expect(problems).toHaveLength(3);
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  });
});

test("writeConfig() sets, replaces and removes, and keeps keys it does not know", async () => {
  await withPlaces(async (places, write) => {
    await write("store", '{"future.key": 7}');
    const key = requireConfigKey("user.name");
    expect(await writeConfig(places, { layer: "store", key, value: 'Ada "A"\n'.trim() })).toBe(false);
    expect(await writeConfig(places, { layer: "store", key, value: "Bo" })).toBe(true);
    expect(await readFile(join(places.storePath, "config.json"), "utf8")).toBe(
      '{\n  "future.key": 7,\n  "user.name": "Bo"\n}\n',
    );
    expect(await writeConfig(places, { layer: "store", key, value: undefined })).toBe(true);
    expect(await writeConfig(places, { layer: "store", key, value: undefined })).toBe(false);
    await expect(writeConfig(places, { layer: "worktree", key, value: "x" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });
});

test("requireConfigKey() suggests the key that was meant", () => {
  expect(() => requireConfigKey("user.nam")).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID", hint: "did you mean: user.name" }),
  );
});

test("parseConfigValue() reads what people type", () => {
  expect(parseConfigValue(requireConfigKey("names.allowNonportable"), "Yes")).toBe(true);
  expect(parseConfigValue(requireConfigKey("daemon.idleMinutes"), "0")).toBe(0);
  for (const text of ["-1", "1e99", "0x10", "１", "", "1.5"]) {
    expect(() => parseConfigValue(requireConfigKey("daemon.idleMinutes"), text)).toThrow(/whole number/);
  }
  expect(() => parseConfigValue(requireConfigKey("user.email"), "a b@c")).toThrow(/white space/);
});

test("formatConfigText() and parseConfigText() agree on any text", () => {
  const values = ["", 'a\\"b', "ü\u2028\ud83d\ude00", "\r\n\t", "{}", "\u0000"];
  const entries = values.map((value, index) => ({ key: `k${index}`, value }));
  const read = parseConfigText(formatConfigText(entries), "x").map(({ key, value }) => ({ key, value }));
  expect(read).toEqual(entries);
});

test("CONFIG_KEYS is sorted and its defaults are valid", () => {
  const names = CONFIG_KEYS.map((key) => key.name);
  expect(names).toEqual([...names].sort());
  for (const key of CONFIG_KEYS) {
    if (key.default !== null) expect(parseConfigValue(key, String(key.default))).toBe(key.default);
  }
});

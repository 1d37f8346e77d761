import { readdirSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("S4.7 S4.8 smc setup makes the five folders and says so; a second run changes nothing", async () => {
  const text = await box.ok("setup");
  expect(text.match(/^Made /gm)).toHaveLength(5);
  expect(text).toContain(`Store ${box.home}: the daemon answers\n`);
  const names = ["active", "backups", "cloud", "downloads", "trained"];
  expect(readdirSync(box.path("data/models"))).toEqual(names);
  expect(await box.json("setup")).toMatchObject({ made: [] });
  expect(readdirSync(box.path("data/models"))).toEqual(names);
  await box.ok("config", "set", "layout.folder", "models");
  expect(await box.ok("setup", "-q")).toMatch(/work\/models\/trained\n/);
});

test("smc setup takes no words, and makes nothing where a file is in the way", async () => {
  expect(await box.refused("setup", "here")).toMatchObject({ code: "USAGE" });
  await box.ok("config", "set", "layout.folder", "other");
  box.write("other/cloud", "mine");
  expect(await box.refused("setup")).toMatchObject({ code: "WOULD_OVERWRITE", exit: 5 });
});

import { expect, test } from "vitest";
import { editSettings, settingsIn } from "./train-file.ts";

const PATH = "/w/smc.train.yaml";
const edit = (text: string, changes: Record<string, string | number | null>): string =>
  editSettings(PATH, text, changes);

test("editSettings() makes a file that smc train can read, and changes what is there without touching the rest", () => {
  const made = edit("", { "backbone.name": "tiny-cnn" });
  expect(made).toContain("\nengine: tfjs\n");
  expect(settingsIn(PATH, made)).toEqual({ "backbone.name": "tiny-cnn" });
  const own = "engine: tfjs\nsettings:\n  lr: 0.1 # tried\n  backbone: { name: mlp, layers: 3 }\n";
  const changed = edit(own, { "backbone.layers": null, "backbone.inputSize": 96 });
  expect(changed).toContain("lr: 0.1 # tried");
  expect(settingsIn(PATH, changed)).toEqual({ lr: 0.1, "backbone.name": "mlp", "backbone.inputSize": 96 });
});

test("editSettings() takes empty parts and dotted names, and refuses what it cannot change alone", () => {
  expect(edit("engine: tfjs\nsettings:\n", { "backbone.name": "mlp" })).toContain("name: mlp");
  const dotted = edit("settings:\n  backbone.name: mlp\n", { "backbone.name": "resnet-tiny" });
  expect(settingsIn(PATH, dotted)).toEqual({ "backbone.name": "resnet-tiny" });
  const shared = "settings:\n  backbone: &b { name: mlp }\n  other: *b\n";
  for (const text of [shared, "settings: [1]\n", "settings:\n  backbone: mlp\n", "- a\n"])
    expect(() => edit(text, { "backbone.name": "tiny-cnn" })).toThrow(
      expect.objectContaining({ code: "FILE_MALFORMED" }),
    );
});

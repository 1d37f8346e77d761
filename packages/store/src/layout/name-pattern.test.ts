import { expect, test } from "vitest";
import { codeOf } from "../testing/remote-scene.ts";
import { formatName, NAME_PATTERN, nameFault, parseNamePattern, readName } from "./name-pattern.ts";

const usual = parseNamePattern(NAME_PATTERN);

test.each([
  ["yolo11s_v1_20231201.pt", { model_type: "yolo11s", version: "v1", date: "20231201" }],
  ["sam2_b_v2_20231201.onnx", { model_type: "sam2_b", version: "v2", date: "20231201" }],
  ["a_v1.2.3-rc.1_2026-01-15.safetensors", { model_type: "a", version: "v1.2.3-rc.1", date: "2026-01-15" }],
  ["convnext_1.0.0_20260210.h5", { model_type: "convnext", version: "1.0.0", date: "20260210" }],
])("readName() takes %s apart", (name, values) => {
  expect(readName(usual, name)).toEqual(values);
});

test.each([
  "best.pt",
  "yolo_v1_20231301.pt",
  "yolo_v1_20260230.pt",
  "yolo_v1.0.0.0_20260101.pt",
  "yolo_20260101.pt",
  "yolo_v1_20260101",
  "_v1_20260101.pt",
  "yolo v_v1_20260101.pt",
  `${"a_".repeat(120)}v1_20260101.pt_`,
])("'%s' does not fit", (name) => {
  expect(nameFault(usual, name)).toBe(`it is not of the form ${NAME_PATTERN}`);
});

test("a pattern may have some of the parts, in any order, and no extension", () => {
  const own = parseNamePattern("m-{date}+{version}");
  expect(readName(own, "m-20260101+v2.pt")).toEqual({ date: "20260101", version: "v2" });
  expect(readName(own, "m-20260101+v2")).toEqual({ date: "20260101", version: "v2" });
  expect(readName(own, "m-20260101.v2")).toBeUndefined();
  const values = { model_type: "x", version: "v2", date: "20260101" };
  expect(formatName(own, values, ".onnx")).toBe("m-20260101+v2.onnx");
});

test.each([
  ["{model}_{date}.pt", "unknown part {model}"],
  ["best.pt", "has no part"],
  ["{version}{date}.pt", "nothing between"],
  ["{date}_{date}.pt", "{date} twice"],
  ["a/{date}.pt", "cannot be in a name"],
  ["{date}}.pt", "cannot be in a name"],
  ["x".repeat(201), "longer than 200"],
])("parseNamePattern() refuses '%s'", (text, why) => {
  expect(() => parseNamePattern(text)).toThrowError(why);
});

test("formatName() gives a name that fits, or refuses the value", async () => {
  const values = { model_type: "yolo", version: "v1.0.0", date: "20260115" };
  expect(formatName(usual, values, "")).toBe("yolo_v1.0.0_20260115.pt");
  for (const wrong of [{ model_type: "a b" }, { version: "new" }, { date: "20261332" }])
    expect(
      await codeOf(async () => {
        formatName(usual, { ...values, ...wrong }, "");
      }),
    ).toBe("ARGUMENT_INVALID");
});

import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("S4.9 smc list prints what is trained, of the cloud, backed up and active, each with size and date", async () => {
  box.write("data/models/trained/best.pt", "weights");
  box.write("data/models/cloud/yolo.pt", "weights");
  await box.ok("backup", "data/models/trained/best.pt", "copy.pt");
  await box.ok("activate", "best.pt", "--yes");
  const row = (name: string): string => `  7 B  \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d  ${name}\n`;
  expect(await box.ok("list")).toMatch(
    new RegExp(
      `^Trained:\n${row("best\\.pt")}Cloud:\n${row("yolo\\.pt")}Backups:\n${row("copy\\.pt")}Active:\n${row("best\\.pt")}$`,
    ),
  );
  expect(await box.json("list")).toMatchObject({ backups: [{ name: "copy.pt", sizeBytes: 7 }] });
  expect(await box.ok("list", "-q")).toBe(
    "trained/best.pt\ncloud/yolo.pt\nbackups/copy.pt\nactive/best.pt\n",
  );
  expect(await box.refused("list", "here")).toMatchObject({ code: "USAGE" });
});

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

test("ask 13: smc list --json --sort size -q --tree", async () => {
  box.write("data/models/trained/larger.pt", "more weights");
  const first = (await box.ok("list", "--sort", "size", "-q")).split("\n", 1);
  expect(first).toEqual(["trained/larger.pt"]);
  const tree = await box.ok("list", "--tree");
  expect(tree).toMatch(/^.*\/data\/models\n├─ trained\n│ {2}├─ best\.pt +7 B .*\n│ {2}└─ larger\.pt +12 B /);
  expect(tree).toMatch(
    /\n└─ active\n {3}└─ best\.pt +7 B +\S+ \S+ {2}= trained\/best\.pt\n5 files, 40 B; 21 B of them/,
  );
  const ran = await box.smc(["list", "--json", "--sort", "size", "-q", "--tree"]);
  expect(JSON.parse(ran.stdout)).toMatchObject({
    trained: [
      { name: "larger.pt", sameAs: null },
      { name: "best.pt", sameAs: null },
    ],
    backups: [{ name: "copy.pt", sameAs: "trained/best.pt" }],
  });
});

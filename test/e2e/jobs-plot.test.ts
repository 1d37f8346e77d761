/** The curve of a job as a drawing. */
import { readFileSync } from "node:fs";
import type { JobsResult } from "@smc/store";
import { PNG } from "pngjs";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 180_000;
const NODE = process.execPath;
const CURVE = `
for (const epoch of [1, 2, 3, 4])
  console.log(JSON.stringify({ epoch, metrics: { loss: 4 / epoch, val_loss: 5 / epoch, "<b>": epoch } }));
process.exit(Number(process.argv[2]));
`;
await box.commit("script", { "curve.cjs": CURVE });

/** Pixels of text in some rows of a picture. */
function dark(data: Buffer, { width, from, to }: { width: number; from: number; to: number }): number {
  const rows = data.subarray(from * width * 4, to * width * 4);
  return Array.from({ length: rows.length / 4 }, (_, at) => rows[at * 4] ?? 255).filter((red) => red < 100)
    .length;
}

test(
  "S1.4 jobs plot draws the curve in characters, or as SVG in which names are no markup, or PNG",
  { timeout: SLOW_MS },
  async () => {
    expect((await box.smc(["train", "--name", "done", "--", NODE, "curve.cjs", "0"])).code).toBe(10);
    const text = await box.ok("jobs", "plot", "done");
    expect(text).toMatch(/^ +\* loss {3}o val_loss$/m);
    expect(text).toMatch(/^ +5 \|o/m);
    expect(text).toMatch(/^ +1 \| .*\*$/m);
    expect(text).toMatch(/^ +1 +4$/m);
    await box.ok("jobs", "plot", "done", "--metric", "<b>,loss", "--svg", "curve.svg");
    const svg = readFileSync(box.path("curve.svg"), "utf8");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg.match(/<polyline/g)).toHaveLength(3);
    expect(svg).toContain(">&lt;b&gt;</text>");
    expect(await box.refused("jobs", "plot", "done", "--svg", "curve.svg")).toMatchObject({
      code: "WOULD_OVERWRITE",
      exit: 5,
    });
    expect(await box.refused("jobs", "plot", "done", "--metric", "f1")).toMatchObject({
      code: "ARGUMENT_INVALID",
      exit: 2,
    });
    expect(readFileSync(box.path("curve.svg"), "utf8")).toBe(svg);
    await box.ok("jobs", "plot", "done", "--svg", "curve.svg", "--force");
    expect(readFileSync(box.path("curve.svg"), "utf8").match(/<polyline/g)).toHaveLength(2);
    expect(await box.ok("jobs", "plot", "done", "--png", "curve.png")).toBe("curve.png\n");
    const { width, height, data } = PNG.sync.read(readFileSync(box.path("curve.png")));
    expect([width, height]).toEqual([800, 340]);
    const blue = Array.from({ length: width * height }, (_, at) => data.readUInt32BE(at * 4)).filter(
      (pixel) => pixel === 0x00_72_b2_ff,
    );
    expect(blue.length).toBeGreaterThan(500);
    expect(dark(data, { width, from: 8, to: 26 })).toBeGreaterThan(50);
  },
);

test(
  "S1.8 jobs epochs prints a curve of more epochs than one answer holds, whole",
  { timeout: SLOW_MS },
  async () => {
    const all = 10_003;
    const program = `
      const line = (epoch) => JSON.stringify({ epoch, metrics: { loss: 1 / epoch, ...(epoch === ${all} && { last: 1 }) } });
      require("node:fs").writeFileSync(process.env.SMC_OUTPUT + "/model", "m");
      for (let epoch = 1; epoch <= ${all}; epoch += 1) console.log(line(epoch));`;
    await box.ok("train", "--name", "long", "-q", "--", NODE, "-e", program);
    const rows = (await box.ok("jobs", "epochs", "long", "--csv")).trim().split("\n");
    expect(rows).toHaveLength(all + 1);
    expect(rows.slice(0, 3)).toEqual(["epoch,loss,last", "1,1,", "2,0.5,"]);
    expect(rows.at(-1)).toBe(`${all},${1 / all},1`);
    const { points, nextAfter } = await box.json<JobsResult>("jobs", "epochs", "long");
    expect(points?.map(({ epoch }) => epoch)).toEqual(Array.from({ length: all }, (_, at) => at + 1));
    expect(nextAfter).toBeNull();
  },
);

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { expect, test } from "vitest";
import { readHistory } from "@smc/store";
import { JobLog } from "@smc/store/jobs";
import { ProgramOutput } from "./program-output.ts";

async function withOutput(
  before: string,
  run: (output: ProgramOutput, historyPath: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "smc-output-"));
  try {
    const historyPath = join(folder, "history.jsonl");
    if (before !== "") await writeFile(historyPath, before);
    await using output = await ProgramOutput.open(await JobLog.open(join(folder, "log")), historyPath);
    await run(output, historyPath);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const line = (epoch: number, loss: number): string => `{"epoch":${epoch},"metrics":{"loss":${loss}}}\n`;
const lossesOf = async (path: string): Promise<[number, number | undefined][]> =>
  (await readHistory(path)).map(({ epoch, metrics }) => [epoch, metrics["loss"]]);

test("what a resumed program tells again is written only where it differs or was never written", () =>
  withOutput(
    '{"epoch":1,"atMs":5,"metrics":{"loss":3}}\n{"epoch":2,"atMs":6,"metrics":{"loss":2}}\n',
    async (output, path) => {
      await output.take(
        Readable.from([Buffer.from(line(1, 3) + line(2, 2.5) + line(3, 1) + line(3, 1))]),
        true,
      );
      expect(await lossesOf(path)).toEqual([
        [1, 3],
        [2, 2.5],
        [3, 1],
      ]);
      expect(readFileSync(path, "utf8").match(/"epoch":/g)).toHaveLength(4);
      expect((await readHistory(path))[0]?.atMs).toBe(5);
    },
  ));

test("half a line that a kill or a full disk left does not take the next one with it", () =>
  withOutput('{"epoch":1,"atMs":5,"metrics":{"loss":3}}\n{"epoch":2,"at', async (output, path) => {
    await output.take(Readable.from([Buffer.from(line(2, 2))]), true);
    expect(await lossesOf(path)).toEqual([
      [1, 3],
      [2, 2],
    ]);
  }));

test("drain() loses nothing of what a program left, however slowly it is written, and does not wait for who keeps it open", () =>
  withOutput("", async (output, path) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const epochs = Array.from({ length: 3000 }, (_, at) => at + 1);
    // Each line is a write of its own: together they take longer than a program is waited for here.
    for (const some of [epochs.slice(0, 1000), epochs.slice(1000, 2000), epochs.slice(2000)])
      stdout.write(some.map((epoch) => line(epoch, 1)).join(""));
    const taken = Promise.all([output.take(stdout, true), output.take(stderr, false)]);
    await output.drain([stdout, stderr], { taken, quietMs: 4 });
    expect((await readHistory(path)).map(({ epoch }) => epoch)).toEqual(epochs);
    expect([stdout.destroyed, stderr.destroyed]).toEqual([true, true]);
  }));

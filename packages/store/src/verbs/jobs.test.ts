import { expect, test } from "vitest";
import { jobPlaces } from "../jobs/job-folder.ts";
import { parseEpochLine } from "../jobs/job-history.ts";
import { JobLog } from "../jobs/job-log.ts";
import { moveTo } from "../jobs/job-record.ts";
import { createFolder, replaceFile } from "../fs.ts";
import { idlePlace } from "../testing/jobs.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { jobs } from "./jobs.ts";
import { train } from "./train.ts";

async function withJob(
  run: (test: { bench: Bench; place: ReturnType<typeof idlePlace>; id: string }) => Promise<void>,
): Promise<void> {
  await withWorktree(async (bench) => {
    await bench.commit({ "a.txt": "a" });
    const place = idlePlace(bench);
    const { job } = await train(place, { argv: ["python"], name: "night" }, QUIET);
    await run({ bench, place, id: job?.id ?? "" });
  });
}

test("jobs() finds a job by id, start of it and name, and refuses what its state does not allow", () =>
  withJob(async ({ place, id }) => {
    for (const job of [id, id.slice(0, 5), "night"])
      expect((await jobs(place, { action: "show", job }, QUIET)).jobs[0]?.id).toBe(id);
    await expect(jobs(place, { action: "show", job: "nigth" }, QUIET)).rejects.toMatchObject({
      code: "JOB_NOT_FOUND",
      hint: expect.stringContaining("night"),
    });
    for (const action of ["rm", "retry"] as const)
      await expect(jobs(place, { action, job: id }, QUIET)).rejects.toMatchObject({
        code: "JOB_STATE_WRONG",
      });
    expect((await jobs(place, { action: "list", repository: "other" }, QUIET)).jobs).toEqual([]);
  }));

test("jobs() gives a job of the engine tfjs that is resumed its new settings, and no other job", () =>
  withWorktree(async (bench) => {
    await bench.commit({ "a.txt": "a" });
    const place = idlePlace(bench);
    const { job } = await train(
      place,
      { engine: "tfjs", argv: [], settings: { epochs: 2 }, params: { epochs: 2, lr: 1 } },
      QUIET,
    );
    const other = await train(place, { argv: ["python"] }, QUIET);
    for (const [id, record] of place.records)
      place.records.set(id, moveTo(record, { state: "canceled", atMs: 1, why: "" }));
    const settings = { spec: '{"epochs":5}', params: { epochs: 5 } };
    for (const refused of [{ job: job?.id ?? "" }, { job: other.job?.id ?? "", resume: true }])
      await expect(jobs(place, { action: "retry", settings, ...refused }, QUIET)).rejects.toMatchObject({
        code: "USAGE",
      });
    const { spec } =
      (await jobs(place, { action: "retry", job: job?.id ?? "", resume: true, settings }, QUIET)).jobs[0] ??
      {};
    expect(spec).toMatchObject({ argv: ["tfjs", '{"epochs":5}'], params: { epochs: 5, lr: 1 } });
  }));

test("jobs() follows a job from a position on, also where old parts of its log are gone", () =>
  withJob(async ({ bench, place, id }) => {
    const record = place.records.get(id);
    if (record === undefined) throw new Error("no record");
    const places = jobPlaces(bench.store.path, record);
    await createFolder(places.root);
    await replaceFile(places.history, '{"epoch":1,"atMs":1,"metrics":{"loss":1}}\n{"epoch":2,"at');
    await using log = await JobLog.open(places.log);
    for (let part = 0; part < 12; part += 1) await log.write(Buffer.alloc(1024 * 1024, 97 + part));
    const first = (await jobs(place, { action: "follow", job: id }, QUIET)).followed;
    expect(first).toMatchObject({ points: [{ epoch: 1 }], droppedBytes: 4 * 1024 * 1024, isDone: false });
    expect(first?.log.slice(0, 1)).toBe("e");
    place.records.set(id, moveTo(record, { state: "canceled", atMs: 2, why: "" }));
    let since = first?.position;
    let bytes = first?.log.length ?? 0;
    for (let done = false; !done;) {
      const { followed } = await jobs(place, { action: "follow", job: id, ...(since && { since }) }, QUIET);
      since = followed?.position;
      bytes += followed?.log.length ?? 0;
      done = followed?.isDone ?? true;
    }
    expect(bytes).toBe(8 * 1024 * 1024);
  }));

test.each([
  ['{"epoch":1,"metrics":{"loss":0.5}}', { epoch: 1, metrics: { loss: 0.5 } }, []],
  [
    '{"epoch": 2, "metrics": {"loss": NaN, "acc": -Infinity, "ok": 1}}',
    { epoch: 2, metrics: { ok: 1 } },
    ["loss", "acc"],
  ],
  ['{"epoch":3,"metrics":{"__proto__":1,"text":"x"}}', { epoch: 3, metrics: {} }, ["__proto__", "text"]],
])("parseEpochLine() takes %s", (line, point, leftOut) => {
  expect(parseEpochLine(line, 7)).toEqual({ point: { ...point, atMs: 7 }, leftOut });
});

test.each([
  "",
  "epoch 1",
  "{",
  "[]",
  '{"epoch":-1,"metrics":{}}',
  '{"epoch":1.5,"metrics":{}}',
  '{"epoch":1}',
  '{"epoch":1,"metrics":[]}',
  "null",
])("parseEpochLine() takes '%s' for an ordinary line", (line) => {
  expect(parseEpochLine(line, 7)).toBeUndefined();
});

/** A run that is interrupted ends with the weights of one that was not. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { interceptCalls } from "@smc/store/fs";
import { beforeAll, expect, test } from "vitest";
import type { TrainEvent, TrainResult } from "./events.ts";
import { BARS, bars, refusal, type Scene, trainIn, withScene } from "./testing/scene.ts";

const BUILT = new URL("../dist/index.js", import.meta.url).href;
/**
 * Everything that could go on differently: dropout, changed copies, running moments, a schedule, an optimiser's means.
 */
const SPEC = {
  data: BARS,
  epochs: 5,
  batch: 8,
  lr: 0.01,
  backbone: { name: "mobilenet-tiny", layers: 2, width: 0.25, dropout: 0.2 },
  schedule: { name: "cosine", warmupEpochs: 1 },
  augment: { flip: true, cropPixels: 1 },
  plateau: { patience: 1 },
  earlyStop: { patience: 5 },
};
/** Learns nothing to speak of. */
const QUIET = {
  ...SPEC,
  backbone: { name: "mlp", layers: 1 },
  lr: 1e-12,
  schedule: {},
  plateau: undefined,
};
const EPOCHS = [1, 2, 3, 4, 5];
let whole: { digest: string | undefined; history: unknown };

/** History without the seconds, which no two runs share. */
function curve(history: readonly { epoch: number; metrics: unknown; lr: number }[]): unknown {
  return history.map(({ epoch, metrics, lr }) => ({ epoch, metrics, lr }));
}

beforeAll(async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const { result } = await trainIn(scene, SPEC);
    whole = { digest: result.modelDigest, history: curve(result.history) };
  });
});

async function expectSameEnd(scene: Scene, spec: unknown = SPEC): Promise<TrainEvent[]> {
  const { result, events } = await trainIn(scene, spec, { resume: true });
  expect(curve(result.history)).toEqual(whole.history);
  expect(result.modelDigest).toBe(whole.digest);
  const rows = readFileSync(join(scene.outputDir, "history.csv"), "utf8").trimEnd().split("\n").slice(1);
  expect(rows.map((row) => Number(row.split(",")[0]))).toEqual(EPOCHS);
  return events;
}

function epochsOf(events: readonly TrainEvent[]): number[] {
  return events.filter((event) => event.type === "epoch").map(({ epoch }) => epoch);
}

/** A run in a process of its own that is killed when it tells of `epoch`. */
async function trainAndKill(scene: Scene, epoch: number): Promise<void> {
  const program = `
    import { train } from ${JSON.stringify(BUILT)};
    const [spec, inputDir, outputDir] = JSON.parse(process.argv[1]);
    const onEvent = (event) => process.stdout.write(JSON.stringify(event) + "\\n");
    await train(spec, { inputDir, outputDir, signal: new AbortController().signal, onEvent });`;
  const given = JSON.stringify([SPEC, scene.inputDir, scene.outputDir]);
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, given], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => {
    child.on("exit", (_, signal) => resolve(signal));
  });
  let rest = "";
  for await (const text of child.stdout.setEncoding("utf8") as AsyncIterable<string>) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = JSON.parse(line) as TrainEvent;
      if (event.type === "checkpoint" && event.epoch === epoch) child.kill("SIGKILL");
    }
  }
  expect(await ended).toBe("SIGKILL");
}

test("S1.5 a run that was killed goes on at the next epoch and ends with the same weights", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    await trainAndKill(scene, 2);
    // What a kill in the middle of a write leaves behind.
    writeFileSync(join(scene.outputDir, "checkpoints", "epoch-0003.safetensors.0123456789ab.tmp"), "half");
    const events = await expectSameEnd(scene);
    // The kill may come a little late, never early.
    expect(epochsOf(events)[0]).toBeGreaterThan(2);
    expect(readdirSync(join(scene.outputDir, "checkpoints")).filter((name) => name.endsWith(".tmp"))).toEqual(
      [],
    );
  });
});

/** A run that is stopped in the third epoch. Each batch takes one turn of the event loop, and an epoch has 5. */
async function stopInside(scene: Scene, spec: unknown): Promise<TrainResult> {
  const { result } = await trainIn(scene, spec, {
    onEvent: (event, controller) => {
      if (event.type !== "checkpoint" || event.epoch !== 2) return;
      setImmediate(() => setImmediate(() => setImmediate(() => controller.abort())));
    },
  });
  expect(result).toMatchObject({ status: "stopped", epochs: 2, reason: "the run was stopped" });
  const saved = readdirSync(join(scene.outputDir, "checkpoints")).sort().at(-1);
  expect(saved).toMatch(/^epoch-0002-batch-00000[1-4]\.safetensors$/);
  return result;
}

test("ask 7: a run that is stopped inside of an epoch saves its state and goes on with the next batch", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    await stopInside(scene, SPEC);
    expect(epochsOf(await expectSameEnd(scene))).toEqual([3, 4, 5]);
  });
});

test("weights of the middle of an epoch have no metrics, which nobody has measured", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const result = await stopInside(scene, { ...SPEC, earlyStop: undefined });
    expect(result).toMatchObject({ modelEpoch: 2, metrics: {} });
    expect(result.modelBatch).toBeGreaterThan(0);
    const written = JSON.parse(readFileSync(join(scene.outputDir, "metrics.json"), "utf8")) as unknown;
    expect(written).toEqual({ epoch: 2, batch: result.modelBatch, epochs: 2 });
  });
});

test("a run that reached its time limit is stopped, and goes on when it is asked to", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const { result } = await trainIn(scene, { ...SPEC, timeLimitMs: 1 });
    expect(result.status).toBe("stopped");
    expect(result.reason).toBe("the time limit of 1 ms is reached");
    await expectSameEnd(scene);
  });
});

test("ask 6: a finished run is extended, and its curve has no gap", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const steady = { ...SPEC, schedule: {} };
    const long = await withScene(async (other) => {
      await other.write("bars.npz", bars(48, 8));
      return (await trainIn(other, steady)).result;
    });
    await trainIn(scene, { ...steady, epochs: 3 });
    const { result, events } = await trainIn(scene, steady, { resume: true });
    expect(epochsOf(events)).toEqual([4, 5]);
    expect(curve(result.history)).toEqual(curve(long.history));
    expect(result.modelDigest).toBe(long.modelDigest);
  });
});

test("S1.7 exactly the best and the last checkpoints stay", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const checkpoint = { keepBest: 2, keepLast: 1, metric: "val_loss" };
    const { result } = await trainIn(scene, { ...SPEC, checkpoint });
    const ranked = result.history.toSorted((a, b) => (a.metrics.val_loss ?? 0) - (b.metrics.val_loss ?? 0));
    const kept = new Set([...ranked.slice(0, 2).map(({ epoch }) => epoch), 5]);
    const names = [...kept].sort().map((epoch) => `epoch-000${epoch}.safetensors`);
    expect(readdirSync(join(scene.outputDir, "checkpoints")).sort()).toEqual(names);
  });
});

test("a damaged checkpoint is told, and the one before it is used", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const spec = { ...SPEC, checkpoint: { keepLast: 2 } };
    await trainIn(scene, { ...spec, epochs: 3 });
    const path = join(scene.outputDir, "checkpoints", "epoch-0003.safetensors");
    const bytes = readFileSync(path);
    bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const { events } = await trainIn(scene, spec, { resume: true });
    expect(epochsOf(events)).toEqual([3, 4, 5]);
    const messages = events.filter((event) => event.type === "message").map(({ text }) => text);
    expect(messages[0]).toContain(
      "'epoch-0003.safetensors' is damaged: its bytes are not those that were written",
    );
    writeFileSync(path, bytes.subarray(0, 100));
    expect((await trainIn(scene, { ...spec, epochs: 6 }, { resume: true })).result.epochs).toBe(6);
  });
});

test("a run is not continued with other settings or data, nor silently begun anew", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const short = { ...SPEC, epochs: 1, schedule: {} };
    await trainIn(scene, short);
    expect((await refusal(() => trainIn(scene, short))).code).toBe("ALREADY_EXISTS");
    const changed = { ...short, lr: 0.02, epochs: 2 };
    const error = await refusal(() => trainIn(scene, changed, { resume: true }));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain("lr was 0.01 and is now 0.02");
    await scene.write("bars.npz", bars(50, 8));
    const other = await refusal(() => trainIn(scene, { ...short, epochs: 2 }, { resume: true }));
    expect(other.message).toContain("the data are not the same");
  });
});

test("an early stop is lengthened by more patience, and not measured otherwise", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const again = { ...QUIET, earlyStop: { patience: 1, minDelta: 0.01 } };
    const { result } = await trainIn(scene, again);
    expect(result).toMatchObject({ status: "finished", epochs: 2, modelEpoch: 1 });
    expect((await trainIn(scene, again, { resume: true })).result).toMatchObject({
      epochs: 2,
      reason: `${result.reason}; nothing was learned since: it needs more epochs or patience`,
    });
    const patient = { ...again, earlyStop: { patience: 3, minDelta: 0.01 } };
    const longer = await trainIn(scene, patient, { resume: true });
    expect(epochsOf(longer.events)).toEqual([3, 4]);
    expect(longer.result).toMatchObject({ modelEpoch: 1, modelDigest: result.modelDigest });
    const other = { ...again, earlyStop: { patience: 3, minDelta: 0.01, metric: "val_acc" } };
    const { message } = await refusal(() => trainIn(scene, other, { resume: true }));
    expect(message).toContain('earlyStop.metric was "val_loss" and is now "val_acc"');
  });
});

test("a run that stopped early learns on when it is to have more epochs, and only then", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const still = { ...QUIET, epochs: 6, earlyStop: { patience: 2, minDelta: 0.01 } };
    const first = await trainIn(scene, still);
    expect(first.result).toMatchObject({ epochs: 3, modelEpoch: 1 });
    for (const [epochs, learned] of [
      [6, []],
      [9, [4, 5]],
      [9, []],
      [6, []],
      [10, [6, 7]],
      [8, []],
    ] as const) {
      const { result, events } = await trainIn(scene, { ...still, epochs }, { resume: true });
      expect(epochsOf(events)).toEqual(learned);
      expect(result).toMatchObject({
        status: "finished",
        modelEpoch: 1,
        modelDigest: first.result.modelDigest,
      });
      expect(result.reason).toMatch(/^early stopping at epoch \d: val_loss has not improved since epoch 1/);
      const texts = events.flatMap((event) => (event.type === "message" ? [event.text] : []));
      const anew = learned.length > 0 ? 1 : 0;
      expect(texts.filter((text) => text.includes("its patience begins anew"))).toHaveLength(anew);
    }
  });
});

test("a full disk at a checkpoint ends the run; the checkpoint before it is whole, and it goes on from there", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const full = Object.assign(new Error("no space"), { code: "ENOSPC", syscall: "write" });
    interceptCalls((what, path) => {
      if (what === "write" && path.includes("epoch-0003")) throw full;
    });
    try {
      expect((await refusal(() => trainIn(scene, SPEC))).code).toBe("DISK_FULL");
    } finally {
      interceptCalls(undefined);
    }
    const left = readdirSync(join(scene.outputDir, "checkpoints"));
    expect(left).toContain("epoch-0002.safetensors");
    expect(epochsOf(await expectSameEnd(scene))).toEqual([3, 4, 5]);
  });
});

test("a signal that comes before the first step cancels", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(48, 8));
    const onEvent = (event: TrainEvent, controller: AbortController): void => {
      if (event.type === "step" && event.step === "model") controller.abort();
    };
    expect((await refusal(() => trainIn(scene, SPEC, { onEvent }))).code).toBe("CANCELED");
    expect(readdirSync(scene.outputDir)).toEqual([]);
  });
});

import { expect, test } from "vitest";
import { Activity } from "./activity.ts";
import { until } from "./testing.ts";

const quiet = { idleMs: 0, onIdle: () => undefined };

test("Activity is idle only after it was started, and never while a request is active", async () => {
  let idle = 0;
  const activity = new Activity({ idleMs: 20, onIdle: () => (idle += 1) });
  const first = activity.enter();
  activity.start();
  const second = activity.enter();
  first?.leave();
  const startMs = performance.now();
  await until(() => performance.now() - startMs > 60);
  expect([idle, activity.count]).toEqual([0, 1]);
  second?.leave();
  await until(() => idle === 1);
});

test("drain() waits for what is active and lets nothing in", async () => {
  const activity = new Activity(quiet);
  const entered = activity.enter();
  let drained = false;
  const draining = activity.drain(10_000, 0).then(() => (drained = true));
  expect(activity.enter()).toBeUndefined();
  expect(drained).toBe(false);
  entered?.leave();
  await draining;
  expect(entered?.controller.signal.aborted).toBe(false);
});

test("drain() aborts what does not end in time, and goes on when that does not help", async () => {
  const activity = new Activity(quiet);
  const stubborn = activity.enter();
  await activity.drain(10, 10);
  expect(stubborn?.controller.signal.reason).toMatchObject({ code: "DAEMON_STOPPING" });
  expect(activity.count).toBe(1);
});

test("drain() returns at once when nothing is active", async () => {
  await new Activity(quiet).drain(10_000, 10_000);
});

test("quiet work starts after quiet time, is told to stop by a request, and drain() waits for it", async () => {
  const signals: AbortSignal[] = [];
  let end = (): void => undefined;
  const run = (signal: AbortSignal): Promise<void> => {
    signals.push(signal);
    return new Promise((resolve) => {
      end = resolve;
    });
  };
  const activity = new Activity({ ...quiet, quiet: { ms: 10, run } });
  activity.start();
  await until(() => signals.length === 1);
  const entered = activity.enter();
  expect(signals[0]?.aborted).toBe(true);
  entered?.leave();
  let drained = false;
  const draining = activity.drain(10_000, 0).then(() => (drained = true));
  await until(() => signals.length === 1);
  expect(drained).toBe(false);
  end();
  await draining;
});

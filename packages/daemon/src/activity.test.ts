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

test("who only watches keeps the daemon, not its quiet work, and goes as soon as it leaves", async () => {
  let quiet = 0;
  let idle = 0;
  const activity = new Activity({
    idleMs: 20,
    onIdle: () => (idle += 1),
    quiet: { ms: 5, run: async () => void (quiet += 1) },
  });
  const watching = activity.watch();
  if (watching === undefined) throw new Error("it may not watch");
  activity.start();
  await until(() => quiet === 1);
  activity.enter()?.leave();
  await until(() => quiet === 2);
  expect(activity.count).toBe(0);
  watching.leave();
  await until(() => idle === 1);
  const second = activity.watch();
  second?.controller.signal.addEventListener("abort", () => second.leave());
  // Far longer than the test may take.
  await activity.drain(600_000, 600_000);
  expect(second?.controller.signal.aborted).toBe(true);
  expect(activity.watch()).toBeUndefined();
});

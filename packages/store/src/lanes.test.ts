import { expect, test } from "vitest";
import { inLanes } from "./lanes.ts";

test("inLanes() works on every item once, and on no more at a time than there are lanes", async () => {
  const done: number[] = [];
  let now = 0;
  let most = 0;
  await inLanes([1, 2, 3, 4, 5], 2, async (item) => {
    now += 1;
    most = Math.max(most, now);
    await new Promise(setImmediate);
    now -= 1;
    done.push(item);
  });
  expect(done.sort()).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
});

test("inLanes() begins nothing after a failure, and waits for what runs before it throws", async () => {
  const begun: number[] = [];
  let ended = false;
  const working = inLanes([1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("one");
    await new Promise(setImmediate);
    ended = true;
  });
  await expect(working).rejects.toThrow("one");
  expect({ begun, ended }).toEqual({ begun: [1, 2], ended: true });
});

test("inLanes() without items does nothing", async () => {
  await inLanes([], 4, () => Promise.reject(new Error("never")));
});

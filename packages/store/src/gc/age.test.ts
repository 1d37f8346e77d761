import { expect, test } from "vitest";
import { hasPassed, lookBack, type Moment } from "./age.ts";

const DAY_MS = 86_400_000;
const START = 20_000;

/** Changes on these days, numbered from 1, the newest first. */
async function* changes(...days: number[]): AsyncIterable<Moment> {
  for (let seq = days.length; seq > 0; seq -= 1) yield { seq, ms: (START + (days[seq - 1] ?? 0)) * DAY_MS };
}

function last(days: readonly number[], now: number, span: number): Promise<readonly [number, boolean]> {
  const times = { nowMs: (START + now) * DAY_MS, spanMs: span * DAY_MS };
  return lookBack(changes(...days), times).then((past) => [past.last?.seq ?? 0, past.isDoubtful]);
}

test("lookBack() finds the newest change that is old enough", async () => {
  expect(await last([0, 5, 10, 15], 16, 6)).toEqual([3, false]);
  expect(await last([0, 5, 10, 15], 16, 30)).toEqual([0, false]);
  expect(await last([0, 5, 10, 15], 16, 0)).toEqual([4, false]);
  expect(await last([], 16, 0)).toEqual([0, false]);
});

test("lookBack() counts a pause for a week at most, and says so", async () => {
  expect(await last([0, 1], 100, 30)).toEqual([0, true]);
  expect(await last([0, 1], 100, 7)).toEqual([2, false]);
  expect(await last([0, 30, 60, 90], 120, 14)).toEqual([3, true]);
});

test("lookBack() does not believe a clock that jumped by years", async () => {
  expect(await last([0, 1], 3650, 7)).toEqual([0, true]);
  expect(await last([0, 1, 3650], 3650, 7)).toEqual([0, true]);
  expect(await last([0, 1, -9000], -9000, 7)).toEqual([0, false]);
  expect(await last([0, 1, 3650, 2], 9, 7)).toEqual([4, false]);
  expect(await last([0, 1, 3650, 2], 5, 4)).toEqual([2, false]);
});

test("hasPassed() believes days, and no years", async () => {
  const passed = (since: number, now: number, ...days: number[]): Promise<boolean> =>
    hasPassed(changes(...days), {
      sinceMs: (START + since) * DAY_MS,
      nowMs: (START + now) * DAY_MS,
      spanMs: DAY_MS,
    });
  expect(await passed(0, 2)).toBe(true);
  expect(await passed(0, 0.5, -3)).toBe(false);
  expect(await passed(0, 30, -3)).toBe(true);
  expect(await passed(0, 3650, -3)).toBe(false);
  expect(await passed(0, 3650, -3, 3650)).toBe(false);
  expect(await passed(0, 2, -3, 3650)).toBe(true);
  expect(await passed(0, -9000, -3, -9000)).toBe(false);
});

import { expect, test } from "vitest";
import { createProgressView } from "./progress.ts";

const MIB = 1024 * 1024;

test("a plain view prints a line every ten per cent and nothing for what is done at once", () => {
  const view = createProgressView("plain", 80);
  const lines: string[] = [];
  for (let done = 0; done <= 100; done++) {
    const line = view.next({ phase: "add", done: done * MIB, total: 100 * MIB, unit: "bytes" }, done * 100);
    if (line !== undefined) lines.push(line);
  }
  expect(lines).toHaveLength(10);
  expect(lines[0]).toBe("add: 10 % (10.0 MiB of 100.0 MiB, 10.0 MiB/s, 9s left)");
  expect(lines[9]).toBe("add: 100 % (100.0 MiB of 100.0 MiB, 10.0 MiB/s)");
  const quick = createProgressView("plain", 80);
  expect(quick.next({ phase: "add", done: 1, total: 1, unit: "files" }, 0)).toBeUndefined();
});

test("a plain view tells no rate before it knows one, and begins anew with each phase", () => {
  const view = createProgressView("plain", 80);
  const at = (phase: string, done: number, ms: number): string | undefined =>
    view.next({ phase, done, total: 10, unit: "files" }, ms);
  expect(at("index", 0, 0)).toBeUndefined();
  expect(at("index", 5, 1000)).toBe("index: 50 % (5 of 10 files, 5/s, 1s left)");
  expect(at("send", 2, 5000)).toBe("send: 20 % (2 of 10 files)");
  expect(at("send", 4, 5010)).toBe("send: 40 % (4 of 10 files)");
  expect(at("send", 6, 7000)).toBe("send: 60 % (6 of 10 files, 2/s, 2s left)");
  view.next({ phase: "slow", done: 0, total: 900, unit: "bytes" }, 8000);
  const slow = view.next({ phase: "slow", done: 700, total: 900, unit: "bytes" }, 8700 + 41);
  expect(slow).toBe("slow: 70 % (700 B of 900 B, 945 B/s, 0s left)");
});

test("a fancy view redraws at most every 100 ms, tells rate and time left, and fits the terminal", () => {
  const view = createProgressView("fancy", 80);
  const drawn: string[] = [];
  for (let ms = 0; ms <= 2000; ms += 10) {
    const text = view.next({ phase: "add", done: ms * 1024, total: 4000 * 1024, unit: "bytes" }, ms);
    if (text !== undefined) drawn.push(text);
  }
  expect(drawn.length).toBeGreaterThan(10);
  expect(drawn.length).toBeLessThanOrEqual(18);
  expect(drawn.at(-1)).toContain("50 %");
  expect(drawn.at(-1)).toMatch(/\d KiB\/s {2}2s left$/);
  const narrow = createProgressView("fancy", 1);
  narrow.next({ phase: "add", done: 0, unit: "files" }, 0);
  expect(narrow.next({ phase: "add", done: 5, unit: "files" }, 1000)).toBe("");
});

test("a view of style none says nothing", () => {
  const view = createProgressView("none", 80);
  view.next({ phase: "add", done: 0, total: 9, unit: "files" }, 0);
  expect(view.next({ phase: "add", done: 9, total: 9, unit: "files" }, 5000)).toBeUndefined();
});

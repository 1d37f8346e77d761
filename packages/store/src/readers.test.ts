import { expect, test } from "vitest";
import { Readers } from "./readers.ts";

const NEVER = new AbortController().signal;

test("drain() waits for those who are inside, not for those who come later", async () => {
  const readers = new Readers();
  const first = readers.enter();
  let drained: boolean | undefined;
  const draining = readers.drain(NEVER, 60_000).then((done) => (drained = done));
  const second = readers.enter();
  await new Promise(setImmediate);
  expect(drained).toBeUndefined();
  first[Symbol.dispose]();
  await draining;
  expect(drained).toBe(true);
  second[Symbol.dispose]();
});

test("drain() gives up when readers stay, and when it is stopped", async () => {
  const readers = new Readers();
  using _ = readers.enter();
  expect(await readers.drain(NEVER, 10)).toBe(false);
  const stop = new AbortController();
  const draining = readers.drain(stop.signal, 60_000);
  stop.abort();
  expect(await draining).toBe(false);
  expect(await readers.drain(stop.signal, 60_000)).toBe(false);
});

test("drain() of nobody is done at once", async () => {
  expect(await new Readers().drain(NEVER, 60_000)).toBe(true);
});

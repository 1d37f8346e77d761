import { expect, test } from "vitest";
import { runProgram } from "./run-program.ts";

const call = () => ({ signal: new AbortController().signal, onProgress: () => undefined });
const run = (script: string, options = {}) =>
  runProgram(["/bin/sh", "-c", script], Buffer.from("{}"), call(), options);

test("runProgram() tells how a program ended, and what it said first", async () => {
  expect(await run("cat; exit 0")).toEqual({ ok: true, message: "it ended with 0: {}" });
  expect(await run("echo no >&2; exit 3")).toEqual({ ok: false, message: "it ended with 3: no" });
  expect(await run("kill -9 $$")).toEqual({ ok: false, message: "it was ended by SIGKILL" });
  expect(await runProgram(["smc-no-such-program"], Buffer.from(""), call())).toEqual({
    ok: false,
    message: "it ended with 127: no such program, or it cannot be run",
  });
});

test("runProgram() ends what takes too long, with all that it started, and drops what is said too much", async () => {
  const late = await run("sleep 600 & sleep 600", { wholeMs: 200 });
  expect(late).toEqual({ ok: false, message: "it did not end in 0.2 s and was ended" });
  const loud = await run("head -c 5000000 /dev/zero | tr '\\0' x");
  expect(loud.ok).toBe(true);
  expect(loud.message.length).toBeLessThan(400);
});

test("runProgram() ends with its call", async () => {
  const stop = new AbortController();
  const running = runProgram(["/bin/sh", "-c", "sleep 600"], Buffer.from(""), {
    ...call(),
    signal: stop.signal,
  });
  setImmediate(() => stop.abort());
  await expect(running).rejects.toMatchObject({ code: "CANCELED" });
});

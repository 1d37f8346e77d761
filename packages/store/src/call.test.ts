import { expect, test } from "vitest";
import { orCanceled } from "./call.ts";
import { SmcError } from "./errors.ts";

test("orCanceled() takes care of work that fails after nobody waits for it any more", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const call = { signal: AbortSignal.abort(), onProgress: () => undefined };
    const work = new Promise((_, reject) => {
      setImmediate(() => reject(new SmcError("IO_FAILED", "too late")));
    });
    await expect(orCanceled(work, call)).rejects.toMatchObject({ code: "CANCELED" });
    // Node tells of a rejection that nobody took after the turn in which it came.
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});

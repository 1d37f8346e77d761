import { afterAll, expect, test } from "vitest";
import type { QueueResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc queue tells slots, what runs and what waits; --slots goes with start", async () => {
  expect(await box.ok("queue")).toBe("0 running, 0 waiting, 1 job at a time\n");
  expect(await box.json<QueueResult>("queue", "start", "-j", "3")).toMatchObject({
    slots: 3,
    isPaused: false,
  });
  expect((await box.ok("config", "get", "jobs.slots")).trim()).toBe("3");
  expect(await box.refused("queue", "stop", "-j", "2")).toMatchObject({ code: "USAGE", exit: 2 });
  expect(await box.refused("queue", "nope")).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
});

import { expect, test } from "vitest";
import { idlePlace } from "../testing/jobs.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { queue } from "./queue.ts";
import { train } from "./train.ts";

test("queue() tells what waits, the highest priority first, and pauses", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "a.txt": "a" });
    const place = idlePlace(bench);
    for (const [name, priority] of [
      ["a", 0],
      ["b", 2],
      ["c", 0],
    ] as const)
      await train(place, { argv: ["p"], name, priority }, QUIET);
    const told = await queue(place, { action: "stop" }, QUIET);
    expect(told).toMatchObject({ slots: 1, isPaused: true, running: [] });
    expect(told.waiting.map(({ name }) => name)).toEqual(["b", "a", "c"]);
    expect(await queue(place, { action: "start" }, QUIET)).toMatchObject({ isPaused: false });
    await expect(queue(place, { action: "start", slots: 0 }, QUIET)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });
});

import { expect, test } from "vitest";
import { eventsOf, noteIntegrity, type StoreEvent } from "../events.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { withHistory } from "../testing/history.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { events } from "./events.ts";

const ONE = "11".repeat(32) as Digest;
const TWO = "22".repeat(32) as Digest;

test("events() tells of refs that moved, of the champion and of damage, and of nothing inside", () =>
  withHistory(async (history) => {
    const store = history.store as OwnedStore;
    await history.point("refs/heads/main", ONE, "first");
    await history.point(`refs/worktrees/${"a".repeat(32)}/HEAD`, ONE, "inside");
    await history.point("refs/registry/champion", TWO, "best");
    expect(await noteIntegrity(store, "pack 12: a flipped byte")).toBe(true);
    const told = async (options: Parameters<typeof events>[1]) =>
      (await events(store, options, QUIET)).events.map(({ event, reason }) => [event, reason]);
    expect(await told({})).toEqual([
      ["ref.updated", "first"],
      ["ref.updated", "best"],
      ["champion.changed", "best"],
      ["integrity.failed", "pack 12: a flipped byte"],
    ]);
    expect(await told({ limit: 1 })).toEqual([["integrity.failed", "pack 12: a flipped byte"]]);
    expect(await told({ limit: 0 })).toEqual([]);
    expect(await told({ event: "champion.changed" })).toEqual([["champion.changed", "best"]]);
    expect(await codeOf(() => events(store, { event: "job.begun" }, QUIET))).toBe("ARGUMENT_INVALID");
    expect(await codeOf(() => events(store, { limit: 1001 }, QUIET))).toBe("ARGUMENT_INVALID");
  }));

test("events() with follow tells those that were, then those that come", () =>
  withHistory(async (history) => {
    const store = history.store as OwnedStore;
    await history.point("refs/heads/main", ONE, "before");
    const stop = new AbortController();
    const told: StoreEvent[] = [];
    const onEvent = async (event: StoreEvent) => {
      told.push(event);
      if (told.length === 1) await history.point("refs/heads/main", TWO, "after");
      else stop.abort();
    };
    const result = await events(store, { follow: true }, { ...QUIET, signal: stop.signal, onEvent });
    expect(result).toEqual({ events: [] });
    expect(told.map(({ reason }) => reason)).toEqual(["before", "after"]);
    expect(told[1]).toMatchObject({
      refs: [{ name: "refs/heads/main", from: ONE, to: TWO }],
      refsLeftOut: 0,
    });
    expect(told[1]?.id).toBe(`${store.id}-${told[1]?.seq}-ref.updated`);
  }));

test("an event names 100 refs and counts the others", () => {
  const changes = Array.from({ length: 150 }, (_, index) => ({
    name: `refs/heads/b${index}`,
    from: "absent" as const,
    to: ONE,
  }));
  const common = { seq: 1, ms: 0, op: "push", actor: "a", reason: "r", repository: "demo" };
  const [event] = eventsOf({ type: "refs", ...common, changes }, "id");
  expect(event?.refs).toHaveLength(100);
  expect(event?.refsLeftOut).toBe(50);
});

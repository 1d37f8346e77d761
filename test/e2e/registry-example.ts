/** What the examples of the registry are run against, and what they must print: one JSON object for each call. */
import { expect } from "vitest";
import { createSandbox, type Ran, type Sandbox } from "./sandbox.ts";

/** The fixture of S3.21: two versions, the second one champion. */
export async function createRegistryBox(): Promise<Sandbox> {
  const box = await createSandbox();
  for (const [version, mag, azi] of [
    ["v1.0.0", 98.36, 50.66],
    ["v1.0.1", 97.63, 71.28],
  ] as const) {
    const metrics = ["--metric", `mag=${mag}`, "--metric", `azi=${azi}`];
    await box.commit(version, { "model.bin": version }, ...metrics, "--tag", version);
    await box.ok("promote", version, "--reason", `promoted ${version}`, "--yes");
  }
  return box;
}

/** The seven calls of S3, in its order. */
export async function expectSevenCalls(box: Sandbox, { code, stdout, stderr }: Ran): Promise<void> {
  expect([code, stderr]).toEqual([0, ""]);
  const lines = stdout.trim().split("\n");
  const calls = lines.map((line) => JSON.parse(line) as { call: string; result: unknown });
  expect(calls.map(({ result }) => result)).toMatchObject([
    { version: "v1.0.1", role: "champion", metrics: { mag: 97.63, azi: 71.28 } },
    { kind: "commit", commit: { message: "v1.0.0", metrics: { mag: 98.36, azi: 50.66 } } },
    expect.arrayContaining([
      expect.objectContaining({ version: "v1.0.0", status: "archived" }),
      expect.objectContaining({ version: "v1.0.1", status: "champion" }),
    ]),
    {
      metrics: expect.arrayContaining([
        expect.objectContaining({ name: "azi", values: [50.66, 71.28] }),
        expect.objectContaining({ name: "mag", values: [98.36, 97.63] }),
      ]),
    },
    { metrics: { azi: 71.28 } },
    { versions: 2, archived: 1, champion: { version: "v1.0.1" } },
    { moved: true, from: { version: "v1.0.1" }, to: { version: "v1.0.0" } },
  ]);
  expect(JSON.parse(box.read("metadata.json"))).toMatchObject({ metrics: { azi: 71.28 } });
  expect(await box.ok("champion", "-q")).toBe(await box.ok("rev-parse", "v1.0.0"));
}

/** The examples in other languages than ours. */
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { createRegistryBox, expectSevenCalls } from "../e2e/registry-example.ts";
import { runProgram } from "../e2e/sandbox.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/registry/registry.py", import.meta.url));

test("S3.9 to S3.15 the seven calls from Python's standard library, by examples/registry/registry.py", async () => {
  await using box = await createRegistryBox();
  const ran = await runProgram("python3", [EXAMPLE, "1.0.0", "1.0.1"], { cwd: box.work, env: box.env });
  await expectSevenCalls(box, ran);
});

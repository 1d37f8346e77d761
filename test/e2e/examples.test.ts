import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { createRegistryBox, expectSevenCalls } from "./registry-example.ts";
import { runProgram } from "./sandbox.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/registry/dist/registry.js", import.meta.url));

test("S3.9 to S3.15 the seven calls from TypeScript, by examples/registry/registry.ts", async () => {
  await using box = await createRegistryBox();
  const ran = await runProgram(process.execPath, [EXAMPLE, "1.0.0", "1.0.1"], {
    cwd: box.work,
    env: box.env,
  });
  await expectSevenCalls(box, ran);
});

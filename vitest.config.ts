import { defineConfig } from "vitest/config";
import { ClosingLine } from "./scripts/closing-line.mjs";

// Tests run on the sources: the export condition `source` of each package leads to src/.
const resolve = { conditions: ["source"] };
const ssr = { resolve: { conditions: ["source"] } };

export default defineConfig({
  test: {
    reporters: ["default", new ClosingLine()],
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts"],
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "whole",
          include: ["test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "test/faults/**", "test/engines/**"],
          testTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        resolve,
        ssr,
        // Alone on the machine: they kill, fill disks and count processes.
        test: {
          name: "faults",
          include: ["test/faults/*.test.ts"],
          testTimeout: 600_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        resolve,
        ssr,
        // Needs what scripts/engines.mjs installs; `npm test` leaves it out.
        test: {
          name: "engines",
          include: ["test/engines/*.test.ts"],
          testTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});

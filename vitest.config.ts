import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { ClosingLine } from "./scripts/closing-line.mjs";

// Tests run on the sources: the export condition `source` of each package leads to src/.
const resolve = { conditions: ["source"] };
const ssr = { resolve: { conditions: ["source"] } };

// Limits are for tests that hang: one that is slow on a crowded machine must pass.
const hookTimeout = 240_000;

// Vitest leaves one core to itself, but tests mostly wait for disks and for programs that they started.
const maxWorkers = availableParallelism();

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
          testTimeout: 120_000,
          hookTimeout,
          maxWorkers,
          sequence: { groupOrder: 0 },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "whole",
          include: ["test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "test/faults/**", "test/proof/**", "test/engines/**"],
          testTimeout: 240_000,
          hookTimeout,
          maxWorkers,
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
          hookTimeout,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        resolve,
        ssr,
        // Thousands of faults one after the other, alone on the machine; SMC_PROOF=long takes all of them.
        test: {
          name: "proof",
          include: ["test/proof/*.test.ts"],
          testTimeout: process.env.SMC_PROOF === "long" ? 14_400_000 : 1_800_000,
          hookTimeout,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
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
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});

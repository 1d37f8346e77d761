import { defineConfig } from "vitest/config";

const resolve = { conditions: ["source"] };
const ssr = { resolve: { conditions: ["source"] } };

export default defineConfig({
  test: {
    projects: [
      { resolve, ssr, test: { name: "unit", include: ["packages/*/src/**/*.test.ts"] } },
      { resolve, ssr, test: { name: "whole", include: ["test/**/*.test.ts"], testTimeout: 60_000 } },
    ],
  },
});

/**
 * `npm test`: runs vitest and ends with one line that counts the tests. Arguments go to vitest. The engine tests are
 * left out: they need what scripts/engines.mjs installs.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const { status, signal } = spawnSync(
  process.execPath,
  [join(root, "node_modules", "vitest", "vitest.mjs"), "run", "--project=!engines", ...process.argv.slice(2)],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
if (signal !== null) process.stderr.write(`vitest was ended by ${signal}\n`);
process.exitCode = status ?? 1;

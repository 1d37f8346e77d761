import { vi } from "vitest";

/** For what another process does in its own time. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const look = async (): Promise<void> => {
    if (!(await condition())) throw new Error(`not so: ${String(condition)}`);
  };
  await vi.waitFor(look, { timeout: 60_000, interval: 50 });
}

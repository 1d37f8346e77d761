/** Work on many items, so many at a time. */

/**
 * Runs `work` on each item. When one fails nothing more is begun, what runs is waited for, and the failure that came
 * first in the order of the lanes is thrown: nobody still works for a command that is over.
 */
export async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      try {
        await work(items[index] as T);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(lanes, items.length) }, lane));
  for (const outcome of ended) if (outcome.status === "rejected") throw outcome.reason;
}

/**
 * The newest records of the journal in memory, for those who follow it while it grows; older ones are read from its
 * files.
 */
import type { JournalRecord } from "./journal-format.ts";

const RECORDS_MAX = 256;
/** As they are on disk; one record alone may be longer. */
const BYTES_MAX = 4 * 1024 * 1024;

interface Held {
  readonly record: JournalRecord;
  readonly sizeBytes: number;
}

export class RecentRecords {
  #held: Held[] = [];
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  add(record: JournalRecord, sizeBytes: number): void {
    this.#held.push({ record, sizeBytes });
    this.#bytes += sizeBytes;
    while (this.#held.length > RECORDS_MAX || (this.#held.length > 1 && this.#bytes > BYTES_MAX))
      this.#bytes -= this.#held.shift()?.sizeBytes ?? 0;
    for (const wake of this.#waiting) wake();
  }

  /** The records from a number on, oldest first; undefined when some of them are not held any more, or never were. */
  from(seq: number): JournalRecord[] | undefined {
    const [oldest] = this.#held;
    if (oldest === undefined || seq < oldest.record.seq) return undefined;
    return this.#held.filter(({ record }) => record.seq >= seq).map(({ record }) => record);
  }

  /** Resolves when the next record is added, or when the signal fires. */
  grown(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted) wake();
    });
  }
}

/** What a check found: records that are damaged or missing, and which objects need them for what. */
import type { Digest } from "../objects/digest.ts";

/** Reported places where one object is needed. */
const NEEDERS_MAX = 10;
const NEEDER_LENGTH_MAX = 8192;

/** An object that cannot be read whole. */
export interface BrokenObject {
  readonly digest: Digest;
  readonly message: string;
  /** Damaged and missing records that it is made of. */
  readonly records: readonly Digest[];
  /** "repository ref commit <digest> /path", at most ten. */
  readonly needers: readonly string[];
}

export class Damaged {
  readonly #records = new Map<Digest, string>();
  readonly #objects = new Map<Digest, { message: string; records: readonly Digest[]; needers: string[] }>();
  readonly #faults = new Set<string>();

  get isEmpty(): boolean {
    return this.#records.size === 0 && this.#objects.size === 0;
  }

  /** Says why a record cannot be read; the first reason stays. */
  mark(record: Digest, why: string): void {
    if (!this.#records.has(record)) this.#records.set(record, why);
  }

  /** Undefined for a record that nobody found damaged. */
  whyOf(record: Digest): string | undefined {
    return this.#records.get(record);
  }

  /** Damaged and missing records. */
  records(): Digest[] {
    return [...this.#records.keys()];
  }

  report(
    object: Digest,
    { message, records, needer }: { message: string; records: readonly Digest[]; needer: () => string },
  ): void {
    for (const record of records) this.mark(record, message);
    const known = this.#objects.get(object);
    if (known === undefined) this.#objects.set(object, { message, records, needers: [] });
    this.addNeeder(object, needer);
  }

  /** Of an object that is known to be broken; of any other it does nothing. */
  addNeeder(object: Digest, needer: () => string): void {
    const needers = this.#objects.get(object)?.needers;
    if (needers === undefined || needers.length >= NEEDERS_MAX) return;
    const shown = needer().slice(0, NEEDER_LENGTH_MAX).trimEnd();
    if (!needers.includes(shown)) needers.push(shown);
  }

  objects(): BrokenObject[] {
    return [...this.#objects].map(([digest, object]) => ({ digest, ...object }));
  }

  /** Who needs a record, by the objects that it is a part of. */
  needersOf(record: Digest): string[] {
    const found = new Set<string>();
    for (const { records, needers } of this.#objects.values()) {
      if (records.includes(record)) for (const needer of needers) found.add(needer);
    }
    return [...found].slice(0, NEEDERS_MAX);
  }

  /** Something that is no object and is not as it must be. */
  addFault(message: string): void {
    this.#faults.add(message);
  }

  faults(): string[] {
    return [...this.#faults];
  }
}

/** What is wrong with data. A training ends at the first; a check goes on and counts them all. */
import { dataError } from "./dataset.ts";

/** Of these the words are kept; further ones are counted. */
export const PROBLEMS_MAX = 100;

export class Problems {
  /** All of them. */
  count = 0;
  /** Samples that cannot be learned from. */
  badSamples = 0;
  readonly kept: string[] = [];
  readonly #endsAtFirst: boolean;

  constructor(options: { endsAtFirst: boolean }) {
    this.#endsAtFirst = options.endsAtFirst;
  }

  /** `why` names the file and what is wrong there. Throws FILE_MALFORMED in a training. */
  add(why: string, options: { hint?: string } = {}): void {
    if (this.#endsAtFirst) throw dataError(why, options);
    this.count += 1;
    if (this.kept.length < PROBLEMS_MAX) this.kept.push(why);
  }

  /** Of one sample, which is left out. Called once for each. Throws as `add`. */
  addSample(why: string, options: { hint?: string } = {}): void {
    this.add(why, options);
    this.badSamples += 1;
  }
}

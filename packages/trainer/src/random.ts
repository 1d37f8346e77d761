/** Numbers that depend on nothing but a seed and a purpose, so that a run can be repeated and resumed. */
import { createHash } from "node:crypto";

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Whole, uniform in [0, below). */
  below(limit: number): number;
  /** Of mean 0 and deviation 1. */
  normal(): number;
}

/**
 * A generator of its own for each purpose: `randomOf(seed, "shuffle", epoch)`. Nothing of it has to be kept in a
 * checkpoint: a resumed run asks for the same purposes again. The steps are those of sfc32 by Chris Doty-Humphrey.
 */
export function randomOf(seed: number, ...purpose: readonly (string | number)[]): Random {
  const state = createHash("sha256")
    .update(JSON.stringify([seed, ...purpose]))
    .digest();
  let a = state.readInt32LE(0);
  let b = state.readInt32LE(4);
  let c = state.readInt32LE(8);
  let counter = state.readInt32LE(12);
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  const normal = (): number => {
    // Box and Muller; 1 - next() is never 0, which has no logarithm.
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return radius * Math.cos(2 * Math.PI * next());
  };
  return { next, normal, below: (limit) => Math.floor(next() * limit) };
}

/** Puts the items into a random order, in place. */
export function shuffle(items: Uint32Array, random: Random): void {
  for (let index = items.length - 1; index > 0; index -= 1) {
    const other = random.below(index + 1);
    const kept = items[index] ?? 0;
    items[index] = items[other] ?? 0;
    items[other] = kept;
  }
}

/** A share of a mixture of two, symmetric around one half: Beta(alpha, alpha) by the method of Jöhnk. */
export function mixingShare(random: Random, alpha: number): number {
  const TRIES_MAX = 1000;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const x = random.next() ** (1 / alpha);
    const y = random.next() ** (1 / alpha);
    if (x + y <= 1 && x + y > 0) return x / (x + y);
  }
  return 0.5;
}

/** How much and how long a server bears. Tests make them short. */

export interface ServingLimits {
  readonly connections: number;
  /** From the connection, or the answer before, to the end of a request's head. */
  readonly headersMs: number;
  /** Without a byte of a body. */
  readonly bodyIdleMs: number;
  /** A whole request with its body. */
  readonly requestMs: number;
  /** A caller that takes nothing of an answer. */
  readonly stalledMs: number;
  /** A connection without a request. */
  readonly keepAliveMs: number;
  /** Between two lines of an answer that takes long. */
  readonly beatMs: number;
  /** How often what is too slow is looked for. */
  readonly checkMs: number;
}

export const SERVING_LIMITS: ServingLimits = {
  connections: 256,
  headersMs: 10_000,
  bodyIdleMs: 30_000,
  requestMs: 3_600_000,
  stalledMs: 30_000,
  keepAliveMs: 15_000,
  beatMs: 5_000,
  checkMs: 1_000,
};

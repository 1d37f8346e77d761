/** How much and how long a server bears. Tests make them short. */

export interface ServingLimits {
  readonly connections: number;
  /** Of those from one address, or from the same /64 of IPv6. */
  readonly connectionsPerAddress: number;
  /** Tokens that are none, from one address within `failedLoginsMs`. */
  readonly failedLogins: number;
  readonly failedLoginsMs: number;
  /** Packs on their way in with one token. */
  readonly uploadsPerToken: number;
  /** From the connection, or the answer before, to the end of a request's head. */
  readonly headersMs: number;
  /** Without a byte of a body. */
  readonly bodyIdleMs: number;
  /** Of a body, on the average of all the time that it was waited for, when that is more than `bodyGraceMs`. */
  readonly bodyBytesPerSecondMin: number;
  readonly bodyGraceMs: number;
  /** A whole request with its body. */
  readonly requestMs: number;
  /** A caller that takes nothing of an answer. */
  readonly stalledMs: number;
  /** A connection without a request. */
  readonly keepAliveMs: number;
  /** Between two lines of an answer that takes long. */
  readonly beatMs: number;
  /** How often the certificate's files are looked at. */
  readonly certificateMs: number;
  /** How often what is too slow is looked for. */
  readonly checkMs: number;
}

export const SERVING_LIMITS: ServingLimits = {
  connections: 256,
  connectionsPerAddress: 128,
  failedLogins: 60,
  failedLoginsMs: 60_000,
  uploadsPerToken: 64,
  headersMs: 10_000,
  bodyIdleMs: 30_000,
  bodyBytesPerSecondMin: 1024,
  bodyGraceMs: 10_000,
  requestMs: 3_600_000,
  stalledMs: 30_000,
  keepAliveMs: 15_000,
  beatMs: 5_000,
  certificateMs: 10_000,
  checkMs: 1_000,
};

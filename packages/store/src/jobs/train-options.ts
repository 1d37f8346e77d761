/** What a person asks to be trained. Pure. */
import type { Answer } from "../registry/change-role.ts";
import type { PreviewWish } from "./preview-batch.ts";

export interface TrainOptions {
  /** What the job works on; HEAD when left out. */
  readonly revision?: string;
  /** "command" when left out. */
  readonly engine?: "command" | "tfjs";
  /** The program and its words: no shell reads them. None for "tfjs". */
  readonly argv: readonly string[];
  /** Its branch is `jobs/<name>`; its id when left out. */
  readonly name?: string;
  readonly priority?: number;
  /** A span such as `2h`; none when left out. */
  readonly timeout?: string;
  /** From the request to end until it is killed; `30s` when left out. */
  readonly grace?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Variables that the program gets unless others are named: they are no part of the configuration. */
  readonly inherited?: Readonly<Record<string, string>>;
  readonly metricsFile?: string;
  readonly checkpoints?: string;
  /** Of the checkpoints so many of the best stay; 1 when only `keepLast` is named, all when neither is. */
  readonly keepBest?: number;
  /** And so many of the last; 1 when only `keepBest` is named. */
  readonly keepLast?: number;
  readonly output?: string;
  readonly params?: Readonly<Record<string, string | number | boolean | null>>;
  readonly message?: string;
  /** For "tfjs": what the trainer is asked, flat: `optimizer.name`. */
  readonly settings?: Readonly<Record<string, string | number | boolean | null>>;
  /**
   * Values to try in all combinations, a job for each: of settings of "tfjs", or of `{name}` in the words of a program.
   */
  readonly grid?: Readonly<Record<string, readonly string[]>>;
  /**
   * Absolute path of a file of YAML with these fields, which go before those of the file. Without it and without a
   * program `smc.train.yaml` of the worktree is read, if it is there.
   */
  readonly config?: string;
  /** For "tfjs": makes no job, but these images of what the first batch of the training would be. */
  readonly preview?: PreviewWish;
  /** A job of the name that was configured otherwise must be answered "yes"; "plan" makes no job. */
  readonly answer?: Answer;
}

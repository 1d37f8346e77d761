/** Beside a running program: of its checkpoints only the best and the last stay, so that they do not fill the disk. */
import { isSmcError } from "@smc/store/errors";
import {
  checkpointUnits,
  chooseMetric,
  type EpochMark,
  type EpochPoint,
  type JobPlaces,
  type JobRecord,
  keptUnits,
  listCheckpointFiles,
  readPoints,
  removeOthers,
} from "@smc/store/jobs";

export class CheckpointKeeper {
  readonly #output: string;
  readonly #pattern: string;
  readonly #kept: NonNullable<JobRecord["spec"]["kept"]>;
  readonly #marks = new Map<number, EpochMark>();
  readonly #tell: (text: string) => Promise<void>;
  #metric: string | undefined;
  #working: Promise<void> | undefined;
  #hasFailed = false;

  private constructor(
    { output }: JobPlaces,
    spec: { pattern: string; kept: NonNullable<JobRecord["spec"]["kept"]> },
    tell: (text: string) => Promise<void>,
  ) {
    this.#output = output;
    this.#pattern = spec.pattern;
    this.#kept = spec.kept;
    this.#tell = tell;
  }

  /** Undefined for a job whose checkpoints all stay. `tell` is for the log of the job. */
  static async open(
    { spec }: JobRecord,
    places: JobPlaces,
    tell: (text: string) => Promise<void>,
  ): Promise<CheckpointKeeper | undefined> {
    const { checkpoints: pattern, kept } = spec;
    if (pattern === null || kept === undefined || kept === null) return undefined;
    const keeper = new CheckpointKeeper(places, { pattern, kept }, tell);
    for await (const point of readPoints(places.history)) keeper.#mark(point);
    return keeper;
  }

  #mark({ epoch, atMs, metrics }: EpochPoint): void {
    this.#metric ??= chooseMetric(metrics);
    this.#marks.set(epoch, { atMs, value: metrics[this.#metric ?? ""] });
  }

  /** An epoch was told: what was written before may go. One look at a time; those that come meanwhile are one. */
  said(point: EpochPoint): void {
    this.#mark(point);
    this.#working ??= this.#look().finally(() => {
      this.#working = undefined;
    });
  }

  /** The program has ended. */
  async done(): Promise<void> {
    await this.#working;
    await this.#look();
  }

  /** What cannot be removed is told once, and the program goes on. */
  async #look(): Promise<void> {
    try {
      const files = await listCheckpointFiles(this.#output, this.#pattern);
      if (files === undefined) return;
      const units = checkpointUnits(files, { pattern: this.#pattern, marks: this.#marks });
      const metric = this.#metric ?? "";
      const stay = keptUnits(units, { kept: this.#kept, metric, marks: this.#marks });
      await removeOthers(this.#output, { units, stay });
    } catch (error) {
      if (!isSmcError(error)) throw error;
      if (!this.#hasFailed) await this.#tell(`checkpoints stay: ${error.message}`);
      this.#hasFailed = true;
    }
  }
}

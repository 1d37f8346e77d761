/** What is told of a job over WebSocket: see docs/reference/job-events.md. Pure. */
import type { BestEpoch, EpochPoint, FollowPosition, JobProgress, JobsResult, JobState } from "@smc/store";
import { SmcError } from "@smc/store/errors";

export type JobEvent =
  | { readonly type: "state"; readonly state: JobState; readonly atMs: number; readonly why: string }
  | ({ readonly type: "epoch" } & EpochPoint)
  | ({ readonly type: "progress" } & Omit<JobProgress, "predictions" | "layers">)
  | { readonly type: "layers"; readonly layers: JobProgress["layers"] }
  | {
      readonly type: "preview";
      readonly epoch: number;
      readonly predictions: JobProgress["predictions"];
    }
  | { readonly type: "log"; readonly text: string; readonly droppedBytes: number }
  | {
      readonly type: "end";
      readonly state: JobState;
      readonly why: string;
      readonly commit: string | null;
      readonly best: BestEpoch | null;
    };

export interface JobMessage {
  readonly job: string;
  /** Behind all of its events. */
  readonly position: FollowPosition;
  readonly events: readonly JobEvent[];
}

/** What was told last to one watcher, as JSON. */
export interface Told {
  readonly layers: string;
  readonly predictions: string;
}

/** After this message. */
export function toldAfter(told: Told, { events }: JobMessage): Told {
  const layers = events.find((event) => event.type === "layers");
  const preview = events.find((event) => event.type === "preview");
  return {
    layers: layers === undefined ? told.layers : JSON.stringify(layers.layers),
    predictions: preview === undefined ? told.predictions : JSON.stringify(preview.predictions),
  };
}

/** One answer of `follow` as one message; layers and predictions that were told already are left out. */
export function messageOf(
  { jobs: [card], followed }: JobsResult,
  { since, told }: { readonly since: FollowPosition | undefined; readonly told: Told },
): JobMessage {
  if (card === undefined || followed === null) throw new SmcError("INTERNAL", "nothing is told of the job");
  const { points, progress, log, droppedBytes, best, isDone, position } = followed;
  const states = card.transitions.slice(since?.transitions ?? 0);
  const events: JobEvent[] = states.map(({ state, atMs, why }) => ({ type: "state", state, atMs, why }));
  for (const point of points) events.push({ type: "epoch", ...point });
  if (progress !== null) {
    const { predictions, layers, ...rest } = progress;
    if (layers.length > 0 && JSON.stringify(layers) !== told.layers) events.push({ type: "layers", layers });
    events.push({ type: "progress", ...rest });
    if (predictions.length > 0 && JSON.stringify(predictions) !== told.predictions)
      events.push({ type: "preview", epoch: rest.epoch, predictions });
  }
  if (log !== "" || droppedBytes > 0) events.push({ type: "log", text: log, droppedBytes });
  if (isDone) events.push({ type: "end", state: card.state, why: card.why, commit: card.commit, best });
  return { job: card.id, position, events };
}

/** What every verb gets besides its options: a way to stop it and a way to tell how far it is. */

export interface Progress {
  /** What is being done, one word for people: "add", "checkout", "check". */
  readonly phase: string;
  readonly done: number;
  readonly total?: number;
  readonly unit: "bytes" | "files" | "objects";
}

export interface Call {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** Lets other requests have the event loop. Await it every few thousand steps of a long loop. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

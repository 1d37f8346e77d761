/**
 * How a thread that reads packs learns where else a damaged record is: it waits while the daemon looks into its index.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { type ErrorJson, SmcError } from "../errors.ts";
import type { ChunkPlace, FindElsewhere } from "../pack/open-packs.ts";
import type { FromWorker } from "./tasks.ts";

/** It waits as well while the index is made anew, which takes minutes for a large store. */
const ANSWER_MS_MAX = 600_000;

export type ElsewhereAnswer =
  | { readonly places: readonly ChunkPlace[] | undefined }
  | { readonly error: ErrorJson };

/** For one task. What it gives throws what the search threw. */
export function askElsewhere(
  id: number,
  send: (message: FromWorker, transfer: readonly MessagePort[]) => void,
): FindElsewhere {
  return (digests, damaged) => {
    const { port1, port2 } = new MessageChannel();
    const answered = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    try {
      send({ kind: "elsewhere", id, digests, damaged, reply: port2, answered }, [port2]);
      if (Atomics.wait(answered, 0, 0, ANSWER_MS_MAX) === "timed-out")
        throw new SmcError("STORE_BUSY", "nobody said where else a damaged chunk is");
      const answer = receiveMessageOnPort(port1)?.message as ElsewhereAnswer | undefined;
      if (answer !== undefined && "error" in answer) throw SmcError.fromJSON(answer.error);
      return answer?.places;
    } finally {
      port1.close();
    }
  };
}

/** The daemon's side. */
export function answerElsewhere(
  { reply, answered }: Pick<Extract<FromWorker, { kind: "elsewhere" }>, "reply" | "answered">,
  answer: ElsewhereAnswer,
): void {
  reply.postMessage(answer);
  Atomics.store(answered, 0, 1);
  Atomics.notify(answered, 0);
  reply.close();
}

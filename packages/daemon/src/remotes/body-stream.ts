/** The body of a request as a stream of what makes it. */
import { Readable } from "node:stream";
import { counted } from "@smc/store";
import type { Attempt } from "./attempt.ts";

/**
 * Each piece that is taken is a sign of life; what the pieces throw ends the attempt. `onSent` hears how many bytes
 * were taken.
 */
export function bodyStream(
  pieces: AsyncIterable<Buffer>,
  now: Attempt,
  onSent: (bytes: number) => void = () => undefined,
): Readable {
  async function* touching(): AsyncGenerator<Buffer> {
    for await (const piece of counted(pieces, onSent)) {
      now.touch();
      yield piece;
    }
    now.touch();
  }
  const stream = Readable.from(touching(), { objectMode: false });
  stream.once("error", now.fail);
  return stream;
}

/** Entry of a thread that decodes images, one after the other. */
import { parentPort, threadId } from "node:worker_threads";
import { decodeImage } from "./decode-image.ts";
import type { ImageAnswer, ImageRequest } from "./image-threads.ts";

const port = parentPort;
if (port === null) throw new Error("image-thread.ts runs in a worker thread");

port.on("message", ({ bytes, form }: ImageRequest) => {
  let answer: ImageAnswer;
  try {
    const { width, height, channels, data } = decodeImage(Buffer.from(bytes), form);
    // A view of a larger memory would be sent with all of it.
    answer = { thread: threadId, pixels: { width, height, channels, data: Uint8Array.from(data) } };
  } catch (error) {
    answer = { thread: threadId, why: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(answer, answer.pixels === undefined ? [] : [answer.pixels.data.buffer as ArrayBuffer]);
});

/** Writes tar files of regular files, as GNU tar reads them. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import type { AppendFile } from "../fs.ts";

export interface TarHeader {
  readonly name: string;
  readonly sizeBytes: number;
  readonly executable: boolean;
  readonly changedMs: number;
}

/** Entries one after the other, from the beginning of a file. */
export class TarWriter {
  readonly #tar = pack();
  readonly #ended: Promise<void>;
  #failure: { readonly error: unknown } | undefined;
  #sizeBytes = 0;

  constructor(file: Pick<AppendFile, "write">) {
    this.#ended = this.#drain(file);
  }

  /** `content` gives exactly as many bytes as the header says. Throws what it throws, and what writing throws. */
  async add(header: TarHeader, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { name, sizeBytes, executable, changedMs } = header;
    const mode = executable ? 0o755 : 0o644;
    const entry = this.#tar.entry({ name, size: sizeBytes, mode, mtime: new Date(changedMs) });
    await pipeline(Readable.from(this.#watched(content), { objectMode: true }), entry);
    this.#assertWritten();
  }

  /** Writes the end. */
  async finish(): Promise<{ sizeBytes: number }> {
    this.#tar.finalize();
    await this.#ended;
    this.#assertWritten();
    return { sizeBytes: this.#sizeBytes };
  }

  /** Ends what waits; for when something failed. */
  abandon(): void {
    this.#tar.destroy();
  }

  async *#watched(content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const piece of content) {
      this.#assertWritten();
      yield piece;
    }
  }

  /** After a failure the rest is thrown away: whoever adds never waits for ever. */
  async #drain(file: Pick<AppendFile, "write">): Promise<void> {
    try {
      // It gives nothing but bytes; its types do not say so.
      const pieces = this.#tar as unknown as AsyncIterable<Buffer>;
      for await (const piece of pieces) {
        if (this.#failure !== undefined) continue;
        await file.write(piece, this.#sizeBytes).catch((error: unknown) => {
          this.#failure = { error };
        });
        this.#sizeBytes += piece.length;
      }
    } catch (error) {
      // The stream was abandoned, or an entry failed: that is told where it was added.
      this.#failure ??= { error };
    }
  }

  #assertWritten(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

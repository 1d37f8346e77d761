import type { CommandContext } from "./command.ts";
import type { Output } from "./output.ts";

/**
 * Writes the bytes of a blob to stdout; a slow reader slows the daemon down. Throws as Client.readBlob and
 * Output.bytes.
 */
export async function printBlob(context: CommandContext, digest: string, out: Output): Promise<void> {
  const { bytes } = await context.client.readBlob(digest, { signal: context.signal });
  for await (const chunk of bytes) await out.bytes(chunk);
}

/** For tests: a remote in a folder, one writer at a time; packs as they came, what is in them beside. */
import { createReadStream } from "node:fs";
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { RefChange } from "../refs/refs.ts";
import type { ByteRange } from "../store.ts";
import type { PackFile, Remote, RemoteRef, RemoteRow } from "../transfer/remote.ts";

export class FolderRemote implements Remote {
  readonly url: string;
  readonly verifiesPacks = false;
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.url = `file://${folder}`;
  }

  static async open(folder: string): Promise<FolderRemote> {
    await mkdir(folder, { recursive: true });
    return new FolderRemote(folder);
  }

  async refs(): Promise<readonly RemoteRef[]> {
    const refs = await this.#readRefs();
    return [...refs].map(([name, digest]) => ({ name, digest })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async missing(digests: readonly Digest[]): Promise<Uint8Array> {
    const rows = await this.#rows();
    return Uint8Array.from(digests, (digest) => (rows.some((row) => row.digest === digest) ? 0 : 1));
  }

  async putPack(pack: PackFile): Promise<void> {
    await copyFile(pack.path, this.packPath(pack.name));
    await writeFile(join(this.folder, `${pack.name}.json`), JSON.stringify(pack.rows));
  }

  async update(changes: readonly RefChange[]): Promise<void> {
    const refs = await this.#readRefs();
    for (const { name, from, to } of changes) {
      const known = refs.get(name) ?? "absent";
      if (from !== "any" && from !== known) throw new SmcError("REF_CHANGED", `${name} is ${known}`);
      if (to === "absent") refs.delete(name);
      else refs.set(name, to);
    }
    await writeFile(join(this.folder, "refs"), JSON.stringify([...refs]));
  }

  async locate(digests: readonly Digest[]): Promise<readonly RemoteRow[]> {
    const wanted = new Set<Digest | undefined>(digests);
    return (await this.#rows()).filter(({ digest, blob }) => wanted.has(blob) || wanted.has(digest));
  }

  async packBytes(pack: Digest): Promise<number> {
    const names = await readdir(this.folder);
    if (names.includes(`${pack}.pack`)) return (await stat(this.packPath(pack))).size;
    throw new SmcError("REMOTE_INCOMPLETE", `pack ${pack} is gone`);
  }

  async statPack(pack: Digest): Promise<number | undefined> {
    const names = await readdir(this.folder);
    return names.includes(`${pack}.pack`) ? this.packBytes(pack) : undefined;
  }

  async *readPack(pack: Digest, { from, to }: ByteRange): AsyncIterable<Uint8Array> {
    if (from === to) return;
    yield* createReadStream(this.packPath(pack), { start: from, end: to - 1 });
  }

  packPath(pack: Digest): string {
    return join(this.folder, `${pack}.pack`);
  }

  async #readRefs(): Promise<Map<string, Digest>> {
    const names = await readdir(this.folder);
    if (!names.includes("refs")) return new Map();
    return new Map(JSON.parse(await readFile(join(this.folder, "refs"), "utf8")) as [string, Digest][]);
  }

  async #rows(): Promise<RemoteRow[]> {
    const names = (await readdir(this.folder)).filter((name) => name.endsWith(".json"));
    const texts = await Promise.all(names.map((name) => readFile(join(this.folder, name), "utf8")));
    return texts.flatMap((text) => JSON.parse(text) as RemoteRow[]);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** From system calls to steps on a disk: nodes are numbered, and names are entries of folders. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, descriptorOf, type SystemCall } from "./trace.ts";

export const ROOT = 0;

export type Node =
  | { readonly kind: "file"; readonly bytes: Buffer }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "folder"; readonly entries: ReadonlyMap<string, number> };

/** A change of names: entries that go and entries that come. */
export interface NameStep {
  readonly kind: "name";
  readonly what: string;
  readonly node: number;
  readonly removed?: { readonly folder: number; readonly name: string };
  readonly added?: { readonly folder: number; readonly name: string };
}

/** A change of a file's bytes; without bytes the file gets this size. */
export interface DataStep {
  readonly kind: "data";
  readonly node: number;
  readonly offset: number;
  readonly bytes?: Buffer;
  /** The file was shorter before: its size is a change of metadata. */
  readonly grows: boolean;
}

/** `since`: the steps before this index are covered. */
export interface SyncStep {
  readonly kind: "sync";
  readonly node: number;
  readonly since: number;
}

export interface MarkStep {
  readonly kind: "mark";
  readonly text: string;
}

export type Step = NameStep | DataStep | SyncStep | MarkStep;

/** What a folder holds, as nodes from ROOT on. */
export function readNodes(path: string): Map<number, Node> {
  const nodes = new Map<number, Node>();
  let next = ROOT;
  const visit = (folder: string): number => {
    const id = next;
    next += 1;
    const entries = new Map<string, number>();
    nodes.set(id, { kind: "folder", entries });
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const full = join(folder, entry.name);
      if (entry.isDirectory()) {
        entries.set(entry.name, visit(full));
        continue;
      }
      const node: Node = entry.isSymbolicLink()
        ? { kind: "link", target: readlinkSync(full) }
        : { kind: "file", bytes: readFileSync(full) };
      nodes.set(next, node);
      entries.set(entry.name, next);
      next += 1;
    }
    return id;
  };
  visit(path);
  return nodes;
}

/** Follows the calls; `nodes` grows by what they create, with the bytes that it starts with. */
export class Recorder {
  readonly steps: Step[] = [];
  readonly nodes: Map<number, Node>;
  readonly #root: string;
  readonly #folders = new Map<number, Map<string, number>>();
  readonly #sizes = new Map<number, number>();
  readonly #positions = new Map<number, number>();
  readonly #paths = new Map<number, string>();
  /** Line of the trace at which each step ended. */
  readonly #ends: number[] = [];

  constructor(root: string, nodes: Map<number, Node>) {
    this.#root = root;
    this.nodes = nodes;
    for (const [id, node] of nodes) {
      if (node.kind === "folder") this.#folders.set(id, new Map(node.entries));
      if (node.kind === "file") this.#sizes.set(id, node.bytes.length);
    }
  }

  #push(step: Step, { endedAt }: SystemCall): void {
    this.steps.push(step);
    this.#ends.push(endedAt);
  }

  /** Folder and name of a path below the root. */
  #place(path: string): { folder: number; name: string } | undefined {
    if (!path.startsWith(`${this.#root}/`)) return undefined;
    const parts = path.slice(this.#root.length + 1).split("/");
    const name = parts.pop() ?? "";
    let folder = ROOT;
    for (const part of parts) {
      const next = this.#folders.get(folder)?.get(part);
      if (next === undefined) return undefined;
      folder = next;
    }
    return { folder, name };
  }

  #node(path: string): number | undefined {
    if (path === this.#root) return ROOT;
    const place = this.#place(path);
    return place === undefined ? undefined : this.#folders.get(place.folder)?.get(place.name);
  }

  /** The path that arguments `at` and `at + 1` name, or argument `at` alone. */
  #path(call: SystemCall, at: number, hasFolder: boolean): string {
    const path = bytesOf(call.args[at + (hasFolder ? 1 : 0)] ?? "").toString();
    const own = /^\/proc\/self\/fd\/(\d+)\/(.*)$/s.exec(path);
    if (own !== null) return `${this.#paths.get(Number(own[1])) ?? ""}/${own[2] ?? ""}`;
    if (path.startsWith("/") || !hasFolder) return path;
    return join(bytesOf(/<(.*)>/s.exec(call.args[at] ?? "")?.[1] ?? "").toString(), path);
  }

  #add(call: SystemCall, path: string, node: Node, what: string): void {
    const added = this.#place(path);
    if (added === undefined) return;
    const id = this.nodes.size;
    this.nodes.set(id, node);
    if (node.kind === "folder") this.#folders.set(id, new Map());
    else this.#sizes.set(id, 0);
    this.#folders.get(added.folder)?.set(added.name, id);
    this.#push({ kind: "name", what, node: id, added }, call);
  }

  #remove(call: SystemCall, path: string): void {
    const removed = this.#place(path);
    const node = removed === undefined ? undefined : this.#folders.get(removed.folder)?.get(removed.name);
    if (removed === undefined || node === undefined) return;
    this.#folders.get(removed.folder)?.delete(removed.name);
    this.#push({ kind: "name", what: "remove", node, removed }, call);
  }

  #move(call: SystemCall, from: string, to: string): void {
    const [removed, added] = [this.#place(from), this.#place(to)];
    const node = removed === undefined ? undefined : this.#folders.get(removed.folder)?.get(removed.name);
    if (removed === undefined || added === undefined || node === undefined) return;
    this.#folders.get(removed.folder)?.delete(removed.name);
    this.#folders.get(added.folder)?.set(added.name, node);
    this.#push({ kind: "name", what: "rename", node, removed, added }, call);
  }

  #link(call: SystemCall, from: string, to: string): void {
    const [node, added] = [this.#node(from), this.#place(to)];
    if (node === undefined || added === undefined) return;
    this.#folders.get(added.folder)?.set(added.name, node);
    this.#push({ kind: "name", what: "link", node, added }, call);
  }

  #open(call: SystemCall): void {
    const flags = call.args[call.name === "openat" ? 2 : 1] ?? "";
    const path = call.resultPath ?? "";
    this.#paths.set(call.result, path);
    const known = this.#node(path);
    if (flags.includes("O_CREAT") && known === undefined) {
      this.#add(call, path, { kind: "file", bytes: Buffer.alloc(0) }, "create");
    } else if (flags.includes("O_TRUNC") && known !== undefined) this.#resize(call, known, 0);
    const node = this.#node(path);
    const size = node === undefined ? 0 : (this.#sizes.get(node) ?? 0);
    this.#positions.set(call.result, flags.includes("O_APPEND") ? size : 0);
  }

  #resize(call: SystemCall, node: number, size: number): void {
    const grows = (this.#sizes.get(node) ?? 0) < size;
    this.#sizes.set(node, size);
    this.#push({ kind: "data", node, offset: size, grows }, call);
  }

  #write(call: SystemCall): void {
    const { fd, path } = descriptorOf(call.args[0] ?? "");
    if (path === "/dev/null") {
      this.#push({ kind: "mark", text: bytesOf(call.args[1] ?? "").toString() }, call);
      return;
    }
    const node = this.#node(path);
    if (node === undefined) return;
    const isPlaced = call.name.startsWith("p");
    const offset = isPlaced ? Number(call.args.at(-1)) : (this.#positions.get(fd) ?? 0);
    const parts = call.name.endsWith("v")
      ? [...(call.args.join(", ").matchAll(/iov_base="([^"]*)"/g) ?? [])].map(([, part]) =>
          bytesOf(part ?? ""),
        )
      : [bytesOf(call.args[1] ?? "")];
    const bytes = Buffer.concat(parts).subarray(0, call.result);
    if (!isPlaced) this.#positions.set(fd, offset + bytes.length);
    const size = this.#sizes.get(node) ?? 0;
    this.#sizes.set(node, Math.max(size, offset + bytes.length));
    this.#push({ kind: "data", node, offset, bytes, grows: offset + bytes.length > size }, call);
  }

  #sync(call: SystemCall): void {
    const node = this.#node(descriptorOf(call.args[0] ?? "").path);
    if (node === undefined) return;
    const later = this.#ends.findIndex((end) => end >= call.startedAt);
    this.#push({ kind: "sync", node, since: later < 0 ? this.steps.length : later }, call);
  }

  follow(call: SystemCall): void {
    const { name, args } = call;
    const isAt = name.endsWith("at") || name === "renameat2";
    if (name === "openat" || name === "open" || name === "creat") return this.#open(call);
    if (/write/.test(name)) return this.#write(call);
    if (name === "fsync" || name === "fdatasync") return this.#sync(call);
    if (name.startsWith("mkdir"))
      return this.#add(call, this.#path(call, 0, isAt), { kind: "folder", entries: new Map() }, "create");
    if (name.startsWith("unlink") || name === "rmdir") return this.#remove(call, this.#path(call, 0, isAt));
    if (name.startsWith("rename"))
      return this.#move(call, this.#path(call, 0, isAt), this.#path(call, isAt ? 2 : 1, isAt));
    if (name.startsWith("link"))
      return this.#link(call, this.#path(call, 0, isAt), this.#path(call, isAt ? 2 : 1, isAt));
    if (name.startsWith("symlink")) {
      const target = bytesOf(args[0] ?? "").toString();
      return this.#add(call, this.#path(call, 1, isAt), { kind: "link", target }, "create");
    }
    const size = Number(args[1]);
    const path = name === "ftruncate" ? descriptorOf(args[0] ?? "").path : this.#path(call, 0, false);
    const node = this.#node(path);
    if (node !== undefined) this.#resize(call, node, size);
  }
}

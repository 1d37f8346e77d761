/** Passes TCP connections on, counts what goes through, and cuts them when a test says so. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class CuttingProxy implements AsyncDisposable {
  /** Bytes that went to the server, and came from it. */
  upBytes = 0;
  downBytes = 0;
  /** Request lines that went to the server; for plain HTTP only. */
  readonly requests: string[] = [];
  cuts = 0;
  /** Each connection is cut when so many bytes went through it. */
  cutAfterBytes = Number.POSITIVE_INFINITY;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer((socket) => this.#pass(socket));
  }

  static async before(url: string): Promise<CuttingProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new CuttingProxy({ host: hostname, port: Number(port) });
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts all connections there are. */
  cut(): void {
    this.cuts += 1;
    for (const socket of this.#sockets) socket.destroy();
  }

  #pass(client: Socket): void {
    const server = connect(this.#target);
    let passedBytes = 0;
    const both = [client, server];
    const end = (): void => {
      for (const socket of both) {
        socket.destroy();
        this.#sockets.delete(socket);
      }
    };
    const count = (part: Buffer): void => {
      passedBytes += part.length;
      if (passedBytes <= this.cutAfterBytes) return;
      this.cuts += 1;
      end();
    };
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on("error", end).on("close", end);
    }
    client.on("data", (part: Buffer) => {
      this.upBytes += part.length;
      const line = /^[A-Z]+ \/\S* HTTP\/1\.1/.exec(part.toString("latin1", 0, 300))?.[0];
      if (line !== undefined) this.requests.push(line);
      count(part);
    });
    server.on("data", (part: Buffer) => {
      this.downBytes += part.length;
      count(part);
    });
    client.pipe(server);
    server.pipe(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }
}

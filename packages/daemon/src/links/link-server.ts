/** For tests: a server that gives one file as a web server, GitHub, Google Drive and Dropbox do. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { LinkSettings } from "./link-way.ts";

export const DRIVE_ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz";
const PAGE = { "content-type": "text/html; charset=utf-8" };

export class LinkServer implements AsyncDisposable {
  /** What is there; undefined answers 404. */
  file: Buffer | undefined;
  /** Files of the release. */
  assets = ["notes.txt", "model.car"];
  etag: string | undefined = '"one"';
  takesRanges = true;
  /** How many bytes an answer with the whole file says to have; as many as it has when undefined. */
  claimedBytes: number | undefined;
  /** The next answers with the file break off after so many bytes of it. */
  readonly breaks: number[] = [];
  /** GitHub shows the release to who has this token. */
  token: string | undefined;
  /** Where the API leads for files; this server when empty. */
  cdn = "";
  /** Of the page that Google Drive gives for a file that it did not look at. */
  drivePage: "none" | "form" | "quota" = "form";
  /** Method, path and range of those that came. */
  readonly requests: string[] = [];
  /** Paths that were asked for with a credential. */
  readonly withToken: string[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      response.on("error", () => undefined);
      this.#answer(request, response);
    });
  }

  static async start(): Promise<LinkServer> {
    const server = new LinkServer();
    await new Promise<void>((resolve) => {
      server.#server.listen(0, "127.0.0.1", resolve);
    });
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get settings(): LinkSettings {
    const { origin } = this;
    return { github: `${origin}/api/v3`, gdrive: origin, dropbox: origin, bytesMax: 1024 ** 3 };
  }

  /** One of each service, all to the same file. */
  get links(): Readonly<Record<"web" | "github" | "gdrive" | "dropbox", string>> {
    return {
      web: `${this.origin}/files/model.car`,
      github: "github-release://team/model/v1.0.0",
      gdrive: `gdrive://${DRIVE_ID}`,
      dropbox: "dropbox://scl/fi/abc123/model.car?rlkey=key123",
    };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? "", this.origin);
    this.requests.push(`${request.method} ${pathname} ${request.headers.range ?? "all"}`);
    if (request.headers.authorization !== undefined) this.withToken.push(pathname);
    if (pathname === "/api/v3/rate_limit") this.#limits(request, response);
    else if (pathname.startsWith("/api/v3/repos/team/model/releases/"))
      this.#github(pathname, request, response);
    else if (pathname === "/uc" || pathname === "/download") this.#drive(searchParams, request, response);
    else if (pathname === "/scl/fi/abc123/model.car" && searchParams.get("rlkey") === "key123")
      redirect(response, searchParams.get("dl") === "1" ? "/cdn/model.car?signed=1" : "/preview");
    else if (/^\/(?:files|cdn)\/model\.car$/.test(pathname)) this.#give(request, response);
    else if (pathname === "/preview") response.writeHead(200, PAGE).end("<title>Dropbox</title>");
    else response.writeHead(404, PAGE).end("<title>Not found</title>");
  }

  /** GitHub tells everybody their limits, but who comes with a wrong token. */
  #limits({ headers }: IncomingMessage, response: ServerResponse): void {
    const isWrong = headers.authorization !== undefined && headers.authorization !== `Bearer ${this.token}`;
    const json = { "content-type": "application/json; charset=utf-8" };
    if (isWrong) response.writeHead(401, json).end('{"message":"Bad credentials"}');
    else response.writeHead(200, { ...json, "x-oauth-scopes": "repo, read:org" }).end("{}");
  }

  #github(pathname: string, request: IncomingMessage, response: ServerResponse): void {
    const isShown = this.token === undefined || request.headers.authorization === `Bearer ${this.token}`;
    const json = { "content-type": "application/json; charset=utf-8" };
    const asset = /\/assets\/(\d+)$/.exec(pathname)?.[1];
    if (!isShown) response.writeHead(404, json).end('{"message":"Not Found"}');
    else if (asset !== undefined && request.headers.accept === "application/octet-stream")
      redirect(response, `${this.cdn}/cdn/${this.assets[Number(asset)] ?? ""}?signed=1`);
    else if (pathname.endsWith("/tags/v1.0.0"))
      response.writeHead(200, json).end(
        JSON.stringify({
          tag_name: "v1.0.0",
          assets: this.assets.map((name, id) => ({
            id,
            name,
            state: "uploaded",
            size: this.file?.length ?? 0,
          })),
        }),
      );
    else response.writeHead(404, json).end('{"message":"Not Found"}');
  }

  #drive(query: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    if (query.get("id") !== DRIVE_ID) response.writeHead(404, PAGE).end("<title>Error 404</title>");
    else if (this.drivePage === "quota")
      response
        .writeHead(200, PAGE)
        .end("<html><title>Google Drive - Quota exceeded</title><p>Sorry</p></html>");
    else if (this.drivePage === "none" || query.get("confirm") === "t") this.#give(request, response);
    else
      response
        .writeHead(200, PAGE)
        .end(
          `<html><head><title>Google Drive - Virus scan warning</title></head><body><form id="other" action="/x"><input name="q"></form><form action="/download" id="download-form" method="get"><input type="hidden" name="id" value="${DRIVE_ID}"><input type="hidden" name="export" value="download"/><input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="a&amp;b"></form></body></html>`,
        );
  }

  #give(request: IncomingMessage, response: ServerResponse): void {
    const { file } = this;
    if (file === undefined) return void response.writeHead(404, PAGE).end();
    const from = this.#from(request);
    const etag = this.etag === undefined ? {} : { etag: this.etag };
    if (from >= file.length && from > 0)
      return void response.writeHead(416, { ...etag, "content-range": `bytes */${file.length}` }).end();
    const body = file.subarray(from);
    const range = { "content-range": `bytes ${from}-${file.length - 1}/${file.length}` };
    const length = from > 0 ? body.length : (this.claimedBytes ?? body.length);
    const head = { ...etag, "content-type": "application/octet-stream", "content-length": length };
    response.writeHead(from > 0 ? 206 : 200, from > 0 ? { ...head, ...range } : head);
    const breaksAt = this.breaks.shift();
    if (breaksAt === undefined) response.end(body);
    else response.write(body.subarray(0, breaksAt), () => response.destroy());
  }

  #from({ headers }: IncomingMessage): number {
    const isSame = headers["if-range"] === undefined || headers["if-range"] === this.etag;
    const from = /^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1];
    return this.takesRanges && isSame && from !== undefined ? Number(from) : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location }).end();
}

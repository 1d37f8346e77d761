/** Who is turned away before anything of a request is looked at: wrong names, web pages, old HTTP. Pure. */
import type { IncomingMessage } from "node:http";
import { SmcError } from "@smc/store/errors";
import { isAllowedHost } from "./address.ts";

type Head = Pick<IncomingMessage, "rawHeaders" | "httpVersion" | "url">;

/** Why this request is not for us: HOST_FORBIDDEN, ORIGIN_FORBIDDEN, REQUEST_INVALID; undefined when it is. */
export function whyRefused(head: Head, hosts: ReadonlySet<string>): SmcError | undefined {
  const named = valuesOf(head, "host");
  // A target with a host of its own would be a second name beside the header.
  const [host = ""] = named;
  if (named.length !== 1 || !isAllowedHost(host, hosts) || head.url?.startsWith("/") !== true)
    return new SmcError("HOST_FORBIDDEN", "this server does not answer to that name");
  const sites = valuesOf(head, "sec-fetch-site");
  if (valuesOf(head, "origin").length > 0 || sites.some((site) => site !== "none"))
    return new SmcError("ORIGIN_FORBIDDEN", "requests of web pages are not answered");
  if (head.httpVersion === "1.1") return undefined;
  return new SmcError("REQUEST_INVALID", "the request is not HTTP/1.1");
}

/** As they came: `headers` of Node keeps the first of several. */
function valuesOf({ rawHeaders }: Head, name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
}

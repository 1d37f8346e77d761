/** Addresses of one file that anybody may download: of a release, a share link, a web server. */
import { isLoopback, parseWebUrl } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { assertUrlText, invalidUrl } from "../remotes/http-url.ts";

const NAME = /^[A-Za-z0-9_.-]{1,100}$/;
/** Part of the name of a tag. */
const TAG_PART = /^[^\s~^:?*[\\\]#%]{1,200}$/;
const DRIVE_ID = /^[A-Za-z0-9_-]{10,200}$/;
const KEY = /^[A-Za-z0-9_-]{1,200}$/;
const DROPBOX_PART = /^[^\s?#\\]{1,300}$/;

interface Link {
  readonly kind: "link";
  /** For people. The key of a share link is part of it: it is what was shared. */
  readonly url: string;
}

export interface WebLink extends Link {
  readonly service: "web";
}

export interface ReleaseLink extends Link {
  readonly service: "github";
  readonly owner: string;
  readonly repository: string;
  readonly tag: string;
  /** The file of the release; its only bundle when undefined. */
  readonly asset: string | undefined;
}

export interface DriveLink extends Link {
  readonly service: "gdrive";
  readonly id: string;
  readonly resourceKey: string | undefined;
}

export interface DropboxLink extends Link {
  readonly service: "dropbox";
  readonly path: string;
  readonly key: string | undefined;
}

export type LinkUrl = WebLink | ReleaseLink | DriveLink | DropboxLink;

/** True for what `parseLinkUrl` reads, or refuses with a better reason than others. */
export function isLinkUrl(text: string): boolean {
  return (
    /^(?:github-release|gdrive|dropbox):/i.test(text) ||
    /^https:\/\/(?:drive\.google\.com|(?:www\.)?dropbox\.com)\//i.test(text) ||
    /^https?:\/\/[^?#]+\/[^?#]*\.car$/i.test(text)
  );
}

/** Reads an address and asks nobody. Throws URL_INVALID. */
export function parseLinkUrl(text: string): LinkUrl {
  assertUrlText(text);
  const scheme = /^([a-z-]+):\/\/(.*)$/is.exec(text);
  const [, name = "", rest = ""] = scheme ?? [];
  if (name.toLowerCase() === "github-release") return parseRelease(rest);
  if (name.toLowerCase() === "gdrive" || /^https:\/\/drive\./i.test(text))
    return parseDrive(pasted(text, rest));
  if (name.toLowerCase() === "dropbox" || /^https:\/\/(?:www\.)?dropbox\./i.test(text))
    return parseDropbox(pasted(text, rest));
  const { href, protocol, hostname, host } = parseWebUrl(text);
  if (protocol === "http:" && !isLoopback(hostname))
    throw new SmcError("URL_INVALID", `anyone can read and change what comes from http://${host}`, {
      hint: "use https",
    });
  return { kind: "link", service: "web", url: href };
}

/** Path and query of a link as a browser shows it, or of what stands behind our own scheme. */
function pasted(text: string, rest: string): { path: string; query: URLSearchParams } {
  const [before = ""] = (/^https:/i.test(text) ? text : rest).split("#", 1);
  const [address = "", query = ""] = before.split("?", 2);
  const path = address.replace(/^https:\/\/[^/]*\//i, "");
  return { path: path.replace(/\/$/, ""), query: new URLSearchParams(query) };
}

function parseRelease(rest: string): ReleaseLink {
  const usage = "write it as github-release://owner/repository/tag or …/tag/file.car";
  const [owner = "", repository = "", ...parts] = rest.split("/");
  const last = parts.at(-1) ?? "";
  const asset = parts.length > 1 && /\.car$/i.test(last) ? last : undefined;
  const tags = asset === undefined ? parts : parts.slice(0, -1);
  const isName = (name: string): boolean => NAME.test(name) && !/^\.+$/.test(name);
  if (!isName(owner) || !isName(repository)) throw invalidUrl("it names no repository of GitHub", usage);
  if (tags.length === 0 || !tags.every((part) => TAG_PART.test(part) && !/^\.+$/.test(part)))
    throw invalidUrl("it names no tag", usage);
  const tag = tags.join("/");
  const url = `github-release://${[owner, repository, tag, ...(asset === undefined ? [] : [asset])].join("/")}`;
  return { kind: "link", service: "github", url, owner, repository, tag, asset };
}

function parseDrive({ path, query }: { path: string; query: URLSearchParams }): DriveLink {
  const id = /^(?:file\/(?:u\/\d+\/)?d\/)?([^/]+)(?:\/(?:view|edit|preview))?$/.exec(path)?.[1] ?? "";
  const named = DRIVE_ID.test(id) ? id : (query.get("id") ?? "");
  if (!DRIVE_ID.test(named))
    throw invalidUrl(
      "it names no file of Google Drive",
      "write it as gdrive://ID, or paste the link to share",
    );
  const resourceKey = keyOf(query, "resourcekey");
  const more = resourceKey === undefined ? "" : `?resourcekey=${resourceKey}`;
  return { kind: "link", service: "gdrive", url: `gdrive://${named}${more}`, id: named, resourceKey };
}

function parseDropbox({ path, query }: { path: string; query: URLSearchParams }): DropboxLink {
  const parts = path.split("/");
  const fits = parts.length > 1 && parts.every((part) => DROPBOX_PART.test(part) && !/^\.+$/.test(part));
  if (!fits)
    throw invalidUrl("it is no share link of Dropbox", "write it as dropbox://scl/fi/…, or paste the link");
  const key = keyOf(query, "rlkey");
  const more = key === undefined ? "" : `?rlkey=${key}`;
  return { kind: "link", service: "dropbox", url: `dropbox://${path}${more}`, path, key };
}

function keyOf(query: URLSearchParams, name: string): string | undefined {
  const key = query.get(name) ?? undefined;
  if (key === undefined || KEY.test(key)) return key;
  throw invalidUrl(`its ${name} is none`);
}

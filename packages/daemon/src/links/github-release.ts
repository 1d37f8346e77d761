/** A file of a release of GitHub, by its REST API: https://docs.github.com/en/rest/releases */
import type { Call, Login, TokenFound } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Route } from "../catalog/follow.ts";
import { type LinkWay, ownRoute, refusedBy } from "./link-way.ts";
import type { ReleaseLink } from "./link-url.ts";
import { type Page, readPage } from "./read-page.ts";

const API = { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28" };
const NAMED_MAX = 10;

interface Asset {
  readonly id: number;
  readonly name: string;
}

/** Throws REMOTE_NOT_FOUND, AUTH_FAILED, REMOTE_FAILED, URL_INVALID for a release with several bundles. */
export async function findAsset(way: LinkWay, link: ReleaseLink, call: Call): Promise<Route> {
  const { settings, credential } = way;
  const at = `${settings.github}/repos/${link.owner}/${link.repository}/releases`;
  const own = credential === undefined ? {} : { authorization: `Bearer ${credential.token}` };
  const route = ownRoute(way, `${at}/tags/${encodeURIComponent(link.tag)}`, own);
  const isText = (type: string): boolean => /^application\/(?:[a-z.]+\+)?json\b/i.test(type);
  const page = await readPage(link.url, { route, headers: API, isText }, call);
  if (page.status !== 200) throw notGiven(way, page);
  const { id } = choose(link, readAssets(link.url, page.text));
  return ownRoute(way, `${at}/assets/${id}`, { ...own, accept: "application/octet-stream" });
}

function notGiven(way: LinkWay, { status, headers }: Page): SmcError {
  const { origin } = new URL(way.settings.github);
  const isLimit = status === 403 && headers["x-ratelimit-remaining"] === "0";
  if (isLimit)
    return new SmcError("REMOTE_FAILED", `${way.link.url}: GitHub answers no more requests for now`, {
      hint: `wait an hour, or log in: smc login ${origin}`,
    });
  return refusedBy(way, status, `when the repository is private: smc login ${origin}`);
}

function readAssets(url: string, text: string | undefined): Asset[] {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    throw new SmcError("REMOTE_FAILED", `${url}: what came is no answer of GitHub's API`, {
      hint: "see where 'links.github' leads: smc config get links.github",
    });
  }
  const { assets } = (value ?? {}) as { assets?: unknown };
  if (!Array.isArray(assets)) throw new SmcError("REMOTE_FAILED", `${url}: the release has no list of files`);
  return assets.flatMap((row: unknown) => {
    const { id, name, state = "uploaded" } = (row ?? {}) as Record<string, unknown>;
    return typeof name === "string" &&
      typeof id === "number" &&
      Number.isSafeInteger(id) &&
      state === "uploaded"
      ? [{ id, name }]
      : [];
  });
}

function choose({ url, asset }: ReleaseLink, assets: readonly Asset[]): Asset {
  const bundles = assets.filter(({ name }) => /\.car$/i.test(name));
  const named = asset === undefined ? bundles : assets.filter(({ name }) => name === asset);
  const [first] = named;
  if (first !== undefined && named.length === 1) return first;
  const list = (all: readonly Asset[]): string => {
    const names = all.slice(0, NAMED_MAX).map(({ name }) => show(name, 100));
    const more = all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : "";
    return names.length === 0 ? "no file" : `${names.join(", ")}${more}`;
  };
  if (named.length > 1)
    throw new SmcError("URL_INVALID", `${url} has several bundles: ${list(named)}`, {
      hint: `say which one: ${url}/${show(named[0]?.name ?? "", 100)}`,
    });
  const what = asset === undefined ? "no file that ends in .car" : `no file '${show(asset, 100)}'`;
  throw new SmcError("REMOTE_NOT_FOUND", `${url} has ${what}; it has ${list(assets)}`, {
    hint: 'make one with "smc bundle create model.car --all" and add it to the release',
  });
}

/** What GitHub says of a token. Throws AUTH_FAILED, REMOTE_UNREACHABLE, REMOTE_FAILED. */
export async function askGithub(way: LinkWay, { origin, token }: Login, call: Call): Promise<TokenFound> {
  const route = ownRoute(way, `${way.settings.github}/rate_limit`, { authorization: `Bearer ${token}` });
  const { status, headers } = await readPage(origin, { route, headers: API, isText: () => false }, call);
  if (status === 401)
    throw new SmcError("AUTH_FAILED", `${origin} does not take the token; nothing was kept`, {
      hint: "make one that may read the contents of the repository",
    });
  // GitHub Enterprise that counts nothing has no such page.
  if (status !== 200 && status !== 404) throw new SmcError("REMOTE_FAILED", `${origin} answered ${status}`);
  const scopes = String(headers["x-oauth-scopes"] ?? "").split(/[\s,]+/);
  const ends = Date.parse(String(headers["github-authentication-token-expiration"] ?? ""));
  return {
    name: "a token of GitHub",
    scopes: scopes.filter((scope) => scope !== "").map((scope) => show(scope, 60)),
    expiresMs: Number.isFinite(ends) ? ends : null,
  };
}

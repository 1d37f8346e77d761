/** Where the services behind links answer, and how large a file may be: settings. */
import { type OwnedStore, parseLinkHost, readConfig } from "@smc/store";
import { readAllowedHosts } from "../remotes/allowed-hosts.ts";
import { readCredential } from "../remotes/credentials.ts";
import { LIMITS } from "../remotes/retry.ts";
import type { LinkUrl } from "./link-url.ts";
import type { LinkSettings, LinkWay } from "./link-way.ts";

const GIB = 1024 ** 3;

/** Throws CONFIG_INVALID. */
export async function readLinkSettings({ path: storePath }: Pick<OwnedStore, "path">): Promise<LinkSettings> {
  const { entries } = await readConfig({ storePath });
  const at = (name: string): string =>
    parseLinkHost(String(entries.get(`links.${name}`)?.value)).href.replace(/\/$/, "");
  const bytesMax = Number(entries.get("links.gibMax")?.value) * GIB;
  return { github: at("github"), gdrive: at("gdrive"), dropbox: at("dropbox"), bytesMax };
}

/** How a link is followed by the settings of this store. Throws CONFIG_INVALID, and as `readCredential`. */
export async function readLinkWay(link: LinkUrl, store: Pick<OwnedStore, "path">): Promise<LinkWay> {
  const settings = await readLinkSettings(store);
  const origin = link.service === "web" ? link.url : settings[link.service];
  return {
    link,
    settings,
    limits: LIMITS,
    metadataHosts: await readAllowedHosts(store, "network.metadataHosts"),
    privateHosts: await readAllowedHosts(store, "catalog.privateHosts"),
    credential: await readCredential(store, new URL(origin).origin),
  };
}

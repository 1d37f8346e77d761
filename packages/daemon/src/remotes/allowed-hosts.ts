/** Hosts that the user allows to be asked, by a setting. */
import { type OwnedStore, readConfig } from "@smc/store";
import { parsePrivateHosts, type PrivateHosts } from "./outside-addresses.ts";

/** Throws CONFIG_INVALID. */
export async function readAllowedHosts(
  { path: storePath }: Pick<OwnedStore, "path">,
  key: "catalog.privateHosts" | "network.metadataHosts",
): Promise<PrivateHosts> {
  const { entries } = await readConfig({ storePath });
  return parsePrivateHosts(String(entries.get(key)?.value ?? ""));
}

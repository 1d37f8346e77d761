/** The way to servers and to the tokens for them, for `smc login` and `smc logout`. */
import * as store from "@smc/store";
import type { Call } from "@smc/store";
import type { Input } from "../api.ts";
import type { Context } from "../context.ts";
import { parseLinkUrl } from "../links/link-url.ts";
import { readAllowedHosts } from "./allowed-hosts.ts";
import { forgetCredential, keepCredential } from "./credentials.ts";
import type { Credential } from "./http-connection.ts";
import { parseOrigin } from "./http-url.ts";

function accessOf(context: Context): store.LoginAccess {
  return {
    originOf: parseOrigin,
    isForeign: async (origin) => origin === (await githubOrigin(context)),
    ask: async (login, call) => {
      if (login.origin === (await githubOrigin(context))) return askGithubIn(context, login, call);
      const { askForToken, assertReads } = await import("./http-token.ts");
      const { origin } = login;
      const metadataHosts = await readAllowedHosts(context.store, "network.metadataHosts");
      const credential = { ...credentialOf(login), metadataHosts };
      const found = await askForToken({ origin, credential }, call);
      assertReads(found, origin);
      return found;
    },
    keep: (login, call) =>
      keepCredential(context.store, { origin: login.origin, credential: credentialOf(login) }, call),
    forget: (origin, call) => forgetCredential(context.store, origin, call),
  };
}

async function githubOrigin({ store }: Context): Promise<string> {
  const { readLinkSettings } = await import("../links/link-settings.ts");
  return new URL((await readLinkSettings(store)).github).origin;
}

async function askGithubIn(context: Context, login: store.Login, call: Call): Promise<store.TokenFound> {
  const { readLinkWay } = await import("../links/link-settings.ts");
  const { askGithub } = await import("../links/github-release.ts");
  const link = parseLinkUrl("github-release://owner/repository/tag");
  return askGithub(
    { ...(await readLinkWay(link, context.store)), credential: credentialOf(login) },
    login,
    call,
  );
}

function credentialOf({ token, caPem }: store.Login): Credential {
  return { token, ...(caPem === undefined ? {} : { caPem }) };
}

export function loginIn(context: Context, input: Input<"login">, call: Call): Promise<store.LoginResult> {
  return store.login(accessOf(context), input, call);
}

export function logoutIn(context: Context, input: Input<"logout">, call: Call): Promise<store.LogoutResult> {
  return store.logout(accessOf(context), input, call);
}

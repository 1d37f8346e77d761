/**
 * A shared file of Google Drive. A small file comes at once; for a large one, which nobody looked at for viruses, comes
 * a page with a form that leads to it.
 */
import { Parser } from "htmlparser2";
import type { Call } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Route } from "../catalog/follow.ts";
import { type LinkWay, otherRoute, ownRoute, refusedBy } from "./link-way.ts";
import type { DriveLink } from "./link-url.ts";
import { readPage } from "./read-page.ts";

const FORM = "download-form";
const FIELDS_MAX = 50;
const TITLE_LENGTH_MAX = 200;
const HINT = "open the link in a browser: the file must be shared with everyone who has the link";

/** Throws REMOTE_NOT_FOUND, AUTH_FAILED, REMOTE_FAILED with the title of the page that came instead. */
export async function findDriveFile(
  way: LinkWay,
  { id, resourceKey, url }: DriveLink,
  call: Call,
): Promise<Route> {
  const query = new URLSearchParams({
    export: "download",
    id,
    ...(resourceKey === undefined ? {} : { resourcekey: resourceKey }),
  });
  const route = ownRoute(way, `${way.settings.gdrive}/uc?${query.toString()}`);
  const isText = (type: string): boolean => /^text\/html\b/i.test(type);
  const { status, text } = await readPage(url, { route, isText }, call);
  if (status !== 200) throw refusedBy(way, status, HINT);
  if (text === undefined) return route;
  const { title, form } = readForm(text);
  const base = new URL(route.url);
  if (form === undefined || !URL.canParse(form.action, base.href)) {
    const said = title === "" ? "" : `: '${show(title, TITLE_LENGTH_MAX)}'`;
    throw new SmcError("REMOTE_FAILED", `${url}: a web page came instead of the file${said}`, {
      hint: `${HINT}; when too many have downloaded it, wait a day or make a copy of the file`,
    });
  }
  const action = new URL(form.action, base);
  action.search = new URLSearchParams(form.fields).toString();
  action.hash = "";
  if (action.hostname === base.hostname) return ownRoute(way, action.href);
  if (/(?:^|\.)(?:google|googleusercontent)\.com$/.test(action.hostname)) return otherRoute(way, action.href);
  throw new SmcError(
    "REMOTE_FAILED",
    `${url}: the page leads to '${show(action.host, 100)}', which is not Google`,
  );
}

interface FoundForm {
  readonly action: string;
  readonly fields: Record<string, string>;
}

/** The form that leads to the file, and what the page is called. */
function readForm(html: string): { title: string; form: FoundForm | undefined } {
  let title = "";
  let isTitle = false;
  let isForm = false;
  let action: string | undefined;
  const fields: Record<string, string> = {};
  const parser = new Parser({
    onopentag(name, attributes) {
      if (name === "title") isTitle = true;
      if (name === "form" && attributes["id"] === FORM) {
        isForm = true;
        action ??= attributes["action"];
      }
      const { name: field, value = "" } = attributes;
      if (name === "input" && isForm && field !== undefined && Object.keys(fields).length < FIELDS_MAX)
        fields[field] = value;
    },
    ontext(text) {
      if (isTitle && title.length < TITLE_LENGTH_MAX) title += text;
    },
    onclosetag(name) {
      if (name === "title") isTitle = false;
      if (name === "form") isForm = false;
    },
  });
  parser.end(html);
  return { title: title.trim(), form: action === undefined ? undefined : { action, fields } };
}

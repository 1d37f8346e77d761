/** Errors as they may be told to others: without the place of the store on this disk. */
import { isSmcError, SmcError } from "../errors.ts";
import { show } from "../show.ts";

/** The same error, with paths below `folder` told from there on. */
export function hideFolder(error: unknown, folder: string): unknown {
  if (!isSmcError(error)) return error;
  const places = [...new Set([folder, show(folder)])];
  const hide = (text: string): string =>
    places.reduce((told, place) => told.replaceAll(`${place}/`, "").replaceAll(place, "the store"), text);
  const details = Object.fromEntries(
    Object.entries(error.details).map(([key, value]) => [
      key,
      typeof value === "string" ? hide(value) : value,
    ]),
  );
  const hint = error.hint === undefined ? {} : { hint: hide(error.hint) };
  return new SmcError(error.code, hide(error.message), { ...hint, details, cause: error });
}

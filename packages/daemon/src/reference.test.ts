import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { api } from "./api.ts";

interface Generator {
  readonly PAGE: string;
  readonly renderPage: (page: string, table: typeof api) => string;
}

test("http.md says what the code says; if not, run scripts/http-reference.mjs", async () => {
  const script = new URL("../../../scripts/http-reference.mjs", import.meta.url).href;
  const { PAGE, renderPage } = (await import(script)) as Generator;
  const page = readFileSync(PAGE, "utf8");
  const words = (text: string): string[] => text.split(/[\s|]+/);
  expect(words(page)).toEqual(words(renderPage(page, api)));
});

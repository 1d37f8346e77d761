import { isSmcError } from "@smc/store/errors";
import { expect, test } from "vitest";
import { parseRemoteUrl } from "../remotes/remote-url.ts";

const ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz";

test.each([
  [
    "github-release://team/model/v1.0.0",
    { owner: "team", repository: "model", tag: "v1.0.0", asset: undefined },
  ],
  ["github-release://team/model/models/v1/a.car", { tag: "models/v1", asset: "a.car" }],
  [`gdrive://${ID}`, { id: ID, url: `gdrive://${ID}` }],
  [`https://drive.google.com/file/d/${ID}/view?usp=sharing`, { id: ID, url: `gdrive://${ID}` }],
  [`gdrive://https://drive.google.com/open?id=${ID}`, { id: ID }],
  ["dropbox://scl/fi/abc/m.car?rlkey=k1&dl=0", { path: "scl/fi/abc/m.car", key: "k1" }],
  [
    "https://www.dropbox.com/scl/fi/abc/m.car?rlkey=k1&st=x&dl=0",
    { url: "dropbox://scl/fi/abc/m.car?rlkey=k1" },
  ],
  ["https://models.example/files/m.car", { service: "web", url: "https://models.example/files/m.car" }],
  ["http://127.0.0.1:80/m.car", { service: "web" }],
])("%s is a link", (text, parts) => {
  expect(parseRemoteUrl(text)).toMatchObject({ kind: "link", ...parts });
});

test.each([
  "github-release://team/model",
  "github-release://team/../v1",
  "github-release://team/model/a b",
  "gdrive://short",
  "dropbox://x",
  "dropbox://scl/../m.car",
  "dropbox://scl/m.car?rlkey=a%20b",
  "http://models.example/m.car",
  "https://ada:secret@models.example/m.car",
  "https://models.example/m.car?token=secret",
])("%s is refused", (text) => {
  let error: unknown;
  try {
    parseRemoteUrl(text);
  } catch (caught) {
    error = caught;
  }
  expect(isSmcError(error, "URL_INVALID")).toBe(true);
  expect(String(error)).not.toContain("secret");
});

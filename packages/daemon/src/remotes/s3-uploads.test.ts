import { QUIET } from "@smc/store/testing";
import { expect, test } from "vitest";
import { answer, failureOf, type Handler, useCredentials, withServer, xml } from "./s3-server.ts";

useCredentials();

const BEFORE_MS = Date.parse("2026-03-08T00:00:00Z");
const OLD = "2026-03-01T00:00:00.000Z";
const YOUNG = "2026-03-09T00:00:00.000Z";
const STALE = { beforeMs: BEFORE_MS, isOurs: (key: string) => key.startsWith("packs/"), dryRun: false };

const upload = (key: string, id: string, initiated = OLD): string =>
  `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${initiated}</Initiated></Upload>`;

/** Tells uploads in pages, one after the other; `gone` are those that were taken back. */
function listing(pages: readonly string[], gone: (string | null)[]): Handler {
  return (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://models");
    if (request.method === "DELETE") {
      gone.push(`${pathname} ${searchParams.get("uploadId")}`);
      return searchParams.get("uploadId") === "finished"
        ? answer(response, 404, xml("NoSuchUpload"))
        : answer(response, 204);
    }
    const at = Number(searchParams.get("key-marker") ?? 0);
    const more = at + 1 < pages.length;
    const next = more ? `<NextKeyMarker>${at + 1}</NextKeyMarker>` : "";
    const head = `<Bucket>models</Bucket><IsTruncated>${more}</IsTruncated>${next}`;
    answer(response, 200, `<ListMultipartUploadsResult>${head}${pages[at]}</ListMultipartUploadsResult>`);
  };
}

const PAGES = [
  upload("p/packs/a", "one") + upload("p/packs/b", "young", YOUNG) + upload("p/notes/c", "other"),
  upload("q/packs/d", "elsewhere") + upload("p/packs/e", "finished") + upload("p/packs/f", "two"),
];

test("uploads that nobody finished are taken back: old ones of ours, on every page", async () => {
  const gone: (string | null)[] = [];
  await withServer(listing(PAGES, gone), async (bucket, requests) => {
    expect(await bucket.dropUploads({ ...STALE, dryRun: true }, QUIET)).toBe(3);
    expect(gone).toEqual([]);
    expect(await bucket.dropUploads(STALE, QUIET)).toBe(3);
    expect(requests[0]).toContain("prefix=p%2F");
  });
  expect(gone).toEqual(["/models/p/packs/a one", "/models/p/packs/e finished", "/models/p/packs/f two"]);
});

test("a server that does not tell of uploads has none, and one that fails is told of", async () => {
  for (const status of [403, 501])
    await withServer(
      (_, response) => answer(response, status, xml("NotImplemented")),
      async (bucket) => expect(await bucket.dropUploads(STALE, QUIET)).toBe(0),
    );
  await withServer(
    (_, response) => answer(response, 500, xml("InternalError")),
    async (bucket) => {
      const error = await failureOf(() => bucket.dropUploads(STALE, QUIET));
      expect(error).toMatchObject({ code: "REMOTE_FAILED" });
    },
    { retriesMax: 1 },
  );
});

test("a list of uploads that does not go on comes to an end", async () => {
  const again = listing([upload("p/packs/a", "one"), ""], []);
  let asked = 0;
  await withServer(
    (request, response, count) => {
      asked = count;
      request.url = `${request.url}`.replace(/key-marker=\d+/, "key-marker=0");
      again(request, response, count);
    },
    async (bucket) => expect(await bucket.dropUploads({ ...STALE, dryRun: true }, QUIET)).toBe(2),
  );
  expect(asked).toBe(2);
});

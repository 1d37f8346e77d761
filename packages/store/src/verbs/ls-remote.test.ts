import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { withTwoStores } from "../testing/two-stores.ts";
import { lsRemote } from "./ls-remote.ts";
import { tag } from "./tag.ts";

test("lsRemote() lists refs, of a kind, and those that a pattern means", async () => {
  await withTwoStores(async ({ a, remote, push }) => {
    expect(await lsRemote({ remote }, {}, QUIET)).toEqual({ url: remote.url, refs: [] });
    const { digest } = await a.commit({ "a.txt": "1" });
    for (const name of ["v1.0.0", "v1.1.0"]) await tag(a.repository, { name }, QUIET);
    await push(a, { all: true, tags: true });
    const names = async (options: Parameters<typeof lsRemote>[1]): Promise<string[]> =>
      (await lsRemote({ remote }, options, QUIET)).refs.map(({ name }) => name);
    const all = ["refs/heads/main", "refs/tags/v1.0.0", "refs/tags/v1.1.0"];
    expect(await names({})).toEqual(all);
    expect((await lsRemote({ remote }, { heads: true }, QUIET)).refs).toEqual([{ name: all[0], digest }]);
    expect(await names({ tags: true })).toEqual(all.slice(1));
    expect(await names({ heads: true, tags: true })).toEqual(all);
    expect(await names({ patterns: ["main"] })).toEqual([all[0]]);
    expect(await names({ patterns: ["v1.0*", "heads/main"] })).toEqual(all.slice(0, 2));
    expect(await names({ patterns: ["refs/tags/*"] })).toEqual(all.slice(1));
    expect(await names({ patterns: ["ain", ""] })).toEqual([]);
  });
});

/**
 * A store whose disk no longer gives some places, made and checked in a process of its own: strace lets the reads fail.
 */
import { join } from "node:path";
import { dist } from "./inject.mjs";
import { CALL } from "./operations.mjs";
import { smc, within } from "./places.mjs";

const { hashBytes } = await import(new URL("objects/digest.js", dist).href);

/** Every record once more, in a pack of its own. */
async function copyAll(store) {
  const records = [];
  for await (const { digest, ...place } of store.index.places())
    records.push({ digest, kind: place.kind, raw: await store.objects.readPlace(digest, place) });
  const session = store.writePacks("proof", new Set(records.map(({ digest }) => digest)));
  for (const { digest, kind, raw } of records) {
    if (hashBytes(raw) !== digest) throw new Error(`${digest} was read with other bytes`);
    await session.putRecord(kind, raw);
  }
  await session.finish();
  await session[Symbol.asyncDispose]();
}

const [task, folder, options] = process.argv.slice(2);
const result = await within(folder, async ({ store, home }) => {
  if (task === "copy") {
    const before = store.index
      .packs()
      .map(({ name }) => join(home, "packs", name.slice(0, 2), `${name}.pack`));
    await copyAll(store);
    return before;
  }
  const { ok, problems, repair, notes } = await smc.fsck(store, JSON.parse(options), CALL);
  return { ok, problems, repair, notes };
});
process.stdout.write(JSON.stringify(result));
process.exit();

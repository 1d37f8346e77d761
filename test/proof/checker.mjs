/** Does for one path after another what the product's db-check does for one: see quick.mjs. */
const dist = new URL(`${process.env.SMC_PROOF_DIST ?? ""}/`, "file:///");
const { fromLevel, openLevel, unsealValue } = await import(new URL("db/db-level.js", dist).href);

async function check(path) {
  const level = await openLevel(path, { create: false });
  try {
    const rows = level.iterator({ fillCache: false });
    for (let part = await rows.nextv(1000); part.length > 0; part = await rows.nextv(1000)) {
      for (const [key, value] of part) unsealValue(key, value);
    }
    await rows.close();
  } catch (error) {
    throw fromLevel(error, { path, doing: "read" });
  } finally {
    await level.close();
  }
}

process.on("disconnect", () => process.exit());
process.on("message", (path) => {
  check(path).then(
    () => process.send({ ok: true }),
    (error) =>
      process.send({
        ok: false,
        error: error.toJSON?.() ?? { code: "INTERNAL", exit: 70, message: String(error) },
      }),
  );
});

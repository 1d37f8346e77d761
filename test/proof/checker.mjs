/** Does for one LevelDB after another what the product's db-check-program does for one: see quick.mjs. */
const dist = new URL(`${process.env.SMC_PROOF_DIST ?? ""}/`, "file:///");
const { checkDb } = await import(new URL("db/db-check.js", dist).href);

process.on("disconnect", () => process.exit());
process.on("message", ([path, stop]) => {
  checkDb(path, { wasKilled: stop === "killed" }).then(
    (places) => process.send({ ok: true, places }),
    (error) =>
      process.send({
        ok: false,
        error: error.toJSON?.() ?? { code: "INTERNAL", exit: 70, message: String(error) },
      }),
  );
});

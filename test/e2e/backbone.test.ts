/** Networks: chosen in a file of the worktree, looked at, checked, and tried against each other. */
import { afterAll, expect, test } from "vitest";
import type { AuditResult, BackboneResult, JobsResult, TrainResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const SLOW_MS = 180_000;
const FILE = "smc.train.yaml";
const audited = async (op: string) =>
  (await box.json<AuditResult>("audit", "--op", op)).entries.map((entry) => entry.reason);

await box.commit("begin", { "notes.txt": "digits" });

test(
  "S2.1 S2.10 backbone list and show tell the networks and their layers, and make no job",
  { timeout: SLOW_MS },
  async () => {
    const { kinds } = await box.json<BackboneResult>("backbone", "list", "--task", "classify");
    expect(kinds.map(({ name }) => name)).toContain("resnet-tiny");
    const none = await box.smc(["backbone", "list", "--task", "detect"]);
    expect(none).toMatchObject({ code: 2 });
    expect(none.stderr).toContain("finds objects");
    const text = await box.ok("backbone", "show", "tiny-cnn", "--data", "digits");
    expect(text).toContain("28 x 28 x 1 -> 10, 105866 parameters");
    expect(text).toMatch(/^conv +block2\.conv +14 x 14 x 32 +4640$/m);
    expect((await box.json<JobsResult>("jobs")).jobs).toEqual([]);
  },
);

test(
  "S1.1 S2.2 backbone use and set write the file that smc train reads, and the training has its values",
  { timeout: SLOW_MS },
  async () => {
    await box.ok("backbone", "use", "tiny-cnn");
    await box.ok("backbone", "set", "layers=1", "width=0.25");
    const { described } = await box.json<BackboneResult>("backbone", "show");
    expect(described?.backbone).toMatchObject({ name: "tiny-cnn", layers: 1, width: 0.25 });
    const words = ["train", "--data", "digits", "--epochs", "1", "--set", "data.samples=100"];
    const { config } = await box.json<TrainResult>(...words, "--print-config");
    expect(config).toContainEqual({
      key: "settings.backbone.layers",
      value: 1,
      origin: "file",
      line: expect.any(Number) as number,
    });
    await box.ok(...words, "--name", "own");
    const { commit } = await box.json<{ commit: { params: object } }>("show", "jobs/own");
    expect(commit.params).toMatchObject({ "backbone.name": "tiny-cnn", "backbone.layers": 1 });
    // S2.9: what was trained with it stands beside it.
    const { history } = await box.json<BackboneResult>("backbone", "show", "tiny-cnn");
    expect(history).toMatchObject([{ name: "own", state: "finished", params: { epochs: 1 } }]);
    expect(history[0]?.metrics).toHaveProperty("val_acc");
    expect(history[0]?.seconds).toBeGreaterThan(0);
    // Who names a program does not want the file.
    expect(await box.ok("train", "--print-config", "--", "true")).toContain("engine: command # default");
  },
);

test(
  "S2.3 S2.5 what cannot be trained is refused with exit 2, all of it at once, and nothing is changed",
  { timeout: SLOW_MS },
  async () => {
    const before = box.read(FILE);
    const many = await box.refused("backbone", "validate", "layers=-1", "inputSize=1", "pretrained=true");
    expect(many).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
    for (const part of ["backbone.layers", "backbone.inputSize", "backbone.pretrained"])
      expect(many.message).toContain(part);
    const small = await box.refused("backbone", "validate", "tiny-cnn", "layers=5", "inputSize=16");
    expect(small).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
    expect(small.message).toContain("16x16x3 is too small");
    // The size of images is what they are brought to: rows have none.
    box.write("rows.csv", "a,label\n1,x\n2,y\n");
    const rows = await box.refused("backbone", "validate", "mlp", "inputSize=96", "--data", "rows.csv");
    expect(rows).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
    expect(rows.message).toContain("only folders of images are resized");
    expect(await box.ok("backbone", "validate", "resnet-tiny")).toContain("parameters");
    expect(box.read(FILE)).toBe(before);
  },
);

test(
  "S2.6 S2.7 what was set is replaced only after a question; yes, no and both values are in the audit log",
  { timeout: SLOW_MS },
  async () => {
    const before = box.read(FILE);
    const refused = await box.refused("backbone", "use", "resnet-tiny");
    expect(refused).toMatchObject({ code: "CONFIRMATION_NEEDED", exit: 8 });
    expect(box.read(FILE)).toBe(before);
    await box.ok("--yes", "backbone", "use", "resnet-tiny");
    // Layers of one network say nothing of another one.
    expect(box.read(FILE)).not.toContain("layers");
    expect(await audited("backbone.set")).toEqual([
      expect.stringContaining("backbone.name tiny-cnn -> resnet-tiny; backbone.layers 1 -> nothing"),
      expect.stringContaining("declined: backbone.name tiny-cnn -> resnet-tiny"),
      expect.stringContaining("backbone.layers nothing -> 1; backbone.width nothing -> 0.25"),
      expect.stringContaining("backbone.name nothing -> tiny-cnn"),
    ]);
  },
);

test(
  "S2.4 S2.11 backbone bench trains several at once, ranks them, and --apply sets the best",
  { timeout: SLOW_MS },
  async () => {
    await box.ok("queue", "start", "-j", "2");
    const own = ["--data", "digits", "--epochs", "1", "--set", "data.samples=100", "--set", "batch=16"];
    const bench = ["backbone", "bench", "mlp,tiny-cnn", ...own, "--metric", "val_acc"];
    const ran = await box.ok("--yes", ...bench, "--apply");
    expect(ran).toMatch(/^\* +[0-9a-f]{8} +bench-\d +finished +(mlp|tiny-cnn) +\S+ {2}best$/m);
    const best = /^\*.*finished +(\S+)/m.exec(ran)?.[1] ?? "";
    expect((await box.json<BackboneResult>("backbone", "show")).described?.backbone["name"]).toBe(best);
    const { comparison } = await box.json<JobsResult>("jobs", "compare", "bench");
    expect(comparison?.rows.map(({ values }) => values["backbone.name"]).sort()).toEqual(["mlp", "tiny-cnn"]);
    // Side by side: each was taken from the queue before the other had ended.
    const [first, second] = (comparison?.rows ?? []).map(({ job: { transitions } }) => ({
      begunMs: transitions.find(({ state }) => state === "preparing")?.atMs ?? Infinity,
      endedMs: transitions.at(-1)?.atMs ?? 0,
    }));
    expect(first?.begunMs).toBeLessThan(second?.endedMs ?? 0);
    expect(second?.begunMs).toBeLessThan(first?.endedMs ?? 0);
    expect(await audited("backbone")).toContainEqual(expect.stringContaining("mlp, tiny-cnn: group"));
    await box.ok("queue", "stop");
    await box.ok(...bench.slice(0, -2), "-d", "--name", "later");
    expect(await box.refused("backbone", "apply", "later")).toMatchObject({
      code: "JOB_STATE_WRONG",
      exit: 5,
    });
    const wrong = await box.refused("backbone", "bench", "mlp,nope", ...own);
    expect(wrong).toMatchObject({ code: "CONFIG_INVALID", exit: 2 });
  },
);

test(
  "S2.8 S2.12 the file is versioned: log, diff and restore show what it was and bring it back",
  { timeout: SLOW_MS },
  async () => {
    await box.ok("add", FILE);
    await box.ok("commit", "-m", "chosen");
    const chosen = box.read(FILE);
    await box.ok("--yes", "backbone", "use", "mobilenet-tiny");
    await box.ok("add", FILE);
    await box.ok("commit", "-m", "another");
    expect((await box.ok("log", "--oneline", "--", FILE)).split("\n")).toHaveLength(3);
    expect(await box.ok("diff", "HEAD~1", "HEAD", "--", FILE)).toContain(FILE);
    expect(await box.ok("cat", `HEAD:${FILE}`)).toContain("mobilenet-tiny");
    await box.ok("restore", "--source", "HEAD~1", FILE);
    expect(box.read(FILE)).toBe(chosen);
    expect(await box.ok("ls-tree", "jobs/own")).toContain("architecture.json");
  },
);

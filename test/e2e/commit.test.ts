import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Commit {
  readonly digest: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly ref: string;
}
interface Row {
  readonly digest: string;
  readonly message: string;
  readonly author: string;
  readonly date: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly params: Readonly<Record<string, unknown>>;
  readonly meta: Readonly<Record<string, unknown>>;
}

async function last(): Promise<Row | undefined> {
  return (await box.json<Row[]>("log", "-1"))[0];
}

test("smc commit --json answers digest, tree, parents and ref", async () => {
  box.write("a.txt", "a");
  await box.ok("add", "a.txt");
  const first = await box.json<Commit>(
    "commit",
    "-m",
    "first",
    "--metric",
    "acc=0.91",
    "--param",
    "lr=0.001",
    "--meta",
    "gpu=A100",
  );
  expect(first).toMatchObject({ parents: [], ref: "refs/heads/main" });
  expect(first.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(first.tree).toMatch(/^[0-9a-f]{64}$/);
  expect(await last()).toMatchObject({
    digest: first.digest,
    message: "first",
    author: "Ada <ada@example.org>",
    metrics: { acc: 0.91 },
    params: { lr: 0.001 },
    meta: { gpu: "A100" },
  });
  box.write("a.txt", "b");
  const second = await box.json<Commit>("commit", "-am", "second");
  expect(second.parents).toEqual([first.digest]);
});

test("smc commit -q prints the digest only, and no option makes a second one equal", async () => {
  const digest = (await box.ok("commit", "-q", "--allow-empty", "-m", "empty")).trim();
  expect(await box.ok("rev-parse", "HEAD")).toBe(`${digest}\n`);
});

test("smc commit prints branch, digest, subject and files", async () => {
  box.write("b.txt", "b");
  await box.ok("add", "-A");
  expect(await box.ok("commit", "-m", "add b\n\nbody")).toMatch(
    /^\[main [0-9a-f]{9}\] add b\n1 added, 0 modified, 0 deleted\n$/,
  );
});

test("smc commit joins several -m as paragraphs and reads -F from a file and from stdin", async () => {
  await box.ok("commit", "--allow-empty", "-m", "subject", "-m", "-dashed body");
  expect((await last())?.message).toBe("subject\n\n-dashed body");
  box.write("message.txt", "from a file\n");
  await box.ok("commit", "--allow-empty", "-F", "message.txt");
  expect((await last())?.message.trim()).toBe("from a file");
  expect((await box.smc(["commit", "--allow-empty", "-F", "-"], { stdin: "from stdin" })).code).toBe(0);
  expect((await last())?.message.trim()).toBe("from stdin");
});

test("smc commit --author, --date and --tag are kept", async () => {
  await box.ok(
    "commit",
    "--allow-empty",
    "-m",
    "x",
    "--author",
    "Bob <bob@example.org>",
    "--date",
    "2026-01-15T10:00:00+07:00",
    "--tag",
    "v0.1.0",
  );
  expect(await last()).toMatchObject({ author: "Bob <bob@example.org>", date: "2026-01-15T10:00:00+07:00" });
  expect(await box.ok("rev-parse", "v0.1.0^{commit}")).toBe(await box.ok("rev-parse", "HEAD"));
});

test("smc commit --amend replaces the last commit and keeps what is not given", async () => {
  const before = (await box.ok("rev-parse", "HEAD~1")).trim();
  const amended = await box.json<Commit>("commit", "--amend", "--metric", "acc=0.5");
  expect(amended.parents).toEqual([before]);
  expect(await last()).toMatchObject({
    message: "x",
    metrics: { acc: 0.5 },
    author: "Bob <bob@example.org>",
  });
});

test("smc commit with nothing staged ends with 1", async () => {
  expect(await box.refused("commit", "-m", "nothing")).toMatchObject({ exit: 1, code: "NOTHING_TO_COMMIT" });
});

test.each([
  [["commit"], "MESSAGE_INVALID"],
  [["commit", "-m", "   "], "MESSAGE_INVALID"],
  [["commit", "-m", "x", "-F", "y"], "USAGE"],
  [["commit", "-m", "x", "--metric", "acc"], "ARGUMENT_INVALID"],
  [["commit", "-m", "x", "--metric", "acc=high"], "ARGUMENT_INVALID"],
  [["commit", "-m", "x", "--metric", "acc=1", "--metric", "acc=2"], "ARGUMENT_INVALID"],
  [["commit", "-m", "x", "--author", "A <a@b>\nparent dead"], "IDENTITY_INVALID"],
  [["commit", "-m", "x", "--author", "A <>"], "IDENTITY_INVALID"],
  [["commit", "-m", "x", "--date", "99999999999999"], "DATE_INVALID"],
  [["commit", "-m", "x", "--tag", "a..b"], "REF_NAME_INVALID"],
  [["commit", "-m", "x", "--tag", "a", "--tag", "b"], "USAGE"],
  [["commit", "-m", "x", "stray"], "USAGE"],
] as const)("smc %j is a usage error", async (words, code) => {
  const before = await box.ok("rev-parse", "HEAD");
  expect(await box.refused(...words, "--allow-empty")).toMatchObject({ exit: 2, code });
  expect(await box.ok("rev-parse", "HEAD")).toBe(before);
});

test("smc commit refuses bad messages from stdin", async () => {
  const code = async (stdin: string | Uint8Array): Promise<number> =>
    (await box.smc(["commit", "--allow-empty", "-F", "-"], { stdin })).code;
  expect(await code("")).toBe(2);
  expect(await code("a\0b")).toBe(2);
  expect(await code(Buffer.from([0x66, 0xff]))).toBe(2);
  expect(await code("x".repeat(2 * 1024 * 1024))).toBe(2);
});

test("smc commit records what training scripts wrote", async () => {
  box.write("runs/results.csv", "  epoch,  train/box_loss\n      0,  2.5\n      1,  nan\n");
  box.write("runs/args.yaml", "lr0: 0.01\nmodel: yolov8n.pt\n");
  box.write("m.json", '{"val": {"acc": 0.5}, "top5": 0.75}');
  const files = [
    "--metrics-file",
    "runs/results.csv",
    "--metrics-file",
    "m.json",
    "--params-file",
    "runs/args.yaml",
  ];
  const ran = await box.smc(["commit", "--allow-empty", "-m", "yolo", ...files, "--metric", "top5=0.8"]);
  expect(ran).toMatchObject({ code: 0 });
  expect(ran.stderr).toContain("results.csv: train/box_loss");
  expect(await last()).toMatchObject({
    metrics: { epoch: 1, "val.acc": 0.5, top5: 0.8 },
    params: { lr0: 0.01, model: "yolov8n.pt" },
  });
  box.write("m.json", '{\n"acc": NaN}');
  expect(await box.refused("commit", "--allow-empty", "-m", "x", "--metrics-file", "m.json")).toMatchObject({
    code: "FILE_MALFORMED",
    exit: 2,
  });
});

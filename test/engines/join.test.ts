/** What smc writes of tensors is what the real libraries read. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSandbox } from "../e2e/sandbox.ts";
import { runEngine } from "./write-files.ts";

const FILES = ["m.gguf", "m.h5", "m.npz", "m.onnx", "m.pt", "m.safetensors"];

test("joined models and files of single tensors are read by the libraries of their formats", async () => {
  await using box = await createSandbox();
  const folder = mkdtempSync(join(tmpdir(), "smc-engines-"));
  try {
    runEngine("files", ["joined_files.py", "write", folder]);
    runEngine("torch", ["joined_torch.py", "write", folder]);
    expect(readdirSync(join(folder, "base")).sort()).toEqual(FILES);
    const commit = async (side: string): Promise<void> => {
      cpSync(join(folder, side), box.work, { recursive: true });
      await box.commit(side);
    };
    await commit("base");
    await box.ok("switch", "-q", "-c", "theirs");
    await commit("theirs");
    await box.ok("switch", "-q", "main");
    await commit("ours");
    const { joined } = await box.json<{ joined: { path: string; mixedCount: number }[] }>(
      "merge",
      "--strategy",
      "average",
      "theirs",
    );
    expect(joined.map(({ path }) => path).sort()).toEqual(FILES);
    expect(joined.filter(({ mixedCount }) => mixedCount < 3)).toEqual([]);
    const take = (source: string, output: string): Promise<string> =>
      box.ok("checkout", "--tensors", "w.*", "-o", output, "HEAD", "--", source);
    await take("m.safetensors", "part.safetensors");
    await take("m.npz", "from-npz.safetensors");
    mkdirSync(join(folder, "joined"));
    for (const name of [...FILES, "part.safetensors", "from-npz.safetensors"])
      cpSync(box.path(name), join(folder, "joined", name));
    runEngine("files", ["joined_files.py", "check", folder]);
    runEngine("torch", ["joined_torch.py", "check", folder]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Model files made to break their readers: rows G1 to G8. They are kept byte for byte; inspect says what is wrong. */
import { readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 } from "../e2e/sandbox.ts";
import { createTarget, expectNoStack, type Target } from "./target.ts";

/** Large enough that the store looks for tensors in it. */
const DATA = Buffer.alloc(128 * 1024, 7);

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: bigint | number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const safetensors = (header: string, length: bigint | number = Buffer.byteLength(header)): Buffer =>
  Buffer.concat([u64(length), Buffer.from(header), DATA]);
const tensor = (from: number | string, to: number | string, shape: string): string =>
  `{"dtype":"U8","shape":${shape},"data_offsets":[${from},${to}]}`;
const gguf = (...parts: Buffer[]): Buffer => Buffer.concat([Buffer.from("GGUF"), u32(3), ...parts, DATA]);
const text = (value: string): Buffer => Buffer.concat([u64(value.length), Buffer.from(value)]);
const field = (number: number, ...parts: (Buffer | string)[]): Buffer => {
  const value = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length: number[] = [];
  let rest = value.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length, rest]), value]);
};
const onnx = (...graph: Buffer[]): Buffer => Buffer.concat([Buffer.from([8, 8]), field(7, ...graph)]);
const elsewhere = (location: string): Buffer => {
  const entry = field(13, field(1, "location"), field(2, location));
  return onnx(field(5, Buffer.from([8, 1, 16, 1]), entry, Buffer.from([14 * 8, 1])), field(10, DATA));
};
const graphs = (depth: number): Buffer => {
  let graph: Buffer = DATA.subarray(0, 0);
  for (let level = 0; level < depth; level += 1) graph = field(1, field(5, field(6, graph)));
  return onnx(graph, field(10, DATA));
};

const SIZE = DATA.length;
const FILES: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  "G1-length.safetensors": [
    safetensors("{}", 2n ** 63n),
    /header length 9223372036854775808 exceeds file size/,
  ],
  "G1-no-json.safetensors": [safetensors("{nonsense}"), /expected a string in the JSON at 9/],
  "G1-junk.safetensors": [safetensors("{} x"), /something follows the JSON/],
  "G1-deep.safetensors": [safetensors(`{"a":{"x":${"[".repeat(100_000)}`), /nested deeper/],
  "G2-hole.safetensors": [
    safetensors(`{"a":${tensor(8, SIZE, `[${SIZE - 8}]`)}}`),
    /tensor 'a' leaves a hole at 0/,
  ],
  "G2-negative.safetensors": [safetensors(`{"a":${tensor(-8, 8, "[16]")}}`), /tensor 'a' begins at -8/],
  "G2-2-53.safetensors": [
    safetensors(`{"a":${tensor(0, "9007199254740993", "[1]")}}`),
    /a number below 2\^53/,
  ],
  "G3-product.safetensors": [
    safetensors(`{"a":${tensor(0, SIZE, "[4294967296,4294967296]")}}`),
    /no file can hold/,
  ],
  "G4-twice.safetensors": [
    safetensors(`{"a":${tensor(0, SIZE, `[${SIZE}]`)},"a":{}}`),
    /key 'a' stands twice/,
  ],
  "G5-more.safetensors": [safetensors(`{"a":${tensor(0, 8, "[8]")}}`), /the tensors end at 8/],
  "G6-swapped.gguf": [Buffer.concat([Buffer.from("GGUF"), Buffer.from([0, 0, 0, 3]), DATA]), /big-endian/],
  "G6-pairs.gguf": [gguf(u64(0), u64(2n ** 64n - 1n)), /n_kv 18446744073709551615 cannot fit/],
  "G6-key.gguf": [gguf(u64(0), u64(1), u64(2n ** 63n)), /the length of a key 9223372036854775808 cannot fit/],
  "G6-alignment.gguf": [
    gguf(u64(0), u64(1), text("general.alignment"), u32(4), u32(3)),
    /alignment 3 is no power of two/,
  ],
  "G7-size.gguf": [gguf(u64(1), u64(0), text("a"), u32(1), u64(2 ** 30), u32(0), u64(0)), /lies outside/],
  "G7-dimension.gguf": [
    gguf(u64(1), u64(0), text("a"), u32(1), u64(2n ** 63n), u32(0), u64(0)),
    /a dimension of 'a' is 9223372036854775808/,
  ],
  "G8-parent.onnx": [elsewhere("../../etc/passwd"), /'\.\.\/\.\.\/etc\/passwd' is no file in the folder/],
  "G8-bent.onnx": [elsewhere("a/../b"), /'a\/\.\.\/b' is no file in the folder/],
  "G8-absolute.onnx": [elsewhere("/etc/passwd"), /'\/etc\/passwd' is no file in the folder/],
  "G8-varint.onnx": [
    Buffer.concat([Buffer.from([58, 0xff, 0xff, 0xff, 0xff, 0x0f]), DATA]),
    /4294967295 bytes, but/,
  ],
  "G8-group.onnx": [Buffer.concat([Buffer.from([59]), DATA]), /wire type 3/],
  "G8-deep.onnx": [graphs(40), /graphs nested deeper than 32/],
};
const NAMES = Object.keys(FILES);

let target: Target;
let pid = 0;
const daemonPid = async (): Promise<number> => {
  const { daemon } = await target.sandbox.json<{ daemon: { pid: number } }>("daemon", "status");
  return daemon.pid;
};
beforeAll(async () => {
  target = await createTarget();
  for (const name of NAMES) target.sandbox.write(name, FILES[name]?.[0] ?? "");
  await target.sandbox.commit("attack");
  pid = await daemonPid();
}, 60_000);
afterAll(async () => {
  await target[Symbol.asyncDispose]();
});

test("they are kept and come back byte for byte", async () => {
  const { sandbox } = target;
  for (const name of NAMES) rmSync(sandbox.path(name));
  await sandbox.ok("restore", ".");
  for (const name of NAMES)
    expect(sha256(readFileSync(sandbox.path(name))), name).toBe(sha256(FILES[name]?.[0] ?? ""));
  await sandbox.ok("fsck", "--full");
});

test.for(NAMES)("%s: inspect says what is wrong", async (name) => {
  const { sandbox } = target;
  for (const which of [name, `HEAD:${name}`]) {
    const ran = await sandbox.smc(["inspect", "--json", which]);
    expectNoStack(ran);
    expect(ran.code, ran.stderr).toBe(1);
    const { problem, tensors } = JSON.parse(ran.stdout) as { problem: string; tensors: unknown[] };
    expect(problem).toMatch(FILES[name]?.[1] ?? /^$/);
    expect(tensors).toEqual([]);
  }
});

test("G8: a model that names links is not followed", async () => {
  const { sandbox } = target;
  const { code, stdout } = await sandbox.shell(
    'ln -sf /etc/passwd weights.bin; printf \'%s\' \'{"weightsManifest":[{"paths":["weights.bin"],"weights":[]}]}\' > model.json; smc inspect weights.bin',
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/^no format that smc knows/);
});

test("the daemon is the one that it was", async () => {
  expect(await daemonPid()).toBe(pid);
  expect(pid).toBeGreaterThan(0);
});

/** Real servers of S3, each on a port of its own with a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { ROOT } from "../source.ts";

const SERVERS = join(ROOT, ".engines", "servers");
const READY_MS = 60_000;
const POLL_MS = 50;
const BUCKET = "models";

export type ServerName = "minio" | "versitygw" | "s3rver";

export interface S3Server extends AsyncDisposable {
  /** A place in its bucket where nothing is yet. */
  freshUrl(): string;
  readonly credentials: { readonly AWS_ACCESS_KEY_ID: string; readonly AWS_SECRET_ACCESS_KEY: string };
}

interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const USER = { AWS_ACCESS_KEY_ID: "engine-user", AWS_SECRET_ACCESS_KEY: "engine-password" };

function programOf(name: ServerName, { folder, port }: { folder: string; port: number }): Program {
  const data = join(folder, "data");
  const user = USER.AWS_ACCESS_KEY_ID;
  const password = USER.AWS_SECRET_ACCESS_KEY;
  if (name === "minio") {
    const env = {
      MINIO_ROOT_USER: user,
      MINIO_ROOT_PASSWORD: password,
      MINIO_BROWSER: "off",
      MINIO_UPDATE: "off",
    };
    const args = [
      "server",
      "--quiet",
      "--certs-dir",
      join(folder, "certs"),
      "--address",
      `127.0.0.1:${port}`,
      data,
    ];
    return { command: join(SERVERS, "bin", "minio"), args, env };
  }
  if (name === "versitygw") {
    const sidecar = join(folder, "sidecar");
    mkdirSync(sidecar);
    const args = ["--quiet", "--port", `127.0.0.1:${port}`, "posix", "--sidecar", sidecar, data];
    const env = { ROOT_ACCESS_KEY_ID: user, ROOT_SECRET_ACCESS_KEY: password };
    return { command: join(SERVERS, "bin", "versitygw"), args, env };
  }
  const script = join(SERVERS, "node_modules", "s3rver", "bin", "s3rver.js");
  const args = [script, "--silent", "-d", data, "-a", "127.0.0.1", "-p", String(port)];
  return { command: process.execPath, args };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Waits until the server takes connections. */
async function ready(child: ChildProcess, port: number, output: () => string): Promise<void> {
  const until = Date.now() + READY_MS;
  while (!(await accepts(port))) {
    if (child.pid === undefined || child.exitCode !== null || Date.now() > until)
      throw new Error(`the server does not answer: ${output()}`);
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}

/** Starts a server with an empty bucket. Throws when scripts/engines.mjs has not run. */
export async function startServer(name: ServerName): Promise<S3Server> {
  if (!existsSync(join(SERVERS, "installed"))) {
    throw new Error('the servers are not there; run "node scripts/engines.mjs"');
  }
  const folder = mkdtempSync(join(tmpdir(), `smc-${name}-`));
  for (const part of ["data", "certs", "home"]) mkdirSync(join(folder, part));
  const port = await freePort();
  const { command, args, env } = programOf(name, { folder, port });
  const child = spawn(command, args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, HOME: join(folder, "home"), TMPDIR: folder, ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => (output = `${output}${text.toString()}`.slice(-4000)));
  }
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => (output += error.message)).once("error", () => resolve());
    child.once("exit", () => resolve());
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, maxRetries: 3 });
  };
  const credentials =
    name === "s3rver" ? { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" } : USER;
  const endpoint = `http://127.0.0.1:${port}`;
  let places = 0;
  try {
    await ready(child, port, () => output);
    await createBucket(endpoint, credentials);
  } catch (error) {
    await stop();
    throw error;
  }
  const freshUrl = (): string => {
    places++;
    return `s3://${BUCKET}/place-${places}?endpoint=${endpoint}`;
  };
  return { freshUrl, credentials, [Symbol.asyncDispose]: stop };
}

// It asks for a newer Node.js.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";

async function createBucket(endpoint: string, credentials: S3Server["credentials"]): Promise<void> {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    // Some take connections before they take buckets.
    maxAttempts: 10,
    credentials: {
      accessKeyId: credentials.AWS_ACCESS_KEY_ID,
      secretAccessKey: credentials.AWS_SECRET_ACCESS_KEY,
    },
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  client.destroy();
}

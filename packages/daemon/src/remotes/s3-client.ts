/**
 * The SDK of AWS, loaded when the first bucket is opened, and set so that waiting and trying again is up to
 * us.
 */
import type { S3Client } from "@aws-sdk/client-s3";
import type { S3Url } from "./bucket-url.ts";
import { lookupOutside, type PrivateHosts } from "./outside-addresses.ts";
import type { Limits } from "./retry.ts";

export type Sdk = typeof import("@aws-sdk/client-s3");

const SECRET_LENGTH_MIN = 8;

const nothing = (): void => undefined;
/** What the SDK has to say comes as errors; without this it writes to the console. */
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Takes 0.15 s the first time. */
export function loadSdk(): Promise<Sdk> {
  // It would tell users of an older Node.js to replace it; that later versions do not run there is our
  // concern.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
  return import("@aws-sdk/client-s3");
}

interface ClientOptions {
  readonly url: S3Url;
  readonly limits: Limits;
  readonly metadataHosts: PrivateHosts;
}

/**
 * Takes its credentials from where the tools of AWS look for them, and nowhere else. A connection is refused with
 * URL_INVALID when the name leads to where machines are told their keys.
 */
export function createClient(sdk: Sdk, { url, limits, metadataHosts }: ClientOptions): S3Client {
  const { endpoint } = url;
  const agent = { keepAlive: true, lookup: lookupOutside(metadataHosts) };
  // Servers of one's own seldom care about the region, but the signature needs one.
  const region = url.region ?? (endpoint === undefined ? undefined : "us-east-1");
  return new sdk.S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    // The address says where data goes, not the environment.
    ignoreConfiguredEndpointUrls: true,
    followRegionRedirects: false,
    logger: SILENT,
    maxAttempts: 1,
    retryMode: "standard",
    // We send a SHA-256 of our own and compare our own digests; several servers know no checksum in a
    // trailer.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // A socket of which our reader takes nothing for a while is not idle: attempts watch that.
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: limits.connectMs,
      socketTimeout: 0,
      requestTimeout: 0,
      logger: SILENT,
    },
  });
}

/** Where `claimBytes` stands in the middleware of a command that has a body. */
export const CLAIM = { step: "build", name: "smcPayloadHash" } as const;

/** The signature covers the SHA-256 of the body: also a server that knows no checksums has to compare it. */
export function claimBytes<Args extends { readonly request: unknown }>(args: Args, sha256: string): Args {
  (args.request as { headers: Record<string, string> }).headers["x-amz-content-sha256"] = sha256;
  return args;
}

/**
 * What a server hears of our credentials with each request, and might repeat: key, token and signature. The
 * secret itself never leaves this process.
 */
export class Heard {
  #words: readonly string[] = [];

  /** Listens to what a client sends. */
  watch(client: S3Client): void {
    client.middlewareStack.add(
      (next) => (args) => {
        const { headers } = args.request as { headers: Readonly<Record<string, string | undefined>> };
        const { authorization = "", "x-amz-security-token": token = "" } = headers;
        const [, key = ""] = /Credential=([^/]+)/.exec(authorization) ?? [];
        const [, signature = ""] = /Signature=(\w+)/.exec(authorization) ?? [];
        this.#words = [token, signature, key].filter(({ length }) => length >= SECRET_LENGTH_MIN);
        return next(args);
      },
      { step: "deserialize", name: "smcHeard" },
    );
  }

  /** The text without them. */
  readonly without = (text: string): string =>
    this.#words.reduce((shown, word) => shown.replaceAll(word, "***"), text);
}

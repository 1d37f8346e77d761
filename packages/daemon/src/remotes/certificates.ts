/**
 * For tests: an authority of one's own and certificates by it, made of nothing but node:crypto (X.509 v3, ECDSA P-256).
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

const DAY_MS = 86_400_000;
const OIDS = {
  ecdsaWithSha256: "2a8648ce3d040302",
  commonName: "550403",
  subjectAltName: "551d11",
  basicConstraints: "551d13",
};

export interface Certificate {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CertificateOptions {
  /** Addresses (IPv4) and host names that it is for. */
  readonly hosts?: readonly string[];
  /** From now; default: a day each. */
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** Something that can vouch for others. */
export interface Authority {
  readonly caPem: string;
  issue(options?: CertificateOptions): Certificate;
}

export function createAuthority(name: string): Authority {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const own = { subject: name, issuer: name, publicKey: keys.publicKey, signer: keys.privateKey };
  return {
    caPem: certify({ ...own, extensions: [basicConstraints()] }),
    issue: ({ hosts = ["127.0.0.1"], fromMs, toMs } = {}) => {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const named = { subject: `${name} server`, issuer: name, publicKey, signer: keys.privateKey };
      return {
        certPem: certify({ ...named, extensions: [alternativeNames(hosts)], fromMs, toMs }),
        keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      };
    },
  };
}

interface Parts {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

function certify(parts: Parts): string {
  const algorithm = sequence(oid("ecdsaWithSha256"));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(parts.issuer),
    sequence(time(parts.fromMs ?? -DAY_MS), time(parts.toMs ?? DAY_MS)),
    nameOf(parts.subject),
    parts.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...parts.extensions)),
  );
  const signature = sign("sha256", body, parts.signer);
  const whole = sequence(body, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(name: keyof typeof OIDS): Buffer {
  return der(0x06, Buffer.from(OIDS[name], "hex"));
}

function nameOf(text: string): Buffer {
  return sequence(der(0x31, sequence(oid("commonName"), der(0x0c, Buffer.from(text)))));
}

/** UTCTime, which is what certificates use before 2050. */
function time(fromNowMs: number): Buffer {
  const text = new Date(Date.now() + fromNowMs).toISOString().replace(/[-:T]|\.\d+/g, "");
  return der(0x17, Buffer.from(text.slice(2)));
}

function basicConstraints(): Buffer {
  const yes = der(0x01, Buffer.from([0xff]));
  return sequence(oid("basicConstraints"), yes, der(0x04, sequence(yes)));
}

function alternativeNames(hosts: readonly string[]): Buffer {
  const names = hosts.map((host) =>
    /^[\d.]+$/.test(host)
      ? der(0x87, Buffer.from(host.split(".").map(Number)))
      : der(0x82, Buffer.from(host)),
  );
  return sequence(oid("subjectAltName"), der(0x04, sequence(...names)));
}

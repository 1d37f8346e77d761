/** For tests: a certificate that names this machine, signed by itself, and its key. */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

const DAY_MS = 86_400_000;
const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const OCTETS = 0x04;
const TRUE = Buffer.from("0101ff", "hex");
const OIDS = {
  ecdsaWithSha256: "2a8648ce3d040302",
  commonName: "550403",
  names: "551d11",
  constraints: "551d13",
};

/** One value in DER: tag, length, content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length);
  return Buffer.concat([Buffer.from([tag, 0x82]), length, content]);
}

const oid = (name: keyof typeof OIDS): Buffer => der(0x06, Buffer.from(OIDS[name], "hex"));
const time = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`));

function extensions(): Buffer {
  const names = der(SEQUENCE, der(0x82, Buffer.from("localhost")), der(0x87, Buffer.from([127, 0, 0, 1])));
  const constraints = der(SEQUENCE, TRUE);
  return der(
    0xa3,
    der(
      SEQUENCE,
      der(SEQUENCE, oid("names"), der(OCTETS, names)),
      der(SEQUENCE, oid("constraints"), TRUE, der(OCTETS, constraints)),
    ),
  );
}

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** In PEM, for `localhost` and 127.0.0.1, from yesterday to tomorrow. Whoever trusts it needs nothing else. */
export function makeCertificate(): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(SEQUENCE, oid("ecdsaWithSha256"));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid("commonName"), der(0x0c, Buffer.from("smc test")))));
  const now = Date.now();
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(8)]);
  const signed = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    algorithm,
    name,
    der(SEQUENCE, time(now - DAY_MS), time(now + DAY_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    extensions(),
  );
  const signature = der(0x03, Buffer.from([0]), sign("sha256", signed, privateKey));
  const bytes = der(SEQUENCE, signed, algorithm, signature);
  const lines = bytes.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

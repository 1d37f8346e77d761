/** The certificate of a server and its key. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

const FILE_BYTES_MAX = 1024 * 1024;

export interface CertificateFiles {
  /** PEM: the certificate of the server first, then those that lead to one that others know. */
  readonly certFile: string;
  /** PEM, without a password. */
  readonly keyFile: string;
}

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * Reads both and sees that they belong together. Throws PATH_NOT_FOUND, PERMISSION_DENIED, and ARGUMENT_INVALID for
 * what is no certificate or key, or not a pair.
 */
export async function readCertificate({ certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const cert = await readPem(certFile);
  const key = await readPem(keyFile);
  const certificate = understood(
    () => new X509Certificate(cert),
    `'${show(certFile)}' is no certificate in PEM`,
  );
  const privateKey = understood<KeyObject>(
    () => createPrivateKey(key),
    `'${show(keyFile)}' is no private key in PEM, or it has a password`,
  );
  if (certificate.checkPrivateKey(privateKey)) return { cert, key };
  throw new SmcError("ARGUMENT_INVALID", `the key in '${show(keyFile)}' is not that of '${show(certFile)}'`);
}

interface Watching {
  /** What the server has now. */
  readonly current: Certificate;
  readonly everyMs: number;
  readonly onNew: (certificate: Certificate) => void;
  /** Told once for each state of the files. */
  readonly onBad: (error: unknown) => void;
}

export interface CertificateWatch {
  /** Looks at the files now. */
  readonly look: () => Promise<void>;
  readonly stop: () => void;
}

/** Looks at the files again and again, until it is stopped, and reads a certificate anew when they are others. */
export function watchCertificate(
  files: CertificateFiles,
  { current, everyMs, onNew, onBad }: Watching,
): CertificateWatch {
  let used = current;
  let seen: string | undefined;
  let bad: string | undefined;
  let looking: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    const found = await stateOf(files);
    if (found === seen) return;
    try {
      const certificate = await readCertificate(files);
      // Somebody may be writing them.
      if ((await stateOf(files)) !== found) return;
      seen = found;
      if (certificate.cert.equals(used.cert) && certificate.key.equals(used.key)) return;
      onNew(certificate);
      used = certificate;
    } catch (error) {
      if (found !== bad) onBad(error);
      bad = found;
    }
  };
  const look = (): Promise<void> => {
    looking ??= read().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const timer = setInterval(() => void look(), everyMs).unref();
  // One that is under way may have looked before the files changed.
  const lookNow = async (): Promise<void> => {
    await looking;
    await look();
  };
  return { look: lookNow, stop: () => clearInterval(timer) };
}

/**
 * What changes when a file is written or another one takes its place; the same for all states in which one is missing.
 */
async function stateOf({ certFile, keyFile }: CertificateFiles): Promise<string> {
  const found = await Promise.allSettled([stat(certFile), stat(keyFile)]);
  return found
    .map((file) =>
      file.status === "rejected" ? "missing" : `${file.value.ino} ${file.value.size} ${file.value.mtimeMs}`,
    )
    .join();
}

async function readPem(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > FILE_BYTES_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' is larger than ${FILE_BYTES_MAX} bytes`);
    return await file.readFile();
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
}

/** OpenSSL has many codes for one thing: this is not what it must be. */
function understood<T>(read: () => T, why: string): T {
  try {
    return read();
  } catch (error) {
    throw new SmcError("ARGUMENT_INVALID", why, { cause: error });
  }
}

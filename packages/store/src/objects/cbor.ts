/** Canonical DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/) and a checked reader of decoded maps. Pure. */
import { decode, encode } from "@ipld/dag-cbor";
import { type Digest, digestFromBytes } from "./digest.ts";
import { SmcError } from "../errors.ts";
import { assertIdentity, assertMessage } from "./names.ts";
import type { CommitMeta, Identity, Moment } from "./objects.ts";

const META_DEPTH_MAX = 32;
/** 9999-12-31T23:59:59.999Z. */
const MS_MAX = 253_402_300_799_999;
const OFFSET_MINUTES_MAX = 14 * 60;

export function encodeCanonical(value: unknown): Uint8Array {
  return encode(value);
}

/** Throws OBJECT_INVALID unless the bytes are the one canonical encoding of what they hold. */
export function decodeCanonical(bytes: Uint8Array, what: string): unknown {
  let value: unknown;
  let again: Uint8Array;
  try {
    value = decode(bytes);
    again = encode(value);
  } catch (error) {
    // Also what a hostile depth of nesting ends in.
    throw new SmcError("OBJECT_INVALID", `${what}: not canonical DAG-CBOR`, { cause: error });
  }
  if (Buffer.compare(again, bytes) !== 0) {
    throw new SmcError("OBJECT_INVALID", `${what}: not canonical DAG-CBOR`);
  }
  return value;
}

/** Reads the fields of a decoded map; exactly `type` and `fields` must be there. Throws OBJECT_INVALID. */
export class Shape {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #type: string;

  constructor(value: unknown, type: string, fields: readonly string[]) {
    this.#type = type;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.#bad("not a map");
    this.#value = value as Readonly<Record<string, unknown>>;
    if (this.#value.type !== type) throw this.#bad(`the type is not '${type}'`);
    const keys = Object.keys(this.#value);
    const unknown = keys.find((key) => key !== "type" && !fields.includes(key));
    if (unknown !== undefined) throw this.#bad(`unknown field '${unknown}'`);
    const missing = fields.find((field) => !Object.hasOwn(this.#value, field));
    if (missing !== undefined) throw this.#bad(`no field '${missing}'`);
  }

  #bad(why: string): SmcError {
    return new SmcError("OBJECT_INVALID", `${this.#type}: ${why}`);
  }

  text(field: string): string {
    const value = this.#value[field];
    if (typeof value !== "string") throw this.#bad(`'${field}' is not text`);
    return value;
  }

  integer(field: string): number {
    const value = this.#value[field];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw this.#bad(`'${field}' is not a whole number`);
    }
    return value;
  }

  bytes(field: string): Uint8Array {
    const value = this.#value[field];
    if (!(value instanceof Uint8Array)) throw this.#bad(`'${field}' is not bytes`);
    return value;
  }

  digest(field: string): Digest {
    return this.#digest(this.#value[field], field);
  }

  digestAt(field: string, index: number): Digest {
    return this.#digest(this.list(field, Number.MAX_SAFE_INTEGER)[index], field);
  }

  #digest(value: unknown, field: string): Digest {
    if (!(value instanceof Uint8Array) || value.length !== 32) throw this.#bad(`'${field}' is not a digest`);
    const digest = digestFromBytes(value);
    if (/^0{64}$/.test(digest)) throw this.#bad(`'${field}' is the zero digest`);
    return digest;
  }

  list(field: string, lengthMax: number): readonly unknown[] {
    const value = this.#value[field];
    if (!Array.isArray(value)) throw this.#bad(`'${field}' is not a list`);
    if (value.length > lengthMax) throw this.#bad(`'${field}' has more than ${lengthMax} entries`);
    return value;
  }

  identity(field: string): Identity {
    const value = this.#value[field] as Partial<Identity> | null;
    if (typeof value !== "object" || value === null) throw this.#bad(`'${field}' is not a person`);
    const { name, email, ...rest } = value;
    if (typeof name !== "string" || typeof email !== "string" || Object.keys(rest).length > 0) {
      throw this.#bad(`'${field}' is not a name and an e-mail address`);
    }
    const identity = { name, email };
    this.#check(() => assertIdentity(identity), field);
    return identity;
  }

  moment(field: string): Moment {
    const value = this.#value[field];
    const [ms, offsetMinutes] = (Array.isArray(value) ? value : []) as readonly unknown[];
    if (typeof ms !== "number" || !Number.isInteger(ms) || ms < 0 || ms > MS_MAX) {
      throw this.#bad(`'${field}' is not a time before the year 10000`);
    }
    const isOffset = typeof offsetMinutes === "number" && Number.isInteger(offsetMinutes);
    if (!isOffset || Math.abs(offsetMinutes) > OFFSET_MINUTES_MAX)
      throw this.#bad(`'${field}' has a bad UTC offset`);
    return { ms, offsetMinutes };
  }

  message(field: string): string {
    const text = this.text(field);
    this.#check(() => assertMessage(text, { allowEmpty: true }), field);
    return text;
  }

  meta(field: string): CommitMeta {
    const value = this.#value[field];
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.#bad(`'${field}' is not a map`);
    this.#assertMeta(value, 0);
    const { metrics, params } = value as CommitMeta;
    for (const [name, group] of Object.entries({ metrics, params })) {
      if (group !== undefined && (typeof group !== "object" || group === null || Array.isArray(group))) {
        throw this.#bad(`'${name}' is not a map`);
      }
    }
    const wrong = Object.entries(metrics ?? {}).find(([, metric]) => typeof metric !== "number");
    if (wrong !== undefined) throw this.#bad(`metric '${wrong[0]}' is not a number`);
    return value as CommitMeta;
  }

  #assertMeta(value: unknown, depth: number): void {
    if (depth > META_DEPTH_MAX) throw this.#bad(`'meta' is nested deeper than ${META_DEPTH_MAX}`);
    if (value === null || typeof value === "string" || typeof value === "boolean") return;
    if (typeof value === "number" && Number.isFinite(value)) return;
    if (typeof value !== "object" || value instanceof Uint8Array)
      throw this.#bad("'meta' holds more than JSON values");
    for (const part of Object.values(value)) this.#assertMeta(part, depth + 1);
  }

  #check(assertValid: () => void, field: string): void {
    try {
      assertValid();
    } catch (error) {
      throw this.#bad(`'${field}': ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

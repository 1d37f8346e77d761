/** The body of `update`. */
import type { RefChange, RefReason } from "@smc/store";
import { Type } from "typebox";
import { fields, LIST_LENGTH_MAX, optional, text } from "../api-schema.ts";

const DIGEST = "[0-9a-f]{64}";
const REASON_LENGTH_MAX = 4096;
const change = fields({
  name: text,
  from: Type.String({ pattern: `^(${DIGEST}|absent|any)$`, maxLength: 64 }),
  to: Type.String({ pattern: `^(${DIGEST}|absent)$`, maxLength: 64 }),
});

export const UPDATE = fields({
  changes: Type.Array(change, { minItems: 1, maxItems: LIST_LENGTH_MAX }),
  reason: fields({
    op: Type.String({ pattern: "^[a-z][a-z-]{0,31}$", maxLength: 32 }),
    reason: Type.String({ maxLength: REASON_LENGTH_MAX }),
    actor: optional(text),
  }),
});

/** What passed UPDATE. Names of refs are not looked at yet. */
export interface Update {
  readonly changes: readonly RefChange[];
  readonly reason: Omit<RefReason, "actor">;
}

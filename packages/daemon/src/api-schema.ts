/** The words that the schemas of `api.ts` are made of, and their limits. */
import { type Static, type TProperties, type TSchema, Type } from "typebox";

/** Wider than what the store takes, so that the store's own, better errors are what people see. */
const NAME_LENGTH_MAX = 16 * 1024;
const MESSAGE_LENGTH_MAX = 4 * 1024 * 1024;
export const LIST_LENGTH_MAX = 100_000;
const COUNT_MAX = 1_000_000_000;

/** Exactly these fields, and no others. */
export const fields = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

export const text = Type.String({ maxLength: NAME_LENGTH_MAX });
export const message = Type.String({ maxLength: MESSAGE_LENGTH_MAX });
export const texts = Type.Array(text, { maxItems: LIST_LENGTH_MAX });
export const flag = Type.Boolean();
export const count = Type.Integer({ minimum: 0, maximum: COUNT_MAX });
/** Of bytes in a file. */
export const offset = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const integer = Type.Integer({ minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
export const number = Type.Number();
export const scalar = Type.Union([
  Type.String({ maxLength: MESSAGE_LENGTH_MAX }),
  Type.Number(),
  Type.Boolean(),
  Type.Null(),
]);
export const scalars = Type.Record(Type.String(), scalar);
export const numbers = Type.Record(Type.String(), Type.Number());
export const variables = Type.Record(Type.String(), text);
export const choice = <T extends string[]>(...values: T) => Type.Enum<T>(values);
export const optional = Type.Optional;

const at = fields({ folder: text, repository: optional(text), author: optional(text) });

/** What a verb cannot do without. */
export type Needs = "store" | "repository" | "worktree";

export interface VerbRow<S extends TSchema = TSchema> {
  readonly summary: string;
  readonly needs: Needs;
  /** True when it tells how far it is. */
  readonly progress: boolean;
  readonly input: S;
  /** The whole body: where the user stands, and the input. */
  readonly request: TSchema;
}

/** A row of the table. */
export function verb<P extends TProperties>(
  summary: string,
  needs: Needs,
  properties: P,
  options: { progress?: boolean } = {},
): VerbRow<ReturnType<typeof fields<P>>> {
  const input = fields(properties);
  return { summary, needs, progress: options.progress === true, input, request: fields({ at, input }) };
}

export type InputOf<Row> = Row extends VerbRow<infer S> ? Static<S> : never;

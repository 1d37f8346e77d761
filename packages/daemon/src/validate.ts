/** Checks requests against the schemas of `api.ts`; each is compiled when it is first needed. */
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { TSchema } from "typebox";

// Nothing is dropped, converted or filled in: what passes is exactly what was sent.
const ajv = new Ajv({
  removeAdditional: false,
  coerceTypes: false,
  useDefaults: false,
  strict: true,
  allErrors: false,
});
const compiled = new Map<TSchema, ValidateFunction>();

/** Compiles the first schema, which takes Ajv longer than the event loop may stand still. */
export function warmUp(schema: TSchema): void {
  compiled.set(schema, ajv.compile(schema));
}

/** Throws REQUEST_INVALID with the field and what is wrong with it. */
export function assertValid(schema: TSchema, value: unknown): void {
  let validate = compiled.get(schema);
  if (validate === undefined) {
    validate = ajv.compile(schema);
    compiled.set(schema, validate);
  }
  if (validate(value)) return;
  const fault = validate.errors?.at(-1);
  throw new SmcError("REQUEST_INVALID", `the request does not fit: ${describe(fault)}`, {
    details: { field: fault?.instancePath ?? "" },
  });
}

function describe(fault: ErrorObject | undefined): string {
  if (fault === undefined) return "unknown reason";
  const field = fault.instancePath === "" ? "it" : `'${show(fault.instancePath.slice(1), 200)}'`;
  const { additionalProperty, allowedValues } = fault.params as {
    additionalProperty?: string;
    allowedValues?: string[];
  };
  if (additionalProperty !== undefined) return `${field} has no field '${show(additionalProperty, 80)}'`;
  if (allowedValues !== undefined) return `${field} must be one of ${allowedValues.join(", ")}`;
  return `${field} ${fault.message ?? "is invalid"}`;
}

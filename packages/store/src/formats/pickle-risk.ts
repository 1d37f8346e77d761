/** What a pickle may do to a program that loads it. */
import { isSmcError, SmcError } from "../errors.ts";
import type { Pickle } from "./pickle.ts";
import type { Risk } from "./table.ts";
import {
  elementOfStorage,
  elementOfType,
  ORDERED_DICT,
  REBUILD_OF_TYPE,
  REBUILD_PARAMETER,
  REBUILD_TENSOR,
} from "./torch-names.ts";

/** Calling one of these with whatever arguments makes data and does nothing else. */
const DATA_NAMES: ReadonlySet<string> = new Set([
  ...REBUILD_TENSOR,
  ...REBUILD_PARAMETER,
  REBUILD_OF_TYPE,
  ORDERED_DICT,
  "torch._utils._rebuild_sparse_tensor",
  "torch._utils._rebuild_meta_tensor_no_storage",
  "torch.serialization._get_layout",
  "torch.Size",
  "torch.Tensor",
  "torch.device",
  "torch.nn.parameter.Parameter",
  "torch.per_tensor_affine",
  "torch.per_tensor_symmetric",
  "torch.per_channel_affine",
  "torch.per_channel_symmetric",
  "torch.per_channel_affine_float_qparams",
  "torch.storage.UntypedStorage",
  "torch.storage.TypedStorage",
  "torch.QUInt4x2Storage",
  "torch.QUInt2x4Storage",
  "collections.Counter",
  "_codecs.encode",
  "builtins.set",
  "builtins.frozenset",
  "builtins.bytearray",
  "builtins.complex",
  "__builtin__.set",
  "__builtin__.frozenset",
  "__builtin__.bytearray",
  "__builtin__.complex",
]);

function isData(path: string): boolean {
  return DATA_NAMES.has(path) || elementOfType(path) !== undefined || elementOfStorage(path) !== undefined;
}

/** "data-only" when every name that the pickle imports is one of data. */
export function riskOf(pickle: Pickle): Risk {
  return !pickle.isObscure && [...pickle.globals].every(isData) ? "data-only" : "executable";
}

/**
 * Runs a parser of pickles; FILE_MALFORMED gets `risk: "executable"` in its details, because a program runs what
 * stands before the place that it cannot read.
 */
export function unreadableIsExecutable<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!isSmcError(error, "FILE_MALFORMED")) throw error;
    throw new SmcError("FILE_MALFORMED", error.message, {
      details: { ...error.details, risk: "executable" },
      cause: error,
    });
  }
}

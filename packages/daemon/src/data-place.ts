/** For `data`: its verb with the trainer that reads; and for `train`: the data set that a word names. */
import { data, type DataResult, type Call, dataSetsOf, settingsOfPath } from "@smc/store";
import type { Input } from "./api.ts";
import { type Context, openRepository } from "./context.ts";
import { filesPlaceOf } from "./files-place.ts";
import { inspectData } from "./jobs/check-training.ts";

type Scalars = Readonly<Record<string, string | number | boolean | null>>;

/** Reading data may take minutes: nobody waits for it. */
export async function dataIn(context: Context, input: Input<"data">, call: Call): Promise<DataResult> {
  return data({ ...(await filesPlaceOf(context)), inspect: inspectData }, input, call);
}

/**
 * `{"data": "cats"}` → the settings of that data set in the version that is learned from, else those of the path; other settings win.
 * Throws FILE_MALFORMED, and as `dataSetsOf`.
 */
export async function withDataSet(
  context: Context,
  { settings, revision = "HEAD" }: { settings: Scalars; revision: string | undefined },
  call: Call,
): Promise<Scalars> {
  const { data: word, ...others } = settings;
  if (word === undefined) return settings;
  const name = String(word);
  const sets = await dataSetsOf(await openRepository(context), revision, call);
  const set = sets.find((each) => each.name === name);
  return { ...(set?.settings ?? settingsOfPath(name)), ...others };
}

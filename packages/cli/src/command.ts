/** What a command is: data that help, completion and the docs test read, and three functions. */
import type { Client, VerbInput, VerbName, VerbResult } from "@smc/daemon/client";
import type { StoreEvent } from "@smc/store";
import type { Output } from "./output.ts";
import type { OptionSpec, OptionSpecs, Words } from "./words.ts";

export interface Positional {
  readonly name: string;
  readonly summary: string;
  readonly required?: boolean;
  readonly many?: boolean;
  /** What completion offers: names of refs, or these words. */
  readonly completes?: "refs" | readonly string[];
}

/** A change of what is live: asked about before it is made. */
export interface Change<Data> {
  /** Asks the daemon: what it would do, to do it, or to write down that it was declined. */
  ask(answer: "plan" | "yes" | "no", plan?: Data): Promise<Data>;
  /** What will happen, line by line; none when there is nothing to ask about. */
  tell(plan: Data): readonly string[];
}

/** What a command knows besides its words. */
export interface CommandContext {
  /** Absolute path of the folder the user stands in (`-C` applied). */
  readonly folder: string;
  /** Absolute path of the store. */
  readonly storePath: string;
  readonly signal: AbortSignal;
  readonly client: Client;
  /** What the user types without seeing it, or the one line of standard input. Throws USAGE, CANCELED. */
  askSecret(question: string): Promise<string>;
  /**
   * Says what will happen, asks `[y/N]`, and has it done; with --yes it is done at once. Without a terminal, and when
   * the answer is no, that is written into the audit log. Throws CONFIRMATION_NEEDED, CONFIRMATION_DECLINED, CANCELED.
   */
  confirm<Data>(change: Change<Data>): Promise<Data>;
  /** Asks the daemon; starts it when none runs. Progress is printed; events come one by one. */
  call<V extends VerbName>(
    verb: V,
    input: VerbInput<V>,
    onEvent?: (event: StoreEvent) => Promise<void>,
  ): Promise<VerbResult<V>>;
}

/** What was asked, for the functions that print the answer. */
export interface Asked<S extends OptionSpecs> extends Words<S> {
  readonly context: CommandContext;
}

export interface CommandSpec<S extends OptionSpecs, Data> {
  /** One line for each form: "commit -m TEXT [options]". */
  readonly usage: readonly string[];
  /** Parts of the text below the usage; they flow into one paragraph. */
  readonly description?: readonly string[];
  readonly positionals?: readonly Positional[];
  readonly options: S;
  /** Command and what it does. */
  readonly examples: readonly (readonly [string, string])[];
  /** Option that `-3` stands for. */
  readonly digits?: string;
  /** The command ends by itself after Ctrl-C. */
  readonly foreground?: boolean;
  /** Asks the daemon. An answer that comes bit by bit is printed here, in every mode, and is then `Streamed`. */
  readonly run: (context: CommandContext, words: Words<S>, mode: ExecuteMode) => Promise<Data | Streamed>;
  /** The answer for people. */
  readonly print: (data: Data, out: Output, asked: Asked<S>) => void | Promise<void>;
  /** The answer with `-q`: names and digests only. */
  readonly quiet: (data: Data) => readonly string[];
  /** What `--json` prints, where it is not the data itself; nothing for undefined. */
  readonly json?: (data: Data, asked: Asked<S>) => unknown;
  /** Exit status of a command that did what it was asked: 1 when the answer is "no", 4 when it is "damaged". */
  readonly exitCode?: (data: Data, asked: Asked<S>) => number;
}

/** A command with its types closed over: what `main` runs. */
export interface Command {
  readonly usage: readonly string[];
  readonly description: readonly string[];
  readonly positionals: readonly Positional[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly (readonly [string, string])[];
  readonly digits: string | undefined;
  readonly foreground: boolean;
  execute(context: CommandContext, words: Words, mode: ExecuteMode): Promise<number>;
}

/** An output for what is printed before the command has ended. */
export interface StreamOutput extends Output {
  json(data: unknown): void;
  /** One document on one line. */
  jsonLine(data: unknown): void;
  /** Text of a program, as it comes. */
  text(text: string): Promise<void>;
  /** True on a terminal that takes bars. */
  readonly redraws: boolean;
  /** A line on the terminal that the next one takes the place of, and that `flush` takes away. */
  draw(text: string): void;
  /** Sends what was printed. */
  flush(): Promise<void>;
}

export interface ExecuteMode {
  readonly out: StreamOutput;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** An answer that was printed as it came. */
export class Streamed {
  readonly exitCode: number;

  constructor(exitCode: number) {
    this.exitCode = exitCode;
  }
}

/** Makes a command of its parts; types of options and answer are checked here and nowhere else. */
export function defineCommand<const S extends OptionSpecs, Data>(spec: CommandSpec<S, Data>): Command {
  return {
    usage: spec.usage,
    description: spec.description ?? [],
    positionals: spec.positionals ?? [],
    options: spec.options,
    examples: spec.examples,
    digits: spec.digits,
    foreground: spec.foreground === true,
    execute: async (context, untyped, mode) => {
      const words = untyped as Words<S>;
      const asked = { ...words, context };
      const data = await spec.run(context, words, mode);
      if (data instanceof Streamed) return data.exitCode;
      const json = spec.json === undefined ? data : spec.json(data, asked);
      if (mode.json) {
        if (json !== undefined) mode.out.json(json);
      } else if (mode.quiet) for (const line of spec.quiet(data)) mode.out.line(line);
      else await spec.print(data, mode.out, asked);
      return spec.exitCode?.(data, asked) ?? 0;
    },
  };
}

/** CSV files with a head: one column to learn, numbers in the others. */
import { createReadStream } from "node:fs";
import { fromErrno } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { CsvError, parse } from "csv-parse";
import { assertFits, CLASSES_MAX, type Dataset, dataError, limitError } from "./dataset.ts";
import type { Problems } from "./problems.ts";

const COLUMNS_MAX = 100_000;
const ROW_CHARACTERS_MAX = 16 * 1024 * 1024;

export interface CsvOptions {
  /** The column to learn. */
  readonly label: string;
  readonly task: "classify" | "regress";
  readonly samples: number | undefined;
  readonly signal: AbortSignal;
  readonly problems: Problems;
}

interface Head {
  readonly label: number;
  readonly columns: readonly string[];
}

/**
 * Reads it piece by piece. Throws FILE_MALFORMED that names the row for a cell that is no finite number, for rows of
 * different length and for a missing column; LIMIT_EXCEEDED, PATH_NOT_FOUND.
 */
export async function readCsv(path: string, name: string, options: CsvOptions): Promise<Dataset> {
  const file = `'${show(name)}'`;
  const rows = new Rows(file, options);
  const parser = parse({
    bom: true,
    info: true,
    trim: true,
    skip_empty_lines: true,
    // Counted here, so that a check can go on with the next row.
    relax_column_count: true,
    max_record_size: ROW_CHARACTERS_MAX,
  });
  const source = createReadStream(path, { signal: options.signal });
  // A stream that fails does not end the parser by itself.
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  let head: Head | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      if (head === undefined) {
        head = headOf(record, { file, label: options.label });
        continue;
      }
      rows.add(record, { head, line: info.lines });
      if (rows.count === options.samples) break;
    }
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof CsvError) throw dataError(`${file}: ${show(error.message, 300)}`);
    throw fromErrno(error, `cannot read ${file}`);
  } finally {
    source.destroy();
  }
  if (head === undefined) throw dataError(`${file} is empty: it needs a row of names`);
  return rows.dataset(head);
}

function headOf(record: readonly string[], { file, label }: { file: string; label: string }): Head {
  if (record.length > COLUMNS_MAX) throw limitError(`${record.length} columns`, COLUMNS_MAX);
  const at = record.indexOf(label);
  const names = record.slice(0, 20).map((name) => show(name, 40));
  if (at < 0) {
    throw dataError(`${file} has no column '${show(label, 80)}'; it has ${names.join(", ")}`, {
      hint: "set data.label to the column that is to be learned",
    });
  }
  if (record.length < 2) throw dataError(`${file} has no column beside '${show(label, 80)}' to learn from`);
  return { label: at, columns: record };
}

/** Grows as rows come: nobody knows before how many there are. */
class Rows {
  count = 0;
  private values = new Float32Array(1024);
  private filled = 0;
  private readonly targets: number[] = [];
  private readonly classes = new Map<string, number>();
  private readonly file: string;
  private readonly options: CsvOptions;

  constructor(file: string, options: CsvOptions) {
    this.file = file;
    this.options = options;
  }

  /** A row with a fault is left out. */
  add(record: readonly string[], { head, line }: { head: Head; line: number }): void {
    const { columns, label } = head;
    assertFits(this.count + 1, (columns.length - 1) * Float32Array.BYTES_PER_ELEMENT);
    const fault = faultOf(record, { head, task: this.options.task });
    if (fault !== undefined) {
      this.options.problems.addSample(`${this.file}, line ${line}${fault}`);
      return;
    }
    for (const [column, cell] of record.entries()) {
      if (column !== label) this.push(Number(cell));
      else this.targets.push(this.options.task === "classify" ? this.classOf(cell) : Number(cell));
    }
    this.count += 1;
  }

  private classOf(cell: string): number {
    const known = this.classes.get(cell);
    if (known !== undefined) return known;
    if (this.classes.size >= CLASSES_MAX) throw limitError(`more than ${CLASSES_MAX} classes`, CLASSES_MAX);
    this.classes.set(cell, this.classes.size);
    return this.classes.size - 1;
  }

  private push(value: number): void {
    if (this.filled === this.values.length) {
      const larger = new Float32Array(this.values.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.filled] = value;
    this.filled += 1;
  }

  dataset({ columns }: Head): Dataset {
    const shared = {
      shape: [columns.length - 1],
      features: this.values.slice(0, this.filled),
      count: this.count,
    };
    if (this.options.task === "regress") {
      return { ...shared, labels: Float32Array.from(this.targets), classes: [] };
    }
    // Sorted, so that the order of the rows does not decide which class has which number.
    const classes = [...this.classes.keys()].sort();
    const places = new Map(classes.map((name, index) => [this.classes.get(name), index]));
    const labels = Int32Array.from(this.targets, (first) => places.get(first) ?? 0);
    return { ...shared, labels, classes };
  }
}

/** What is wrong with a row, to follow its number; undefined for nothing. */
function faultOf(
  record: readonly string[],
  { head: { columns, label }, task }: { head: Head; task: CsvOptions["task"] },
): string | undefined {
  if (record.length !== columns.length) return `: it has ${record.length} cells instead of ${columns.length}`;
  for (const [column, cell] of record.entries()) {
    if (column === label && task === "classify") {
      if (cell === "") return ": the label is empty";
    } else if (cell === "" || !Number.isFinite(Number(cell))) {
      return `, column '${show(columns[column] ?? "", 80)}': '${show(cell, 80)}' is no finite number`;
    }
  }
  return undefined;
}

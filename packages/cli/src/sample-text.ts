/** Samples of data as text: images as half blocks, rows as numbers. */
import type { DataSample } from "@smc/store";
import { show } from "@smc/store/show";
import { formatNumber } from "./format.ts";
import type { Output, Rgb } from "./output.ts";

/** Lines of one sample, without its label. */
export function sampleLines({ image, numbers, shape }: DataSample, out: Pick<Output, "halves">): string[] {
  if (image === null) {
    const all = shape.reduce((product, length) => product * length, 1);
    const more = all > numbers.length ? ` … (${all})` : "";
    return [numbers.map(formatNumber).join("  ") + more];
  }
  const { width, height } = image;
  const bytes = Buffer.from(image.bytesBase64, "base64");
  const channels = bytes.length / (width * height);
  const at = (row: number, column: number): Rgb => {
    const from = (row * width + column) * channels;
    const value = (channel: number): number => bytes[from + (channels === 3 ? channel : 0)] ?? 0;
    return row < height ? [value(0), value(1), value(2)] : [0, 0, 0];
  };
  const lines: string[] = [];
  for (let row = 0; row < height; row += 2) {
    let line = "";
    for (let column = 0; column < width; column += 1)
      line += out.halves(at(row, column), at(row + 1, column));
    lines.push(line);
  }
  return lines;
}

/** "sample 7: cat, 28 x 28 x 1". */
export function sampleTitle({ sample, label, shape }: DataSample): string {
  const named = typeof label === "number" ? formatNumber(label) : show(label, 80);
  return `sample ${sample}: ${named}, ${shape.join(" x ")}`;
}

/** Changed copies of images: the same thing, seen differently. Pure, and decided by a generator alone. */
import type { Random } from "../random.ts";

export interface AugmentSpec {
  readonly flip: boolean;
  readonly rotateDegrees: number;
  readonly cropPixels: number;
  readonly color: number;
}

export interface Image {
  readonly shape: readonly [number, number, number];
  /** Of 0 to 255; changed in place. */
  readonly pixels: Float32Array;
}

export function isAugmented({ flip, rotateDegrees, cropPixels, color }: AugmentSpec): boolean {
  return flip || rotateDegrees > 0 || cropPixels > 0 || color > 0;
}

/** Mirrors, turns, shifts and recolours one image by chance; what comes in from outside is black. */
export function augment({ shape, pixels }: Image, spec: AugmentSpec, random: Random): void {
  const { flip, rotateDegrees, cropPixels, color } = spec;
  const mirrored = flip && random.next() < 0.5;
  const angle = ((2 * random.next() - 1) * rotateDegrees * Math.PI) / 180;
  const shift = (): number => random.below(2 * cropPixels + 1) - cropPixels;
  const [down, right] = [shift(), shift()];
  if (mirrored || angle !== 0 || down !== 0 || right !== 0) {
    move({ shape, pixels }, { mirrored, angle, down, right });
  }
  if (color > 0) recolor({ shape, pixels }, color, random);
}

/** Each new pixel is taken from between the four old ones at the place that it comes from. */
function move(
  { shape: [height, width, channels], pixels }: Image,
  { mirrored, angle, down, right }: { mirrored: boolean; angle: number; down: number; right: number },
): void {
  const old = pixels.slice();
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const [middleRow, middleColumn] = [(height - 1) / 2, (width - 1) / 2];
  const at = (row: number, column: number, channel: number): number =>
    row < 0 || row >= height || column < 0 || column >= width
      ? 0
      : (old[(row * width + column) * channels + channel] ?? 0);
  let to = 0;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const y = row - middleRow - down;
      const x = (column - middleColumn - right) * (mirrored ? -1 : 1);
      const fromRow = middleRow + cosine * y - sine * x;
      const fromColumn = middleColumn + sine * y + cosine * x;
      const [top, left] = [Math.floor(fromRow), Math.floor(fromColumn)];
      const [lower, righter] = [fromRow - top, fromColumn - left];
      for (let channel = 0; channel < channels; channel += 1) {
        const above = at(top, left, channel) * (1 - righter) + at(top, left + 1, channel) * righter;
        const below = at(top + 1, left, channel) * (1 - righter) + at(top + 1, left + 1, channel) * righter;
        pixels[to] = above * (1 - lower) + below * lower;
        to += 1;
      }
    }
  }
}

/** Contrast, brightness and the strength of each channel, by up to `amount` of the whole. */
function recolor({ shape: [, , channels], pixels }: Image, amount: number, random: Random): void {
  const some = (): number => (2 * random.next() - 1) * amount;
  const contrast = 1 + some();
  const brightness = 255 * some();
  const strengths = Array.from({ length: channels }, () => contrast * (channels > 1 ? 1 + some() / 2 : 1));
  for (let index = 0; index < pixels.length; index += 1) {
    const strength = strengths[index % channels] ?? 1;
    const value = ((pixels[index] ?? 0) - 127.5) * strength + 127.5 + brightness;
    pixels[index] = Math.min(255, Math.max(0, value));
  }
}

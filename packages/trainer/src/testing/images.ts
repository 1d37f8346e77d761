/** Images of one colour, for tests. */
import jpeg from "jpeg-js";
import { PNG } from "pngjs";

/** Red, green, blue and opacity, 0 to 255. */
export type Color = readonly [number, number, number, number?];

function pixels(width: number, height: number, [red, green, blue, opacity = 255]: Color): Buffer {
  return Buffer.alloc(width * height * 4, Uint8Array.from([red, green, blue, opacity]));
}

export function png(width: number, height: number, color: Color): Buffer {
  const image = new PNG({ width, height });
  pixels(width, height, color).copy(image.data);
  return PNG.sync.write(image);
}

export function jpg(width: number, height: number, color: Color): Buffer {
  return jpeg.encode({ width, height, data: pixels(width, height, color) }, 95).data;
}

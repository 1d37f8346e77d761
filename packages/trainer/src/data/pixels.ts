/** Images as bytes: channels and size. Pure. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Row by row, the channels of a pixel beside each other. */
  readonly data: Uint8Array;
}

/** From red, green, blue and opacity to three channels or one of grey. What is transparent becomes black. */
export function withChannels({ width, height, data }: Pixels, channels: number): Pixels {
  const pixels = width * height;
  const output = new Uint8Array(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    const from = pixel * 4;
    const opacity = (data[from + 3] ?? 255) / 255;
    const red = (data[from] ?? 0) * opacity;
    const green = (data[from + 1] ?? 0) * opacity;
    const blue = (data[from + 2] ?? 0) * opacity;
    if (channels === 1) {
      // Weights of ITU-R BT.601.
      output[pixel] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
      continue;
    }
    output[pixel * 3] = Math.round(red);
    output[pixel * 3 + 1] = Math.round(green);
    output[pixel * 3 + 2] = Math.round(blue);
  }
  return { width, height, channels, data: output };
}

/** To size × size pixels; what gets smaller is averaged, so that no line is lost. */
export function resize(image: Pixels, size: number): Pixels {
  if (image.width === size && image.height === size) return image;
  const { channels } = image;
  const data = Uint8Array.from(resizeTo(image, { width: size, height: size }), Math.round);
  return { width: size, height: size, channels, data };
}

/** To another width and height, not rounded. */
export function resizeTo(
  image: Omit<Pixels, "data"> & { readonly data: Uint8Array | Float32Array },
  size: { readonly width: number; readonly height: number },
): Uint8Array | Float32Array {
  const { width, height, channels, data } = image;
  if (width === size.width && height === size.height) return data;
  const across = resample(data, { lines: height, length: width, size: size.width, channels });
  // Rows become columns and back, so that one loop serves both directions.
  const turned = turn(across, { height, width: size.width, channels });
  const down = resample(turned, { lines: size.width, length: height, size: size.height, channels });
  return turn(down, { height: size.width, width: size.height, channels });
}

function resample(
  data: ArrayLike<number>,
  { lines, length, size, channels }: { lines: number; length: number; size: number; channels: number },
): Float32Array {
  const output = new Float32Array(lines * size * channels);
  const scale = length / size;
  // A triangle as wide as what one new pixel covers, and at least as wide as two old ones.
  const reach = Math.max(1, scale);
  for (let at = 0; at < size; at += 1) {
    const center = (at + 0.5) * scale - 0.5;
    const first = Math.max(0, Math.ceil(center - reach));
    const last = Math.min(length - 1, Math.floor(center + reach));
    let total = 0;
    for (let from = first; from <= last; from += 1) total += 1 - Math.abs(from - center) / reach;
    for (let from = first; from <= last; from += 1) {
      const share = total > 0 ? (1 - Math.abs(from - center) / reach) / total : 1 / (last - first + 1);
      for (let line = 0; line < lines; line += 1) {
        const source = (line * length + from) * channels;
        const target = (line * size + at) * channels;
        for (let channel = 0; channel < channels; channel += 1) {
          output[target + channel] = (output[target + channel] ?? 0) + share * (data[source + channel] ?? 0);
        }
      }
    }
  }
  return output;
}

function turn(
  data: Float32Array,
  { height, width, channels }: { height: number; width: number; channels: number },
): Float32Array {
  const output = new Float32Array(data.length);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        output[(column * height + row) * channels + channel] =
          data[(row * width + column) * channels + channel] ?? 0;
      }
    }
  }
  return output;
}

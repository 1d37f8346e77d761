/** The curve of a job as a picture in SVG: axes with numbers, a line for each metric, and their names. Pure. */
import { show } from "../show.ts";
import type { CurvePanel } from "./curve-panels.ts";

const WIDTH = 800;
const PANEL_HEIGHT = 300;
const LEFT = 70;
const RIGHT = 20;
const TOP = 40;
const BOTTOM = 40;
const TICKS = 4;
const NAME_SHOWN = 60;
/** To be told apart also by people who see fewer colours, and on black and white paper. */
const STYLES = ['stroke="#0072b2"', 'stroke="#d55e00" stroke-dasharray="6 3"'];

export function curveSvg(title: string, panels: readonly CurvePanel[]): string {
  const height = TOP + PANEL_HEIGHT * panels.length;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text({ x: LEFT, y: 20, size: 14 }, title),
    ...panels.flatMap((panel, at) => drawPanel(panel, TOP + at * PANEL_HEIGHT)),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function drawPanel(panel: CurvePanel, top: number): string[] {
  const { low, high, firstEpoch, lastEpoch, lines } = panel;
  const [plotTop, plotBottom] = [top + 10, top + PANEL_HEIGHT - BOTTOM];
  const span = high - low || 1;
  const epochs = lastEpoch - firstEpoch || 1;
  const x = (epoch: number): number => round(LEFT + ((epoch - firstEpoch) / epochs) * (WIDTH - LEFT - RIGHT));
  const y = (value: number): number => round(plotBottom - ((value - low) / span) * (plotBottom - plotTop));
  const parts: string[] = [];
  for (let tick = 0; tick <= TICKS; tick += 1) {
    const value = low + (span * tick) / TICKS;
    const epoch = firstEpoch + Math.round((epochs * tick) / TICKS);
    parts.push(
      `<line x1="${LEFT}" y1="${y(value)}" x2="${WIDTH - RIGHT}" y2="${y(value)}" stroke="#ddd"/>`,
      text({ x: LEFT - 6, y: y(value) + 4, anchor: "end" }, String(Number(value.toPrecision(4)))),
      text({ x: x(epoch), y: plotBottom + 18, anchor: "middle" }, String(epoch)),
    );
  }
  for (const [at, { name, points }] of lines.entries()) {
    const style = STYLES[at % STYLES.length] ?? "";
    const path = points.map(([epoch, value]) => `${x(epoch)},${y(value)}`).join(" ");
    const legend = LEFT + 20 + at * 200;
    parts.push(
      `<polyline points="${path}" fill="none" stroke-width="2" ${style}/>`,
      ...(points.length === 1
        ? [`<circle cx="${x(points[0]?.[0] ?? 0)}" cy="${y(points[0]?.[1] ?? 0)}" r="3"/>`]
        : []),
      `<line x1="${legend}" y1="${top}" x2="${legend + 24}" y2="${top}" stroke-width="2" ${style}/>`,
      text({ x: legend + 30, y: top + 4 }, show(name, NAME_SHOWN)),
    );
  }
  return parts;
}

function text(
  { x, y, size, anchor }: { x: number; y: number; size?: number; anchor?: "middle" | "end" },
  words: string,
): string {
  const more = `${size === undefined ? "" : ` font-size="${size}"`}${anchor === undefined ? "" : ` text-anchor="${anchor}"`}`;
  return `<text x="${x}" y="${y}"${more}>${escape(words)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Names come from programs: none of them is markup. */
function escape(words: string): string {
  return words
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

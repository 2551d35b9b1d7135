// What lies over the points: names of categories, the chosen point and its neighbours, the cross.

import type { Camera } from "../../draw/camera";
import { categoryColour } from "../../draw/palette";
import type { Atlas } from "./atlas.svelte";

export interface Marks {
  only: readonly number[];
  selected: number;
  neighbours: readonly number[];
  hovered: number;
  dark: boolean;
  /** Whether to show where the keyboard points. */
  cross: boolean;
}

/** Diameter of one of so many points, in pixels of the page: few are drawn larger, and near ones. */
export const drawnSize = (camera: Camera, count: number): number =>
  Math.min(13, Math.max(1.7, Math.min(8, 48 / Math.cbrt(count))) * camera.zoom ** 0.45);

export function drawOverlay(canvas: HTMLCanvasElement, camera: Camera, atlas: Atlas, marks: Marks): void {
  const scale = Math.min(2, devicePixelRatio || 1);
  const [width, height] = [Math.round(camera.width * scale), Math.round(camera.height * scale)];
  const context = canvas.getContext("2d");
  if (!context) return;
  // To set a size, even the same one, costs a new canvas.
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, camera.width, camera.height);
  const ink = marks.dark ? "#ece9f3" : "#1d1a24";
  const halo = marks.dark ? "#1a1720" : "#ffffff";
  const place = (row: number) => camera.toScreen(atlas.xy[2 * row]!, atlas.xy[2 * row + 1]!);
  const size = drawnSize(camera, atlas.count);

  names(context, camera, atlas, marks, halo);
  if (marks.selected >= 0) {
    const [x, y] = place(marks.selected);
    context.strokeStyle = ink;
    context.lineWidth = 1.2;
    for (const row of marks.neighbours) {
      const [nx, ny] = place(row);
      context.globalAlpha = 0.55;
      line(context, x, y, nx, ny);
      context.globalAlpha = 1;
      ring(context, nx, ny, size / 2 + 3, 2, ink, halo);
    }
    ring(context, x, y, size / 2 + 6, 3, ink, halo);
  }
  if (marks.hovered >= 0) ring(context, ...place(marks.hovered), size / 2 + 3, 1.5, ink, halo);
  if (marks.cross) {
    const [x, y] = [camera.width / 2, camera.height / 2];
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    line(context, x - 11, y, x + 11, y);
    line(context, x, y - 11, x, y + 11);
  }
}

/** Names of categories; those that would cover one already drawn are left out. */
function names(context: CanvasRenderingContext2D, camera: Camera, atlas: Atlas, marks: Marks, halo: string): void {
  if (camera.zoom > 12) return;
  context.font = '650 14px "Inter", system-ui, sans-serif';
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  const drawn: { x: number; y: number; half: number }[] = [];
  const order = atlas.categories.map((_, code) => code).sort((a, b) => atlas.counts[b]! - atlas.counts[a]!);
  for (const code of order) {
    if (!atlas.counts[code] || (marks.only.length > 0 && !marks.only.includes(code))) continue;
    const [x, y] = camera.toScreen(...atlas.middles[code]!);
    const name = short(atlas.categories[code]!);
    const half = context.measureText(name).width / 2 + 6;
    if (drawn.some((other) => Math.abs(other.y - y) < 18 && Math.abs(other.x - x) < other.half + half)) continue;
    drawn.push({ x, y, half });
    context.lineWidth = 5;
    context.strokeStyle = halo;
    context.strokeText(name, x, y);
    context.fillStyle = categoryColour(code, marks.dark);
    context.fillText(name, x, y);
  }
}

function short(name: string): string {
  const letters = [...name];
  return letters.length > 24 ? `${letters.slice(0, 23).join("")}…` : name;
}

function line(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function ring(
  context: CanvasRenderingContext2D, x: number, y: number, radius: number, width: number, ink: string, halo: string,
): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = width + 2.5;
  context.strokeStyle = halo;
  context.stroke();
  context.lineWidth = width;
  context.strokeStyle = ink;
  context.stroke();
}

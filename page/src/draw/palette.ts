// Colours for canvases, which cannot read `light-dark()`: the same as in base.css.

export type RGB = readonly [number, number, number];

const LIGHT = [
  "#6d28d9", "#0f766e", "#b45309", "#be123c", "#1d4ed8", "#4d7c0f", "#a21caf",
  "#0284c7", "#a16207", "#db2777", "#475569", "#16a34a", "#ea580c", "#4338ca",
];
const DARK = [
  "#b79dfb", "#3fd0c0", "#f2b155", "#fb8096", "#7db0ff", "#a3d650", "#ee8ff5",
  "#5ccbf6", "#e0c252", "#f78fc4", "#b4c0d0", "#6ce49a", "#ff9f66", "#9d9cfb",
];

/** The colour of category `code`; those beyond the list get hues far from their neighbours'. */
export function categoryColour(code: number, dark: boolean): string {
  const named = (dark ? DARK : LIGHT)[code];
  if (named) return named;
  const hue = (code * 137.508) % 360;
  return hex(fromHsl(hue, dark ? 0.75 : 0.65, dark ? 0.75 : 0.32));
}

export function rgb(colour: string): RGB {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

export function mix(a: RGB, b: RGB, share: number): RGB {
  return [0, 1, 2].map((c) => Math.round(a[c]! + (b[c]! - a[c]!) * share)) as unknown as RGB;
}

export const css = ([r, g, b]: RGB): string => `rgb(${r} ${g} ${b})`;

const hex = (colour: RGB): string => `#${colour.map((value) => value.toString(16).padStart(2, "0")).join("")}`;

function fromHsl(hue: number, saturation: number, light: number): RGB {
  const part = (n: number) => {
    const k = (n + hue / 30) % 12;
    const size = saturation * Math.min(light, 1 - light);
    return Math.round(255 * (light - size * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}

/** From nothing to most: five steps that grow evenly darker (lighter on a dark ground). */
const HEAT = {
  light: ["#faf8ff", "#ddd0fb", "#ae8bf2", "#7436dc", "#35106f"],
  dark: ["#1c1826", "#3b2768", "#6a3fc0", "#a886f7", "#f3ecff"],
};

export function heat(share: number, dark: boolean): RGB {
  const steps = HEAT[dark ? "dark" : "light"];
  const at = Math.max(0, Math.min(1, share)) * (steps.length - 1);
  const low = Math.min(Math.floor(at), steps.length - 2);
  return mix(rgb(steps[low]!), rgb(steps[low + 1]!), at - low);
}

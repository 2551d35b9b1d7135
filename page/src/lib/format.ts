// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 12,345 */
export const count = (value: number): string => whole.format(value);

/** Three or four digits that count: 0.7726, 12.3, 53.66, 1,234. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return whole.format(value);
  const digits = size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
  return minus(value.toFixed(digits));
}

/** The same with its sign: +0.0315. */
export function signed(value: number | null | undefined): string {
  const text = figure(value);
  return value !== null && value !== undefined && value > 0 ? `+${text}` : text;
}

export const percent = (share: number, digits = 0): string => `${(100 * share).toFixed(digits)} %`;

export const milliseconds = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : whole.format(value)} ms`;

export const seconds = (value: number | null | undefined): string => {
  if (value === null || value === undefined) return "–";
  if (value < 90) return `${value < 10 ? value.toFixed(1) : whole.format(value)} s`;
  return value < 5400 ? `${whole.format(value / 60)} min` : `${(value / 3600).toFixed(1)} h`;
};

export const pValue = (p: number | null | undefined): string => {
  if (p === null || p === undefined) return "–";
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
};

export const price = (value: number | null | undefined): string =>
  value === null || value === undefined ? "" : value.toFixed(2);

/** Milliseconds since 1970, from what the service says; NaN where it cannot be read. */
export const time = (value: string | number): number =>
  typeof value === "number" ? value : Date.parse(value);

const dates = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const years = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const told = (format: Intl.DateTimeFormat, at: number): string =>
  Number.isFinite(at) ? format.format(at) : "";

export const date = (value: string | number): string => told(dates, time(value));
export const day = (at: number): string => told(days, at);
export const timeOfDay = (at: number): string => told(clock, at);

const steps: [number, Intl.RelativeTimeFormatUnit][] = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
];
const ago_ = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** "3 days ago"; after two months the day itself says more. */
export function ago(at: number | null, now = Date.now()): string {
  if (at === null || !Number.isFinite(at)) return "";
  const gap = at - now;
  if (Math.abs(gap) > 60 * 86_400_000) return told(years, at);
  for (const [size, unit] of steps) {
    if (Math.abs(gap) >= size) return ago_.format(Math.round(gap / size), unit);
  }
  return "just now";
}

/** What is shown of any value of a catalogue's column. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function minus(text: string): string {
  return text.startsWith("-") ? `−${text.slice(1)}` : text;
}

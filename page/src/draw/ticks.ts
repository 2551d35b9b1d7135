// Round numbers along an axis.

/** About `num` round numbers from low to high, both inside them where that is cheap. */
export function ticks(low: number, high: number, num = 5): number[] {
  if (!(high > low)) return Number.isFinite(low) ? [low] : [];
  const rough = (high - low) / num;
  const power = 10 ** Math.floor(Math.log10(rough));
  const away = (step: number) => Math.abs(Math.log(step / rough));
  const step = [1, 2, 5, 10].map((one) => one * power).reduce((a, b) => (away(b) < away(a) ? b : a));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

/** Ends that hold all values, a little wider; NaN and null are passed over. */
export function extent(values: Iterable<number | null | undefined>, margin = 0.04): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * margin;
  return [low - room, high + room];
}

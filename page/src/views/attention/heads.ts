/** The weights of one head ("1", "2", ...), or the mean of all ("mean", or one that is not there). */
export function headsOf(heads: readonly number[][][], head: string): number[][] {
  const one = heads[Number(head) - 1];
  if (one) return one;
  const first = heads[0] ?? [];
  return first.map((row, i) =>
    row.map((_, j) => heads.reduce((sum, weights) => sum + (weights[i]?.[j] ?? 0), 0) / heads.length),
  );
}

// Which figures stand where in the report.

import type { Comparison, Report, RunResult } from "../../api/types";

/** Names of all metrics, in the order of the report. */
export function metricsOf(report: Report): string[] {
  return [...new Set(report.runs.flatMap(({ metrics }) => Object.keys(metrics)))];
}

/** Best first; runs without the metric last. More is taken to be better, as it is for the primary one. */
export function byMetric(runs: readonly RunResult[], metric: string): RunResult[] {
  const mean = (run: RunResult) => run.metrics[metric]?.mean ?? -Infinity;
  return [...runs].sort((a, b) => mean(b) - mean(a));
}

/** Every comparison of a run on a metric, seen from that run, the largest difference first. */
export function comparedWith(comparisons: readonly Comparison[], run: string, metric: string): Comparison[] {
  return comparisons
    .filter((pair) => pair.metric === metric && (pair.a === run || pair.b === run))
    .map((pair) => (pair.a === run ? pair : turned(pair)))
    .sort((a, b) => b.difference - a.difference);
}

function turned(pair: Comparison): Comparison {
  return { ...pair, a: pair.b, b: pair.a, difference: -pair.difference, low: -pair.high, high: -pair.low };
}

/** Whether a is ahead of b; null where it cannot be told. */
export function better(pair: Comparison): boolean | null {
  if (pair.p_holm > 0.05 || (pair.low <= 0 && pair.high >= 0)) return null;
  return pair.low > 0;
}

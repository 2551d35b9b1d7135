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

/** The report with the last part of each run's path as its name, where these tell all runs apart. */
export function shortlyNamed(report: Report): Report {
  const last = (run: string) => run.replace(/[/\\]+$/, "").replace(/^.*[/\\]/, "") || run;
  const names = report.runs.map(({ run }) => run);
  if (new Set(names.map(last)).size < names.length) return report;
  const known = new Set(names);
  const name = (run: string) => (known.has(run) ? last(run) : run);
  return {
    ...report,
    runs: report.runs.map((one) => ({ ...one, run: name(one.run) })),
    comparisons: report.comparisons.map((pair) => ({ ...pair, a: name(pair.a), b: name(pair.b) })),
    ...(report.slices && {
      slices: report.slices.map((slice) => ({ ...slice, runs: slice.runs.map((one) => ({ ...one, run: name(one.run) })) })),
    }),
    ...(report.baseline && { baseline: name(report.baseline) }),
  };
}

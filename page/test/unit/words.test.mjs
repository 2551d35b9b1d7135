import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { source } from "./source.mjs";

const { hashOf, packHistory, packWords, parse, unpackHistory, unpackWords } = await source("lib/route.ts");
const format = await source("lib/format.ts");
const { headsOf } = await source("views/attention/heads.ts");
const { better, byMetric, comparedWith, shortlyNamed } = await source("views/report/figures.ts");
const PAYLOADS = JSON.parse(readFileSync(new URL("../payloads.json", import.meta.url), "utf8"));

test("an address gives back what it was made of, whatever an ID holds", () => {
  for (const payload of PAYLOADS) {
    const { view, of, query } = parse(hashOf("item", payload, { user: payload }));
    assert.deepEqual([view, of, query.get("user")], ["item", payload, payload]);
  }
});

test("histories and words come back from one parameter", () => {
  const history = PAYLOADS.map((item_id, n) => (n % 2 ? { item_id, behaviour: `a~b,${n}` } : { item_id }));
  assert.deepEqual(unpackHistory(packHistory(history)), history);
  assert.deepEqual(unpackWords(packWords(PAYLOADS)), PAYLOADS);
});

test("hand-written addresses", () => {
  assert.equal(parse("").view, "try");
  assert.equal(parse("#/item/50%").of, "50%");
  assert.deepEqual(unpackHistory("50%,~,x~buy"), [{ item_id: "50%" }, { item_id: "" }, { item_id: "x", behaviour: "buy" }]);
});

test("figures, signs and shares", () => {
  assert.deepEqual([0.77263, 1.5, 53.658, 123.45, 98765, null, Number.NaN].map(format.figure), [
    "0.7726", "1.500", "53.66", "123.5", "98,765", "–", "–",
  ]);
  assert.deepEqual([0.0315, -0.0315, 0].map(format.signed), ["+0.0315", "−0.0315", "0.0000"]);
  assert.deepEqual([0.5, 0.0004].map(format.pValue), ["0.500", "< 0.001"]);
  assert.deepEqual([4.2, 75, 600, 7200].map(format.seconds), ["4.2 s", "75 s", "10 min", "2.0 h"]);
  assert.equal(format.percent(0.333, 1), "33.3 %");
  assert.equal(format.shown({ a: [1] }), '{"a":[1]}');
  assert.equal(format.date("no date"), "");
});

test("how long ago", () => {
  const now = 1_000_000_000_000;
  assert.equal(format.ago(now - 20_000, now), "just now");
  assert.equal(format.ago(now - 3 * 3_600_000, now), "3 hours ago");
  assert.equal(format.ago(now - 86_400_000, now), "yesterday");
  assert.equal(format.ago(now - 59 * 86_400_000, now), "59 days ago");
  assert.match(format.ago(now - 700 * 86_400_000, now), /^\d+ \w+ \d{4}$/);
  assert.equal(format.ago(null, now), "");
});

test("heads: one of them, or their mean", () => {
  const heads = [[[1, 0], [0.5, 0.5]], [[0, 1], [1, 0]]];
  assert.deepEqual(headsOf(heads, "2"), heads[1]);
  assert.deepEqual(headsOf(heads, "mean"), [[0.5, 0.5], [0.75, 0.25]]);
  assert.deepEqual(headsOf([], "mean"), []);
});

test("comparisons are seen from the chosen run", () => {
  const pair = { a: "x", b: "y", metric: "m", difference: 0.2, low: 0.1, high: 0.3, p_holm: 0.01 };
  const [turned] = comparedWith([pair], "y", "m");
  assert.deepEqual([turned.a, turned.b, turned.difference, turned.low, turned.high], ["y", "x", -0.2, -0.3, -0.1]);
  assert.deepEqual([better(pair), better(turned)], [true, false]);
  assert.equal(better({ ...pair, p_holm: 0.2 }), null);
  assert.equal(better({ ...pair, low: -0.1 }), null);
  assert.deepEqual(comparedWith([pair], "z", "m"), []);
});

test("runs without a metric come last", () => {
  const run = (name, mean) => ({ run: name, metrics: mean === null ? {} : { m: { mean } } });
  assert.deepEqual(byMetric([run("a", null), run("b", 0.1), run("c", 0.4)], "m").map(({ run }) => run), ["c", "b", "a"]);
});

test("runs are named by the last part of their path, where that tells them apart", () => {
  const report = (...names) => ({
    protocol: {},
    runs: names.map((run) => ({ run })),
    comparisons: [{ a: names[0], b: names[1] }],
    slices: [{ runs: [{ run: names[1] }] }],
    baseline: names[1],
  });
  const found = shortlyNamed(report("/home/a/runs/vine", "runs/ease", "popularity"));
  assert.deepEqual(found.runs.map(({ run }) => run), ["vine", "ease", "popularity"]);
  assert.deepEqual(found.comparisons[0], { a: "vine", b: "ease" });
  assert.deepEqual([found.slices[0].runs[0].run, found.baseline], ["ease", "ease"]);
  const same = report("a/vine", "b/vine");
  assert.equal(shortlyNamed(same), same);
});

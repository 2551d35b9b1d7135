import assert from "node:assert/strict";
import { test } from "node:test";

import { source } from "./source.mjs";

const { Camera, boxOf } = await source("draw/camera.ts");
const { Grid } = await source("draw/grid.ts");
const { apart, hopsFrom, layout } = await source("draw/force.ts");
const { extent, ticks } = await source("draw/ticks.ts");
const { categoryColour, heat, rgb } = await source("draw/palette.ts");

/** Numbers in [0, 1) that are always the same. */
function* numbers(seed) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

test("ticks are round, inside, and about as many as asked for", () => {
  assert.deepEqual(ticks(0, 0.85, 4), [0, 0.2, 0.4, 0.6, 0.8]);
  assert.deepEqual(ticks(-0.05, 0.05, 4), [-0.04, -0.02, 0, 0.02, 0.04]);
  assert.deepEqual(ticks(3, 3), [3]);
  for (const high of [0.003, 0.7, 12, 987, 1e6]) {
    const found = ticks(0, high, 5);
    assert.ok(found.length >= 3 && found.length <= 9, `${high}: ${found}`);
    assert.ok(found.every((tick) => tick >= 0 && tick <= high * (1 + 1e-9)));
  }
});

test("an extent passes over what is not a number, and is never empty", () => {
  assert.deepEqual(extent([null, undefined, Number.NaN]), [0, 1]);
  const [low, high] = extent([2, null, 4], 0);
  assert.deepEqual([low, high], [2, 4]);
  const [same, above] = extent([5, 5]);
  assert.ok(same < 5 && above > 5);
});

test("a camera's two directions undo each other, and zooming keeps the place under the pointer", () => {
  const camera = new Camera();
  camera.resize(800, 600);
  camera.fit([-10, -4], [6, 4]);
  assert.deepEqual(camera.toScreen(-2, 0), [400, 300]);
  const draw = numbers(1);
  for (let n = 0; n < 200; n++) {
    const [px, py] = [800 * draw.next().value, 600 * draw.next().value];
    const before = camera.toMap(px, py);
    const screen = camera.toScreen(...before);
    assert.ok(Math.hypot(screen[0] - px, screen[1] - py) < 1e-6);
    camera.zoomAt(px, py, 0.5 + draw.next().value);
    const after = camera.toMap(px, py);
    assert.ok(Math.hypot(after[0] - before[0], after[1] - before[1]) < 1e-6 * (1 + Math.abs(before[0])));
    camera.pan(10 * draw.next().value, -3);
  }
  camera.home();
  assert.equal(camera.zoom, 1);
});

test("the box leaves out the outermost half per cent", () => {
  const xy = new Float32Array(2 * 1001);
  for (let row = 0; row < 1000; row++) xy.set([row / 1000, -row / 1000], 2 * row);
  xy.set([1e6, -1e6], 2000);
  const { low, high } = boxOf(xy);
  assert.ok(high[0] < 1 && low[1] > -1);
});

test("the grid finds what a look at every point finds", () => {
  const draw = numbers(3);
  const xy = Float32Array.from({ length: 4000 }, (_, n) => (n % 2 ? 3 : 40) * draw.next().value ** 3);
  const grid = new Grid(xy);
  for (let n = 0; n < 300; n++) {
    const [x, y, radius] = [44 * draw.next().value - 2, 4 * draw.next().value - 0.5, draw.next().value];
    const allowed = (row) => row % 3 !== n % 3;
    let best = -1;
    let least = radius;
    for (let row = 0; row < 2000; row++) {
      const distance = Math.hypot(xy[2 * row] - x, xy[2 * row + 1] - y);
      if (distance <= least && allowed(row)) [best, least] = [row, distance];
    }
    const found = grid.nearest(x, y, radius, allowed);
    const distance = found < 0 ? -1 : Math.hypot(xy[2 * found] - x, xy[2 * found + 1] - y);
    assert.ok(found === best || Math.abs(distance - least) < 1e-12, `${n}: ${found} and ${best}`);
  }
});

test("a grid of no points, of one, and of points in one place", () => {
  assert.equal(new Grid(new Float32Array(0)).nearest(0, 0, 5), -1);
  assert.equal(new Grid(new Float32Array([2, 3])).nearest(2.1, 3, 0.5), 0);
  assert.equal(new Grid(new Float32Array([2, 3])).nearest(9, 3, 0.5), -1);
  assert.ok(new Grid(new Float32Array(200).fill(7)).nearest(7, 7, 0.1) >= 0);
});

test("the layout is the same each time, finite, spread out, and nearer along ties", () => {
  const draw = numbers(5);
  const num = 200;
  const ties = Array.from({ length: num - 1 }, (_, n) => ({
    source: Math.floor(draw.next().value ** 2 * (n + 1)),
    target: n + 1,
    weight: draw.next().value,
  }));
  const xy = layout(num, ties);
  assert.deepEqual(xy, layout(num, ties));
  assert.ok(xy.every(Number.isFinite));
  const apart = (a, b) => Math.hypot(xy[2 * a] - xy[2 * b], xy[2 * a + 1] - xy[2 * b + 1]);
  const tied = ties.reduce((sum, { source, target }) => sum + apart(source, target), 0) / ties.length;
  let [all, least] = [0, Infinity];
  for (let a = 0; a < num; a++) {
    for (let b = 0; b < a; b++) {
      all += apart(a, b) / ((num * (num - 1)) / 2);
      least = Math.min(least, apart(a, b));
    }
  }
  assert.ok(tied < 0.5 * all, `${tied} and ${all}`);
  assert.ok(least > 0.02, `${least}`);
});

test("a layout of no node, of one, of loops, of what nothing leads to", () => {
  assert.equal(layout(0, []).length, 0);
  assert.deepEqual([...layout(1, [])], [0, 0]);
  const xy = layout(3, [{ source: 0, target: 0, weight: 0 }, { source: 0, target: 1, weight: 0 }]);
  assert.ok(xy.every(Number.isFinite));
  assert.deepEqual(hopsFrom(4, [{ source: 0, target: 1, weight: 1 }, { source: 2, target: 1, weight: 1 }]), [0, 1, 2, 3]);
});

/** WCAG 2.2, relative luminance and contrast. */
function contrast(a, b) {
  const light = (colour) => {
    const [r, g, b] = colour.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
}

test("colours of categories stand out from the ground, beyond the named ones as well", () => {
  for (let code = 0; code < 60; code++) {
    assert.ok(contrast(rgb(categoryColour(code, false)), [255, 255, 255]) >= 3, `light ${code}`);
    assert.ok(contrast(rgb(categoryColour(code, true)), [26, 23, 32]) >= 3, `dark ${code}`);
  }
});

test("heat grows steadily darker, on a dark ground lighter", () => {
  for (const dark of [false, true]) {
    const sums = Array.from({ length: 21 }, (_, n) => heat(n / 20, dark).reduce((a, b) => a + b));
    for (let n = 1; n < sums.length; n++) assert.ok(dark ? sums[n] > sums[n - 1] : sums[n] < sums[n - 1]);
  }
});

test("discs are pushed apart until none lies on another, and the first stays", () => {
  const draw = numbers(8);
  const radii = Array.from({ length: 30 }, () => 0.2 + 0.3 * draw.next().value);
  const xy = Float64Array.from({ length: 60 }, (_, n) => (n < 4 ? 0 : 3 * draw.next().value));
  const out = apart(xy, radii, 1000);
  assert.deepEqual([out[0], out[1]], [0, 0]);
  for (let a = 0; a < 30; a++) {
    for (let b = 0; b < a; b++) {
      const gap = Math.hypot(out[2 * a] - out[2 * b], out[2 * a + 1] - out[2 * b + 1]) - radii[a] - radii[b];
      assert.ok(gap > -0.01, `${a} and ${b} overlap by ${-gap}`);
    }
  }
  assert.deepEqual(apart(xy, radii, 1000), out);
});

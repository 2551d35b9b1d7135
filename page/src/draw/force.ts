// A small force layout: ties pull, everything else pushes (Fruchterman and Reingold, 1991). It starts
// from rings around the centre and draws no random number, so that a graph always looks the same.

export interface Tie {
  source: number;
  target: number;
  /** Not negative; the heaviest tie pulls twice as hard as one of no weight. */
  weight: number;
}

/** x, y of every node; node 0 stays at 0, 0. Ideal length of a tie: 1. */
export function layout(numNodes: number, ties: readonly Tie[], rounds = 320): Float64Array {
  const xy = rings(numNodes, ties);
  const push = new Float64Array(2 * numNodes);
  const most = Math.max(...ties.map(({ weight }) => weight), 1e-12);
  for (let round = 0; round < rounds; round++) {
    push.fill(0);
    repel(xy, push);
    for (const { source, target, weight } of ties) {
      if (source !== target) attract(xy, push, source, target, 1 + weight / most);
    }
    const step = 0.35 * (1 - round / rounds);
    for (let node = 1; node < numNodes; node++) {
      const [fx, fy] = [push[2 * node]!, push[2 * node + 1]!];
      const size = Math.hypot(fx, fy) || 1;
      const move = Math.min(size, step) / size;
      xy[2 * node]! += fx * move;
      xy[2 * node + 1]! += fy * move;
    }
  }
  return xy;
}

/** The same places with discs of these radii pushed apart until none lies on another; node 0 stays. */
export function apart(xy: Float64Array, radii: readonly number[], rounds = 120): Float64Array {
  const out = xy.slice();
  for (let round = 0, moved = true; moved && round < rounds; round++) {
    moved = false;
    for (let a = 0; a < radii.length; a++) {
      for (let b = a + 1; b < radii.length; b++) {
        const [dx, dy] = [out[2 * b]! - out[2 * a]!, out[2 * b + 1]! - out[2 * a + 1]!];
        const distance = Math.hypot(dx, dy);
        const lack = radii[a]! + radii[b]! - distance;
        if (lack <= 1e-3) continue;
        moved = true;
        const [ux, uy] = distance > 1e-9 ? [dx / distance, dy / distance] : [1, 0];
        const mine = a === 0 ? 0 : lack / 2;
        out[2 * a]! -= ux * mine;
        out[2 * a + 1]! -= uy * mine;
        out[2 * b]! += ux * (lack - mine);
        out[2 * b + 1]! += uy * (lack - mine);
      }
    }
  }
  return out;
}

function repel(xy: Float64Array, push: Float64Array): void {
  const numNodes = xy.length / 2;
  for (let a = 0; a < numNodes; a++) {
    for (let b = a + 1; b < numNodes; b++) {
      const dx = xy[2 * a]! - xy[2 * b]!;
      const dy = xy[2 * a + 1]! - xy[2 * b + 1]!;
      const square = Math.max(dx * dx + dy * dy, 0.01);
      // 1 / distance, along the line between them.
      const force = 0.55 / square;
      push[2 * a]! += dx * force;
      push[2 * a + 1]! += dy * force;
      push[2 * b]! -= dx * force;
      push[2 * b + 1]! -= dy * force;
    }
  }
}

function attract(xy: Float64Array, push: Float64Array, a: number, b: number, strength: number): void {
  const dx = xy[2 * a]! - xy[2 * b]!;
  const dy = xy[2 * a + 1]! - xy[2 * b + 1]!;
  const force = 0.5 * strength * Math.hypot(dx, dy);
  push[2 * a]! -= dx * force;
  push[2 * a + 1]! -= dy * force;
  push[2 * b]! += dx * force;
  push[2 * b + 1]! += dy * force;
}

/** Nodes on rings by how many ties they are from node 0, a golden angle apart. */
function rings(numNodes: number, ties: readonly Tie[]): Float64Array {
  const hops = hopsFrom(numNodes, ties);
  const xy = new Float64Array(2 * numNodes);
  for (let node = 1; node < numNodes; node++) {
    const angle = node * 2.399963;
    const radius = 1.4 * hops[node]! + 0.3 * (node / numNodes);
    xy[2 * node] = radius * Math.cos(angle);
    xy[2 * node + 1] = radius * Math.sin(angle);
  }
  return xy;
}

/** Ties between node 0 and each; one more than the furthest for those that no tie leads to. */
export function hopsFrom(numNodes: number, ties: readonly Tie[]): number[] {
  const near = Array.from({ length: numNodes }, (): number[] => []);
  for (const { source, target } of ties) {
    near[source]!.push(target);
    near[target]!.push(source);
  }
  const hops = new Array<number>(numNodes).fill(-1);
  let front = numNodes > 0 ? [0] : [];
  let hop = 0;
  for (; front.length > 0; hop++) {
    for (const node of front) hops[node] = hop;
    front = [...new Set(front.flatMap((node) => near[node]!))].filter((node) => hops[node] === -1);
  }
  return hops.map((one) => (one === -1 ? hop : one));
}

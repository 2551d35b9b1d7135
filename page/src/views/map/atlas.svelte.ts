// The map's points, as they came, and what can be found out about each.

import * as service from "../../api/client";
import { boxOf } from "../../draw/camera";
import { Grid } from "../../draw/grid";

/** Titles come in pages of so many rows. */
const PAGE = 50;

export interface Named {
  item_id: string;
  title: string;
}

export class Atlas {
  readonly grid: Grid;
  readonly box: { low: [number, number]; high: [number, number] };
  /** How many points each category has. */
  readonly counts: number[];
  /** Middle of each category, by medians: where its name stands. */
  readonly middles: [number, number][];
  #pages = new Map<number, Promise<Named[]>>();

  constructor(
    readonly categories: readonly string[],
    readonly xy: Float32Array,
    readonly codes: Uint16Array,
  ) {
    this.grid = new Grid(xy);
    this.box = boxOf(xy);
    this.counts = categories.map(() => 0);
    for (const code of codes) this.counts[code] = (this.counts[code] ?? 0) + 1;
    this.middles = categories.map((_, code) => this.#middle(code));
  }

  static #kept: { version: string; atlas: Atlas } | undefined;

  /** The map of the model in service; the one already here where that is still in service. */
  static async load(signal: AbortSignal): Promise<Atlas> {
    const { name, version } = await service.model(signal);
    const which = `${name} ${version}`;
    if (Atlas.#kept?.version !== which) Atlas.#kept = { version: which, atlas: await Atlas.#fetch(signal) };
    return Atlas.#kept.atlas;
  }

  static async #fetch(signal: AbortSignal): Promise<Atlas> {
    const head = await service.mapHead(signal);
    const bytes = await service.mapPoints(head.points, signal);
    if (bytes.byteLength !== head.count * 10) {
      throw new service.Fault(
        `The map should hold ${head.count} points of 10 bytes, and came as ${bytes.byteLength} bytes.`,
        "Load the page again; the model may just have been swapped.",
        "map",
        0,
      );
    }
    return new Atlas(head.categories, floats(bytes, 2 * head.count), codes(bytes, 8 * head.count));
  }

  get count(): number {
    return this.codes.length;
  }

  /** ID and title of a row. */
  async name(row: number): Promise<Named | undefined> {
    const page = Math.floor(row / PAGE);
    let asked = this.#pages.get(page);
    if (!asked) {
      asked = service.mapItems(page * PAGE, PAGE).then(({ items }) => items);
      asked.catch(() => this.#pages.delete(page));
      this.#pages.set(page, asked);
    }
    return (await asked)[row % PAGE];
  }

  #middle(code: number): [number, number] {
    const [xs, ys]: [number[], number[]] = [[], []];
    // A few hundred tell the median well enough.
    const step = Math.max(1, Math.floor((this.counts[code] ?? 0) / 500));
    let seen = 0;
    for (let row = 0; row < this.codes.length; row++) {
      if (this.codes[row] !== code || seen++ % step) continue;
      xs.push(this.xy[2 * row]!);
      ys.push(this.xy[2 * row + 1]!);
    }
    const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
    return [median(xs), median(ys)];
  }
}

// The bytes are little-endian, as nearly every machine is; `DataView` reads them right on any.
function floats(bytes: ArrayBuffer, length: number): Float32Array {
  const view = new DataView(bytes);
  return Float32Array.from({ length }, (_, place) => view.getFloat32(4 * place, true));
}

function codes(bytes: ArrayBuffer, offset: number): Uint16Array {
  const view = new DataView(bytes, offset);
  return Uint16Array.from({ length: view.byteLength / 2 }, (_, place) => view.getUint16(2 * place, true));
}

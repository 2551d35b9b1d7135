// Which points are near a place, found without looking at all of them: points sorted into square cells.

export class Grid {
  readonly #side: number;
  readonly #columns: number;
  readonly #rows: number;
  readonly #low: [number, number];
  /** Where each cell's points begin in #order. */
  readonly #starts: Uint32Array;
  readonly #order: Uint32Array;

  constructor(readonly xy: Float32Array) {
    const num = xy.length / 2;
    let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let row = 0; row < num; row++) {
      left = Math.min(left, xy[2 * row]!);
      right = Math.max(right, xy[2 * row]!);
      bottom = Math.min(bottom, xy[2 * row + 1]!);
      top = Math.max(top, xy[2 * row + 1]!);
    }
    this.#low = num > 0 ? [left, bottom] : [0, 0];
    const [width, height] = num > 0 ? [right - left, top - bottom] : [0, 0];
    // About four points a cell, were they spread evenly.
    this.#side = Math.max(Math.sqrt((width * height * 4) / Math.max(num, 1)), Math.max(width, height) / 2048, 1e-9);
    this.#columns = Math.floor(width / this.#side) + 1;
    this.#rows = Math.floor(height / this.#side) + 1;
    this.#starts = new Uint32Array(this.#columns * this.#rows + 1);
    const cells = new Uint32Array(num);
    for (let row = 0; row < num; row++) {
      cells[row] = this.#cell(xy[2 * row]!, xy[2 * row + 1]!);
      this.#starts[cells[row]! + 1]!++;
    }
    for (let cell = 1; cell < this.#starts.length; cell++) this.#starts[cell]! += this.#starts[cell - 1]!;
    const next = this.#starts.slice(0, -1);
    this.#order = new Uint32Array(num);
    for (let row = 0; row < num; row++) this.#order[next[cells[row]!]!++] = row;
  }

  /** The row of the nearest point within a radius that is allowed; -1 for none. */
  nearest(x: number, y: number, radius: number, allowed: (row: number) => boolean = () => true): number {
    const [firstColumn, firstRow] = this.#place(x - radius, y - radius);
    const [lastColumn, lastRow] = this.#place(x + radius, y + radius);
    let best = -1;
    let square = radius * radius;
    for (let j = firstRow; j <= lastRow; j++) {
      for (let i = firstColumn; i <= lastColumn; i++) {
        const cell = j * this.#columns + i;
        for (let at = this.#starts[cell]!; at < this.#starts[cell + 1]!; at++) {
          const row = this.#order[at]!;
          const distance = (this.xy[2 * row]! - x) ** 2 + (this.xy[2 * row + 1]! - y) ** 2;
          if (distance <= square && allowed(row)) {
            square = distance;
            best = row;
          }
        }
      }
    }
    return best;
  }

  #place(x: number, y: number): [number, number] {
    const within = (value: number, num: number) => Math.max(0, Math.min(num - 1, Math.floor(value)));
    return [
      within((x - this.#low[0]) / this.#side, this.#columns),
      within((y - this.#low[1]) / this.#side, this.#rows),
    ];
  }

  #cell(x: number, y: number): number {
    const [i, j] = this.#place(x, y);
    return j * this.#columns + i;
  }
}

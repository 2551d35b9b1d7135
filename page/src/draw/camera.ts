// What part of the map is seen: from the points' own coordinates to pixels of the page, y upwards.

export class Camera {
  /** The point in the middle. */
  x = 0;
  y = 0;
  /** Pixels a unit. */
  scale = 1;
  width = 1;
  height = 1;
  #whole = 1;
  #home = { x: 0, y: 0 };

  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
  }

  /** Show this box whole, and let that be where `home` leads. */
  fit(low: readonly [number, number], high: readonly [number, number]): void {
    this.#home = { x: (low[0] + high[0]) / 2, y: (low[1] + high[1]) / 2 };
    const across = this.width / Math.max(high[0] - low[0], 1e-9);
    const up = this.height / Math.max(high[1] - low[1], 1e-9);
    this.#whole = 0.94 * Math.min(across, up);
    this.home();
  }

  home(): void {
    Object.assign(this, this.#home);
    this.scale = this.#whole;
  }

  /** How much larger than when the whole is seen. */
  get zoom(): number {
    return this.scale / this.#whole;
  }

  toScreen(x: number, y: number): [number, number] {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  toMap(px: number, py: number): [number, number] {
    return [this.x + (px - this.width / 2) / this.scale, this.y - (py - this.height / 2) / this.scale];
  }

  /** Move by so many pixels. */
  pan(dx: number, dy: number): void {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
  }

  /** Larger by a factor, with what is at these pixels staying there. */
  zoomAt(px: number, py: number, factor: number): void {
    const [x, y] = this.toMap(px, py);
    this.scale = Math.max(0.5 * this.#whole, Math.min(2000 * this.#whole, this.scale * factor));
    const [after, up] = this.toMap(px, py);
    this.x += x - after;
    this.y += y - up;
  }

  /** Centre on a point, close enough to see its neighbours. */
  goTo(x: number, y: number, zoom: number): void {
    this.x = x;
    this.y = y;
    this.scale = Math.max(this.scale, zoom * this.#whole);
  }
}

/** The box that holds all but the outermost half per cent on each side: strays do not shrink the rest. */
export function boxOf(xy: Float32Array): { low: [number, number]; high: [number, number] } {
  const ends = (offset: number): [number, number] => {
    const values = new Float32Array(xy.length / 2);
    for (let row = 0; row < values.length; row++) values[row] = xy[2 * row + offset]!;
    values.sort();
    const skip = Math.floor(values.length * 0.005);
    return [values[skip] ?? 0, values[values.length - 1 - skip] ?? 0];
  };
  const [x, y] = [ends(0), ends(1)];
  return { low: [x[0], y[0]], high: [x[1], y[1]] };
}

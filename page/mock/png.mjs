// Small pictures of garments, drawn and written as PNG with what Node brings.

import { crc32, deflateSync } from "node:zlib";

const SIDE = 96;
const FINE = 2;
const BACKGROUND = [238, 233, 224];
const INK = [46, 42, 48];

/** Right half of each garment seen from the front, in a square of 64; the left half mirrors it. */
const HALVES = {
  tee: [[32, 18], [38, 13], [44, 14], [56, 25], [50, 32], [45, 28], [45, 53], [32, 53]],
  shirt: [[32, 15], [38, 10], [45, 13], [54, 25], [57, 47], [51, 48], [46, 30], [45, 56], [32, 56]],
  blouse: [[32, 20], [40, 12], [45, 15], [57, 36], [50, 42], [44, 29], [41, 37], [48, 55], [32, 57]],
  jumper: [[32, 15], [39, 12], [47, 15], [56, 28], [58, 49], [50, 50], [47, 31], [47, 56], [32, 56]],
  trousers: [[32, 8], [43, 8], [46, 30], [47, 58], [37, 58], [32, 25]],
  skirt: [[32, 15], [41, 15], [52, 50], [43, 53], [32, 54]],
  shorts: [[32, 18], [43, 18], [49, 45], [36, 46], [32, 33]],
  dress: [[32, 18], [36, 8], [39, 8], [41, 18], [38, 29], [51, 57], [32, 59]],
  coat: [[32, 13], [38, 7], [46, 11], [55, 26], [58, 48], [51, 49], [48, 31], [50, 60], [32, 60]],
  shoes: [[32, 30], [44, 38], [55, 42], [57, 49], [32, 49]],
  bag: [[32, 28], [51, 28], [55, 55], [32, 55]],
  hat: [[32, 19], [38, 16], [44, 20], [47, 40], [55, 44], [32, 46]],
};

/**
 * The picture of a garment as the bytes of a PNG.
 *
 * @param {string} category one of HALVES
 * @param {number[]} colour red, green, blue
 * @param {string} pattern plain, striped, dotted or checked
 */
export function picture(category, colour, pattern) {
  const half = HALVES[category] ?? HALVES.tee;
  const outline = [...half, ...half.map(([x, y]) => [64 - x, y]).reverse()];
  const pixels = new Uint8Array(SIDE * SIDE * 3);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const sum = [0, 0, 0];
      for (let part = 0; part < FINE * FINE; part++) {
        const x = ((column + (0.5 + (part % FINE)) / FINE) * 64) / SIDE;
        const y = ((row + (0.5 + Math.floor(part / FINE)) / FINE) * 64) / SIDE;
        const ink = colourAt(outline, x, y, colour, pattern);
        for (let c = 0; c < 3; c++) sum[c] += ink[c] / (FINE * FINE);
      }
      pixels.set(sum.map(Math.round), 3 * (row * SIDE + column));
    }
  }
  return png(pixels, SIDE, SIDE);
}

function colourAt(outline, x, y, colour, pattern) {
  const { inside, distance } = place(outline, x, y);
  if (distance < 0.55) return INK;
  if (!inside) {
    const light = 6 * (1 - Math.hypot(x - 32, y - 30) / 45);
    return BACKGROUND.map((value) => value + light);
  }
  const marked =
    (pattern === "striped" && y % 7 < 2.4) ||
    (pattern === "checked" && (y % 9 < 2 || x % 9 < 2)) ||
    (pattern === "dotted" && Math.hypot((x % 8) - 4, (y % 8) - 4) < 1.7);
  const bright = colour[0] + colour[1] + colour[2] > 380;
  const shade = 1 - 0.1 * ((x - 20) / 30) ** 2;
  return colour.map((value) => (marked ? (bright ? value * 0.72 : value + (255 - value) * 0.45) : value) * shade);
}

function place(outline, x, y) {
  let inside = false;
  let distance = Infinity;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
    const [ax, ay] = outline[i];
    const [bx, by] = outline[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    // The seam down the middle of shapes that open below is no outline.
    if (ax === 32 && bx === 32 && ay !== by) continue;
    const length = (bx - ax) ** 2 + (by - ay) ** 2 || 1;
    const t = Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length));
    distance = Math.min(distance, Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)));
  }
  return { inside, distance };
}

function png(pixels, width, height) {
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let row = 0; row < height; row++) {
    rows.set(pixels.subarray(row * 3 * width, (row + 1) * 3 * width), row * (1 + 3 * width) + 1);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  out.set(body, 4);
  out.writeUInt32BE(crc32 ? crc32(body) : slowCrc(body), body.length + 4);
  return out;
}

/** For Node before 22.2, which has no `crc32`. */
function slowCrc(data) {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

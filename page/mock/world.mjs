// A pretended shop: 100,000 items that can be placed on the map, the first 400 of which are for
// sale, and 160 users who like some categories and colours more than others. Always the same.

import { PAYLOADS } from "./payloads.mjs";

export const NUM_POINTS = 100_000;
export const NUM_ITEMS = 400;
export const NUM_USERS = 160;
export const BEHAVIOURS = ["view", "cart", "buy"];
export const CATEGORIES = [
  "tee", "shirt", "blouse", "jumper", "trousers", "skirt", "shorts", "dress", "coat", "shoes", "bag", "hat",
];
const COLOURS = {
  black: [52, 50, 56], white: [252, 252, 250], grey: [150, 152, 156], sand: [214, 188, 146],
  navy: [40, 58, 110], sky: [128, 184, 226], teal: [36, 142, 140], olive: [120, 132, 58],
  mustard: [222, 168, 44], red: [200, 48, 44], rose: [234, 140, 164], plum: [116, 56, 122],
};
const PATTERNS = ["plain", "plain", "striped", "dotted", "checked"];
const MATERIALS = ["linen", "cotton", "wool", "denim", "silk", "felt"];
const BRANDS = ["Ardenby", "Noxwell", "Tamsin & Co", "Kestrel", "Orla", "Fennimore", "Grove"];
const PRICES = [18, 34, 32, 46, 48, 36, 28, 64, 110, 78, 52, 22];
const DAY = 86_400_000;

/** A stream of numbers in [0, 1) that depends on the seed alone (mulberry32). */
export function stream(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const pick = (draw, list) => list[Math.floor(draw() * list.length)];

/** Two independent standard normal numbers. */
function normal(draw) {
  const size = Math.sqrt(-2 * Math.log(1 - draw()));
  const angle = 2 * Math.PI * draw();
  return [size * Math.cos(angle), size * Math.sin(angle)];
}

export class World {
  /** @param {boolean} hostile whether titles, IDs, categories and reasons are attacks */
  constructor(hostile = false) {
    this.hostile = hostile;
    /** How many reasons were told. */
    this.told = 0;
    this.categories = hostile ? CATEGORIES.map((name, code) => PAYLOADS[code * 7]) : CATEGORIES;
    this.items = Array.from({ length: NUM_ITEMS }, (_, row) => this.itemAt(row));
    this.rows = new Map(this.items.map((item, row) => [item.item_id, row]));
    this.users = this.#makeUsers();
    this.points = this.#makePoints();
  }

  idAt(row) {
    if (this.hostile && row < PAYLOADS.length) return PAYLOADS[row];
    return `i${String(row).padStart(6, "0")}`;
  }

  rowOf(id) {
    const row = this.rows.get(id);
    if (row !== undefined) return row;
    const match = /^i(\d{6})$/.exec(id);
    return match && Number(match[1]) < NUM_POINTS ? Number(match[1]) : undefined;
  }

  codeAt(row) {
    return Math.floor(stream(row * 31 + 5)() * CATEGORIES.length);
  }

  itemAt(row) {
    const draw = stream(row + 1);
    const code = this.codeAt(row);
    const colour = pick(draw, Object.keys(COLOURS));
    const pattern = pick(draw, PATTERNS);
    const material = pick(draw, MATERIALS);
    const brand = pick(draw, BRANDS);
    const words = [pattern === "plain" ? "" : pattern, material, CATEGORIES[code]].filter(Boolean).join(" ");
    const title = `${words[0].toUpperCase()}${words.slice(1)}, ${colour}, ${brand}`;
    const payload = this.hostile && row < PAYLOADS.length ? PAYLOADS[row] : undefined;
    const id = this.idAt(row);
    return {
      item_id: id,
      title: payload ?? title,
      category: this.categories[code],
      price: Math.round(PRICES[code] * (0.6 + 1.1 * draw()) * 10) / 10,
      image: payload ? (row % 3 ? "javascript:alert(1)" : "https://example.invalid/x.png") : `/v1/items/${id}/image`,
      fields: { brand: payload ?? brand, colour, pattern, material, in_stock: draw() > 0.12, listed_at: "2026-03-14" },
      code,
      taste: [colour, brand, pattern],
      looks: [CATEGORIES[code], COLOURS[colour], pattern],
    };
  }

  /** What a client is told of an item in a list. */
  brief(item) {
    const { item_id, title, category, price, image } = item;
    return { item_id, title, category, price, image };
  }

  likeness(a, b) {
    let sum = a.code === b.code ? 1 : 0;
    for (let i = 0; i < 3; i++) if (a.taste[i] === b.taste[i]) sum += 0.7 - 0.15 * i;
    return sum;
  }

  #makeUsers() {
    const now = Date.now();
    return new Map(
      Array.from({ length: NUM_USERS }, (_, number) => {
        const draw = stream(9000 + number);
        const user_id = this.hostile && number < 40 ? PAYLOADS[number * 5] : `u${String(number).padStart(6, "0")}`;
        const anchors = [pick(draw, this.items), pick(draw, this.items)];
        const length = number === 7 ? 0 : 4 + Math.floor(24 * draw() ** 2);
        const events = Array.from({ length }, (_, place) => {
          const tries = Array.from({ length: 8 }, () => pick(draw, this.items));
          const anchor = anchors[Math.floor(draw() * 2)];
          const best = tries.reduce((a, b) => (this.likeness(b, anchor) > this.likeness(a, anchor) ? b : a));
          return {
            event_id: `e${number}-${place}`,
            user_id,
            item_id: best.item_id,
            behaviour: pick(draw, ["view", "view", "view", "cart", "buy"]),
            timestamp: Math.round(now - (length - place + draw()) * DAY * 0.7),
          };
        });
        return [user_id, events];
      }),
    );
  }

  /** Islands of each category, with smaller ones inside, as a projection of vectors draws them. */
  #makePoints() {
    const xy = new Float32Array(2 * NUM_POINTS);
    const codes = new Uint16Array(NUM_POINTS);
    const draw = stream(77);
    const islands = CATEGORIES.map((_, code) => {
      const angle = (code / CATEGORIES.length) * 2 * Math.PI + 0.5 * draw();
      const radius = code % 2 ? 5.4 : 8.6;
      return Array.from({ length: 9 }, () => {
        const [dx, dy] = normal(draw);
        return {
          x: radius * Math.cos(angle) + 1.15 * dx,
          y: radius * Math.sin(angle) + 1.15 * dy,
          size: 0.12 + 0.4 * draw() ** 2,
          turn: Math.PI * draw(),
          long: 1 + 1.8 * draw(),
        };
      });
    });
    for (let row = 0; row < NUM_POINTS; row++) {
      const code = this.codeAt(row);
      const island = islands[code][Math.floor(9 * draw() ** 1.3)];
      const [a, b] = normal(draw);
      const stray = draw() < 0.06 ? 3.2 : 1;
      const u = a * island.size * island.long * stray;
      const v = b * island.size * stray;
      xy[2 * row] = island.x + u * Math.cos(island.turn) - v * Math.sin(island.turn);
      xy[2 * row + 1] = island.y + u * Math.sin(island.turn) + v * Math.cos(island.turn);
      codes[row] = code;
    }
    return { xy, codes };
  }

  /** Rows of the nearest points on the map. */
  nearest(row, k) {
    const { xy, codes } = this.points;
    const best = [];
    for (let other = 0; other < NUM_POINTS; other++) {
      if (other === row || codes[other] !== codes[row]) continue;
      const distance = (xy[2 * other] - xy[2 * row]) ** 2 + (xy[2 * other + 1] - xy[2 * row + 1]) ** 2;
      if (best.length < k || distance < best[best.length - 1].distance) {
        best.push({ row: other, distance });
        best.sort((a, b) => a.distance - b.distance);
        best.length = Math.min(best.length, k);
      }
    }
    return best;
  }
}

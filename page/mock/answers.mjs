// What the pretended service answers: plausible, quick, and the same for the same question.

import { PAYLOADS } from "./payloads.mjs";
import { BEHAVIOURS, stream } from "./world.mjs";

const WEIGHT = { view: 1, cart: 1.6, buy: 2.2 };

/** The k best items for a history, with reasons; history newest last. */
export function recommend(world, question) {
  const history = (question.history ?? [])
    .map((event) => ({ ...event, item: world.items[world.rows.get(event.item_id)] }))
    .filter((event) => event.item)
    .slice(-50);
  const heard = history.map((event, place) => ({
    item: event.item,
    weight: (WEIGHT[event.behaviour] ?? 1) * 0.9 ** (history.length - 1 - place),
  }));
  const seen = new Set(history.map((event) => event.item_id));
  const scored = world.items
    .filter((item) => !seen.has(item.item_id) && passes(item, question.filters ?? {}))
    .map((item, row) => ({ item, score: score(world, heard, item, row, question.behaviour) }))
    .sort((a, b) => b.score - a.score);
  const chosen = diversify(world, scored.slice(0, 120), question);
  return chosen.map(({ item, score }, place) => ({
    ...world.brief(item),
    rank: place + 1,
    score: Number(score.toFixed(4)),
    reasons: question.why ? reasons(world, heard, item, place) : [],
  }));
}

function score(world, heard, item, row, behaviour) {
  const popular = stream(row + 4000 + BEHAVIOURS.indexOf(behaviour))();
  const near = heard.reduce((sum, { item: one, weight }) => sum + weight * world.likeness(item, one) ** 2, 0);
  const total = heard.reduce((sum, { weight }) => sum + weight, 0) || 1;
  return near / total + 0.35 * popular;
}

function passes(item, filters) {
  if (filters.category?.length && !filters.category.includes(item.category)) return false;
  if (filters.in_stock && !item.fields.in_stock) return false;
  if (item.price < (filters.price?.least ?? 0) || item.price > (filters.price?.most ?? Infinity)) return false;
  return !filters.exclude?.includes(item.item_id);
}

/** Maximal marginal relevance, with likeness as above. */
function diversify(world, candidates, question) {
  const share = question.rules?.diversity ?? 0;
  const left = [...candidates];
  const chosen = [];
  while (chosen.length < question.k && left.length) {
    let best = 0;
    let most = -Infinity;
    left.forEach((one, place) => {
      const near = Math.max(0, ...chosen.map((other) => world.likeness(one.item, other.item)));
      const value = (1 - share) * one.score - share * near;
      if (value > most) [best, most] = [place, value];
    });
    chosen.push(...left.splice(best, 1));
  }
  return chosen;
}

function reasons(world, heard, item, place) {
  if (heard.length === 0) {
    return [{ kind: "popular", text: "Liked by many in the last week.", items: [] }];
  }
  const shares = heard
    .map(({ item: one, weight }) => ({ one, share: weight * world.likeness(item, one) ** 2 }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share);
  const total = shares.reduce((sum, { share }) => sum + share, 0) || 1;
  const told = [];
  for (const { one, share } of shares) {
    if (told.length < 4 && !told.some((other) => other.item_id === one.item_id)) {
      told.push({ item_id: one.item_id, title: one.title, share: share / total });
    }
  }
  const kind = ["history", "walk", "attention"][place % 3];
  const lead = told[0]?.title ?? item.title;
  const text = {
    history: `Goes with ${lead}.`,
    walk: `Walks from ${lead} come here most often.`,
    attention: `The model listened most to ${lead}.`,
  }[kind];
  const hostile = world.hostile ? PAYLOADS[world.told++ % PAYLOADS.length] : text;
  return [{ kind, text: hostile, items: told }, { kind: "feature", text: `${item.fields.brand}, ${item.fields.colour}`, items: [] }];
}

/** Two layers of two heads, each row a softmax over what came before it. */
export function attention(world, history) {
  const items = history.map((event) => world.items[world.rows.get(event.item_id)]).filter(Boolean);
  const flavours = [
    [{ like: 2.2, recent: 0.02 }, { like: 0.3, recent: 0.9 }],
    [{ like: 1.2, recent: 0.15 }, { like: 3.0, recent: 0 }],
  ];
  const layers = flavours.map((heads) =>
    heads.map(({ like, recent }) =>
      items.map((row, i) => {
        const raw = items.map((column, j) =>
          j > i ? 0 : Math.exp(like * world.likeness(row, column) * (i === j ? 0.6 : 1) - recent * (i - j)),
        );
        const total = raw.reduce((a, b) => a + b, 0);
        return raw.map((value) => value / total);
      }),
    ),
  );
  return { items: items.map(({ item_id, title }) => ({ item_id, title })), layers };
}

/** The item, items that walks reach from it, and users who lead there. */
export function graph(world, item) {
  const draw = stream((world.rowOf(item.item_id) ?? 0) + 321);
  const near = world.items
    .filter((other) => other !== item && other.item_id !== item.item_id)
    .map((other) => ({ other, like: world.likeness(item, other) + 0.2 * draw() }))
    .sort((a, b) => b.like - a.like)
    .slice(0, 26);
  const nodes = [{ id: item.item_id, kind: "item", title: item.title }];
  const edges = [];
  near.forEach(({ other, like }, place) => {
    nodes.push({ id: other.item_id, kind: "item", title: other.title });
    if (place < 13) edges.push({ source: item.item_id, target: other.item_id, weight: like ** 2 / (4 + place) });
    else edges.push({ source: near[place - 13].other.item_id, target: other.item_id, weight: 0.25 * draw() + 0.05 });
  });
  let user = 0;
  for (const user_id of world.users.keys()) {
    if (user++ >= 11) break;
    const id = `user ${user_id}`;
    nodes.push({ id, kind: "user", title: user_id });
    edges.push({ source: item.item_id, target: id, weight: 0.1 + 0.5 * draw() });
    for (let n = 0; n < 2; n++) {
      const { other } = near[Math.floor(draw() * 13)];
      edges.push({ source: id, target: other.item_id, weight: 0.05 + 0.4 * draw() });
    }
  }
  return { nodes, edges };
}

/** What the experiment has shown by the end of each of some days. */
export function experimentReport(experiment, numDays, seed) {
  const draw = stream(seed);
  const now = Date.now();
  const base = 0.11;
  const over_time = [];
  const drift = experiment.arms.map((_, place) => (place === 0 ? 0 : 0.009 * (place === 1 ? 1 : -0.35)));
  const walk = experiment.arms.map(() => 0);
  for (let day = 1; day <= numDays; day++) {
    const users = day * 2400;
    const effects = experiment.arms.slice(1).map((arm, place) => {
      walk[place] = 0.8 * walk[place] + (draw() - 0.5) * 0.01;
      const half = 0.052 / Math.sqrt(day) + 0.0015;
      const difference = drift[place + 1] + walk[place] / Math.sqrt(day);
      const low = difference - half;
      const high = difference + half;
      return { arm: arm.name, difference, low, high, p: low > 0 || high < 0 ? 0.0007 : 0.31 };
    });
    over_time.push({ at: now - (numDays - day) * 86_400_000, users, effects });
  }
  const last = over_time[over_time.length - 1];
  const users = numDays * 2400;
  return {
    name: experiment.name,
    metric: experiment.metric,
    arms: experiment.arms.map((arm, place) => {
      const mean = numDays ? base + (place ? last.effects[place - 1].difference : 0) : null;
      const half = 0.55 / Math.sqrt(users * arm.share || 1);
      return {
        name: arm.name,
        share: arm.share,
        users: Math.round(users * arm.share * (1 + (draw() - 0.5) * 0.008)),
        mean,
        low: mean === null ? null : mean - half,
        high: mean === null ? null : mean + half,
      };
    }),
    sample_ratio: { p: numDays ? 0.42 : 1, ok: true },
    effects: last?.effects ?? [],
    over_time,
  };
}

// Everything that comes from data is an attack: 200 of them as titles, IDs, fields, categories,
// reasons, names of runs and experiments. All are shown as they are, and none does anything.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { PAYLOADS } from "../../mock/payloads.mjs";
import { Mock } from "../../mock/server.mjs";
import { goTo, launch, open, settled } from "./browser.mjs";

let mock, address, browser, opened, page;
before(async () => {
  mock = new Mock({ hostile: true });
  address = await mock.start();
  browser = await launch();
  opened = await open(browser, address, "#/item");
  page = opened.page;
});
after(async () => {
  await browser.close();
  await mock.stop();
});

/** No dialog, no violation of the policy, no request elsewhere, no error, and no element that data made. */
async function harmless() {
  assert.deepEqual(await opened.wrong(), []);
  const made = "#page script, iframe, object, embed, base, meta[http-equiv], marquee, math, template, form[action], a[href^='javascript'], [onerror], [onload], link[href*='example']";
  assert.equal(await page.locator(made).count(), 0);
  assert.ok((await page.title()).endsWith("Grapevine"));
}

test("200 payloads as titles, IDs and fields of items", async () => {
  // What stands below the item is looked at in the other tests; without it this one is quick.
  const nothing = (route) => route.fulfill({ json: { items: [], nodes: [], edges: [] } });
  await page.route(/\/(related|graph)/, nothing);
  for (const payload of PAYLOADS) {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, `#/item/${encodeURIComponent(payload)}`);
    await page.waitForFunction((payload) => document.querySelector("dl dd")?.textContent === payload, payload);
    assert.equal(await page.locator("h1").textContent(), payload);
    const fields = await page.locator("dl dd").allTextContents();
    assert.equal(fields.filter((text) => text === payload).length, 2, "the ID, and the brand");
  }
  await page.unroute(/\/(related|graph)/, nothing);
  await goTo(page, `#/item/${encodeURIComponent(PAYLOADS[9])}`);
  assert.ok((await page.locator(".lists a").count()) > 20);
  await harmless();
});

test("200 payloads as reasons, with titles of items beside them", async () => {
  const told = new Set();
  for (let round = 1; PAYLOADS.some((payload) => !told.has(payload)) && round < 12; round++) {
    await goTo(page, `#/try?user=u0000${60 + round}&k=50`);
    for (const text of await page.locator(".reasons p span:last-child").allTextContents()) told.add(text);
  }
  assert.deepEqual(PAYLOADS.filter((payload) => !told.has(payload)), []);
  await harmless();
});

test("users, categories and filters", async () => {
  const user = PAYLOADS[5];
  await goTo(page, `#/try?${new URLSearchParams({ user })}`);
  assert.match(await page.locator("[aria-label=History] h2").textContent(), /of /);
  assert.ok((await page.locator("[aria-label=History] h2").textContent()).includes(user));
  const chips = await page.locator(".chip").allTextContents();
  assert.deepEqual(chips.map((text) => text.trim()), mock.world.categories);
  await page.getByText("Filters", { exact: true }).click();
  await page.locator(".chip").first().click();
  await settled(page);
  await harmless();
});

test("attention, the map, the report, experiments and the live view", async () => {
  for (const hash of [
    `#/attention?${new URLSearchParams({ user: PAYLOADS[5] })}`,
    `#/map?${new URLSearchParams({ item: PAYLOADS[3] })}`,
    "#/report",
    "#/experiments",
    "#/live",
    `#/experiments/${encodeURIComponent(PAYLOADS[7])}`,
  ]) {
    await goTo(page, hash);
    await page.mouse.move(640, 400);
    await page.waitForTimeout(300);
    await harmless();
  }
  const names = await page.locator(".list b").allTextContents();
  assert.deepEqual(names, PAYLOADS.slice(0, 30));
  await goTo(page, "#/report");
  assert.deepEqual(await page.locator(".warnings li").allTextContents(), PAYLOADS.slice(0, 30));
  await goTo(page, `#/map?${new URLSearchParams({ item: PAYLOADS[3] })}`);
  assert.equal(await page.locator(".chosen b").textContent(), PAYLOADS[3]);
  assert.deepEqual((await page.locator(".legend .clip").allTextContents()).map((text) => text.trim()), mock.world.categories);
});

test("what the service says of a fault", async () => {
  mock.fail("/v1/report", 500, "bug", PAYLOADS[0], PAYLOADS[1]);
  await goTo(page, "#/live");
  await goTo(page, "#/report");
  assert.equal(await page.locator(".what").textContent(), PAYLOADS[0]);
  const { length } = (await opened.wrong()).filter((one) => !one.includes("500"));
  assert.equal(length, 0);
});

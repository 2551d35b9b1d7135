// The keyboard alone: everything can be reached and used, and one always sees where one is.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Mock } from "../../mock/server.mjs";
import { goTo, launch, open, PHONE, settled } from "./browser.mjs";

let mock, address, browser;
before(async () => {
  mock = new Mock();
  address = await mock.start();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await mock.stop();
});

/** What has the focus: its name, and whether one can see that it has. */
const focus = (page) =>
  page.evaluate(() => {
    const one = document.activeElement;
    const ringed = [one, one.closest("label"), one.closest("fieldset label")].filter(Boolean);
    const box = one.getBoundingClientRect();
    return {
      tag: one.tagName,
      name: one.getAttribute("aria-label") ?? one.textContent.trim().replaceAll(/\s+/g, " ").slice(0, 60),
      ring: ringed.some((element) => getComputedStyle(element).outlineStyle !== "none"),
      inView: box.bottom > 0 && box.top < innerHeight,
    };
  });

/** Press Tab until something of that name has the focus. */
async function tabTo(page, name, most = 120) {
  for (let n = 0; n < most; n++) {
    await page.keyboard.press("Tab");
    const now = await focus(page);
    if (typeof name === "string" ? now.name === name : name.test(now.name)) return now;
  }
  throw new Error(`Tab does not reach ${name} in ${most} steps`);
}

test("from the top: skip link, views, a user, an event", async () => {
  const { page, wrong, close } = await open(browser, address, "#/try");
  await settled(page);
  await page.keyboard.press("Tab");
  assert.equal((await focus(page)).name, "Skip to the view");
  await page.keyboard.press("Enter");
  assert.equal((await focus(page)).tag, "H1");
  await tabTo(page, /^u000003/);
  await page.keyboard.press("Enter");
  await page.waitForURL(/user=u000003/);
  await settled(page);
  const before = mock.world.users.get("u000003").length;
  await tabTo(page, /^buy: /);
  await page.keyboard.press("Space");
  await page.getByText("The list knows it already").first().waitFor();
  assert.equal(mock.world.users.get("u000003").length, before + 1);
  assert.deepEqual(await wrong(), []);
  await close();
});

test("every step with Tab is seen, in every view", async () => {
  for (const size of [undefined, PHONE]) {
    const { page, close } = await open(browser, address, "#/try", size ? { size } : {});
    for (const hash of ["#/try", "#/item/i000005", "#/attention?user=u000003", "#/map", "#/report", "#/experiments", "#/live"]) {
      await goTo(page, hash);
      assert.equal((await focus(page)).tag === "H1" || hash === "#/try", true, hash);
      const seen = new Set();
      for (let n = 0; n < 45; n++) {
        await page.keyboard.press("Tab");
        const now = await focus(page);
        if (now.tag === "BODY") break;
        assert.ok(now.ring, `${hash}: no ring around ${now.tag} ${now.name}`);
        assert.ok(now.inView, `${hash}: ${now.name} is out of sight`);
        assert.ok(now.name || now.tag === "INPUT" || now.tag === "SELECT", `${hash}: a ${now.tag} without a name`);
        seen.add(now.name);
      }
      assert.ok(seen.size > 2, `${hash}: ${[...seen]}`);
    }
    await close();
  }
});

test("views are gone to with Enter, and their heading is read out", async () => {
  const { page, close } = await open(browser, address, "#/try");
  await settled(page);
  for (const [name, heading] of [["Map", "Map"], ["Report", "Report"], ["Live traffic", "Live traffic"]]) {
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("Home");
    await page.locator(".brand").focus();
    await tabTo(page, new RegExp(`^${name}`));
    await page.keyboard.press("Enter");
    await settled(page);
    assert.deepEqual(await focus(page).then(({ tag, name }) => [tag, name]), ["H1", heading]);
  }
  await close();
});

test("the map: move, zoom, choose, go to a neighbour", async () => {
  const { page, wrong, close } = await open(browser, address, "#/map");
  await settled(page);
  await tabTo(page, /^Map of 100,000 items/);
  const picture = () => page.locator(".over").evaluate((canvas) => canvas.toDataURL());
  const before = await picture();
  for (const key of ["+", "+", "+", "ArrowUp", "ArrowUp", "ArrowLeft"]) await page.keyboard.press(key);
  await page.waitForTimeout(200);
  assert.notEqual(await picture(), before);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Nearest to it" }).waitFor();
  await settled(page);
  const chosen = await page.locator(".chosen b").textContent();
  await tabTo(page, (await page.locator(".near button").first().textContent()).trim());
  await page.keyboard.press("Enter");
  await page.waitForFunction((chosen) => document.querySelector(".chosen b")?.textContent !== chosen, chosen);
  assert.deepEqual(await wrong(), []);
  await close();
});

test("a dialog holds the focus, and gives it back", async () => {
  const { page, close } = await open(browser, address, "#/experiments");
  await settled(page);
  await tabTo(page, "New experiment");
  await page.keyboard.press("Enter");
  for (let n = 0; n < 25; n++) {
    await page.keyboard.press("Tab");
    const inside = await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest("dialog") !== null);
    assert.ok(inside);
  }
  await page.keyboard.press("Escape");
  assert.equal((await focus(page)).name, "New experiment");
  await close();
});

// Every view, in light and dark, on a desk and on a phone: no accessibility fault that matters, no
// sideways scrolling, nothing refused, nothing asked of anybody else.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { Mock } from "../../mock/server.mjs";
import { DESKTOP, goTo, launch, open, PHONE, settled } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = {
  "try": "#/try",
  "try, all set": "#/try?user=u000003&k=12&category=tee,dress&least=10&most=90&in_stock=true&diversity=0.3&calibration=0.2",
  "try, own history": "#/try?items=i000001~buy,i000004~view,i000009~view",
  "try, a stranger": "#/try?user=nobody-yet",
  "try, nothing passes": "#/try?least=9000",
  "items": "#/item",
  "item": "#/item/i000005",
  "no such item": "#/item/nothing",
  "attention": "#/attention?user=u000003",
  "attention, a stranger": "#/attention?user=nobody-yet",
  "map": "#/map",
  "map, an item": "#/map?item=i000005",
  "report": "#/report",
  "report, a metric": "#/report?metric=auc&run=ease",
  "experiments": "#/experiments",
  "experiment": "#/experiments/more-diversity",
  "no such experiment": "#/experiments/nothing",
  "live": "#/live",
};

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

/** Serious and critical faults that axe finds, each in a line. */
async function faults(page) {
  // By way of the debugger, as the policy of the page lets no script in.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`));
}

for (const [size, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
  for (const scheme of ["light", "dark"]) {
    test(`every view, ${scheme}, ${size}`, async (context) => {
      const { page, wrong, close } = await open(browser, address, "", { scheme, size: viewport, expectErrors: true });
      for (const [name, hash] of Object.entries(VIEWS)) {
        await context.test(name, async () => {
          await goTo(page, hash);
          assert.equal(await page.locator("h1").count(), 1);
          const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(beyond <= 0, `${beyond} pixels too wide`);
          assert.deepEqual(await wrong(), []);
          assert.deepEqual(await faults(page), []);
        });
      }
      await close();
    });
  }
}

test("dialogs have no fault either", async () => {
  for (const scheme of ["light", "dark"]) {
    for (const [hash, button] of [["#/experiments", "New experiment"], ["#/try", "Forget this user"], ["#/try", "Key"]]) {
      const { page, wrong, close } = await open(browser, address, hash, { scheme, size: PHONE });
      await settled(page);
      await page.getByRole("button", { name: button }).click();
      await page.getByRole("dialog").waitFor();
      assert.deepEqual(await faults(page), []);
      assert.deepEqual(await wrong(), []);
      await page.keyboard.press("Escape");
      assert.equal(await page.getByRole("dialog").count(), 0);
      await close();
    }
  }
});

test("the switch goes over the system's colours, and is kept", async () => {
  const { page, close } = await open(browser, address, "#/report", { scheme: "light" });
  await settled(page);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: /colours; change to light/ }).click();
  assert.equal(await ground(), light);
  await page.getByRole("button", { name: /colours; change to dark/ }).click();
  await page.waitForFunction((light) => getComputedStyle(document.body).backgroundColor !== light, light);
  const dark = await ground();
  await page.reload();
  await settled(page);
  assert.equal(await ground(), dark);
  await close();
});

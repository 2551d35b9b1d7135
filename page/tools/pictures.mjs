// Pictures of every view for the documents: `npm run pictures` writes docs/pictures/.

import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { Mock } from "../mock/server.mjs";
import { launch, open, PHONE, settled, withSlowGl } from "../test/browser/browser.mjs";

const OUT = fileURLToPath(new URL("../../docs/pictures/", import.meta.url));
const DESK = { width: 1280, height: 860 };
const VIEWS = {
  "try": "#/try?user=u000003&diversity=0.3",
  "item": "#/item/i000005",
  "attention": "#/attention?user=u000003",
  "map": "#/map",
  "report": "#/report",
  "experiments": "#/experiments",
  "live": "#/live",
};

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
const mock = new Mock();
const address = await mock.start();
const browser = await launch({ gl: true });

async function shoot(name, hash, options, prepare) {
  const { page, close } = await open(browser, address, "", options);
  await page.addInitScript(withSlowGl);
  await page.goto(`${address}/${hash}`);
  await page.reload();
  await settled(page);
  await prepare?.(page);
  await page.waitForTimeout(400);
  await page.screenshot({ path: `${OUT}page-${name}.png` });
  await close();
}

/** On a phone the frame stands still, and what matters is moved to the top of it. */
const below = (selector) => (page) =>
  page.locator(selector).first().evaluate((element) => scrollTo(0, element.getBoundingClientRect().top + scrollY - 12));
const ON_PHONE = { try: "[aria-label=History]", item: "section[aria-labelledby=walks]", attention: "section[aria-label='Heat map']", report: "section[aria-labelledby=how-good]", experiments: "section[aria-labelledby=effect]" };

for (const [name, hash] of Object.entries(VIEWS)) {
  const part = name === "item" ? below("section[aria-labelledby=related]") : undefined;
  await shoot(`${name}-light`, hash, { size: DESK }, part);
  await shoot(`${name}-dark`, hash, { size: DESK, scheme: "dark" }, part);
  const scheme = Object.keys(VIEWS).indexOf(name) % 2 ? "dark" : "light";
  await shoot(`${name}-phone`, hash, { size: PHONE, scheme, deviceScaleFactor: 1 }, ON_PHONE[name] && below(ON_PHONE[name]));
}
await shoot("map-chosen-dark", "#/map?item=i000007", { size: DESK, scheme: "dark" });
await browser.close();
await mock.stop();

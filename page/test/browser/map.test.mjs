// The map of 100,000 points, by WebGL and without it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Mock } from "../../mock/server.mjs";
import { launch, open, settled, withoutGl, withSlowGl } from "./browser.mjs";

let mock, address, browser;
before(async () => {
  mock = new Mock();
  address = await mock.start();
  browser = await launch({ gl: true });
});
after(async () => {
  await browser.close();
  await mock.stop();
});

/** How many pixels of a picture of the map are of some colour, and the three commonest colours. */
async function coloured(page) {
  const shot = await page.locator(".map").screenshot();
  return page.evaluate(async (bytes) => {
    const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], { type: "image/png" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    let num = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) > 40) num++;
    }
    return num / (data.length / 4);
  }, [...shot]);
}

for (const painter of ["WebGL", "canvas"]) {
  test(`by ${painter}: drawn, chosen by a click, and by category`, async () => {
    const { page, wrong, close } = await open(browser, address, "");
    await page.addInitScript(painter === "WebGL" ? withSlowGl : withoutGl);
    await page.goto(`${address}/#/map`);
    await page.reload();
    await settled(page);
    assert.equal(await page.locator(".map").getAttribute("data-painter"), painter);
    const all = await coloured(page);
    assert.ok(all > 0.08, `${all} of the picture is coloured`);
    await page.getByRole("button", { name: /^dress/ }).click();
    await page.waitForTimeout(300);
    const dresses = await coloured(page);
    assert.ok(dresses < 0.35 * all && dresses > 0, `${dresses} of the picture is dresses`);
    await page.getByRole("button", { name: "Show all", exact: true }).last().click();
    await page.goto(`${address}/#/map?item=i000005`);
    await page.reload();
    await settled(page);
    // The chosen item stands in the middle now; click beside it, on another.
    const box = await page.locator(".map").boundingBox();
    const chosen = await page.locator(".chosen b").textContent();
    await page.keyboard.press("Escape");
    for (let n = 0; n < 40 && (await page.locator(".chosen b").textContent()) === chosen; n++) {
      await page.mouse.click(box.x + box.width / 2 - 60 - 9 * n, box.y + box.height / 2 + 5 * (n % 7));
      await page.waitForTimeout(60);
    }
    assert.notEqual(await page.locator(".chosen b").textContent(), chosen);
    assert.deepEqual(await wrong(), []);
    await close();
  });
}

test("WebGL that is lost gives way to the canvas", async () => {
  const { page, close } = await open(browser, address, "");
  await page.addInitScript(withSlowGl);
  await page.goto(`${address}/#/map`);
  await page.reload();
  await settled(page);
  assert.equal(await page.locator(".map").getAttribute("data-painter"), "WebGL");
  await page.evaluate(() => document.querySelector(".map canvas").getContext("webgl").getExtension("WEBGL_lose_context").loseContext());
  await page.waitForFunction(() => document.querySelector(".map").dataset.painter === "canvas");
  await page.waitForTimeout(400);
  assert.ok((await coloured(page)) > 0.08);
  await close();
});

test("where the processor plays the graphics card, pixels are written instead", async () => {
  const { page, close } = await open(browser, address, "#/map");
  await settled(page);
  assert.equal(await page.locator(".map").getAttribute("data-painter"), "canvas");
  await close();
});

test("a map that came short is refused, with what to do", async () => {
  const { page, close } = await open(browser, address, "#/report");
  await settled(page);
  await page.route("**/v1/map/points", (route) => route.fulfill({ body: Buffer.alloc(999) }));
  await page.evaluate(() => {
    location.hash = "#/map";
  });
  await page.getByText("came as 999 bytes").waitFor();
  await close();
});

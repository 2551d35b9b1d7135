// How long a frame of the map takes with 100,000 points: `npm run measure-map`. Each frame moves and
// zooms a little; the time is from one frame to the next, as whoever drags the map sees it.

import { Mock } from "../mock/server.mjs";
import { launch, open, settled } from "../test/browser/browser.mjs";

const FRAMES = 120;
const mock = new Mock();
const address = await mock.start();
const browser = await launch({ gl: true });

const withoutGl = () => {
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    return kind.startsWith("webgl") ? null : get.call(this, kind, ...rest);
  };
};

async function frames(page) {
  const gaps = await page.evaluate(async (num) => {
    const canvas = document.querySelector(".over");
    const box = canvas.getBoundingClientRect();
    const send = (kind, x, y) =>
      canvas.dispatchEvent(
        new PointerEvent(kind, { clientX: box.left + x, clientY: box.top + y, pointerId: 1, pointerType: "mouse", bubbles: true }),
      );
    canvas.setPointerCapture = () => {};
    send("pointerdown", 300, 300);
    const times = [];
    for (let n = 0; n < num; n++) {
      send("pointermove", 300 + 80 * Math.sin(n / 9), 300 + 60 * Math.cos(n / 7));
      if (n % 3 === 0) {
        canvas.parentElement.dispatchEvent(
          new WheelEvent("wheel", { deltaY: n % 40 < 20 ? -30 : 30, clientX: box.left + 350, clientY: box.top + 320, cancelable: true }),
        );
      }
      await new Promise(requestAnimationFrame);
      times.push(performance.now());
    }
    send("pointerup", 300, 300);
    return times.slice(1).map((time, n) => time - times[n]);
  }, FRAMES);
  gaps.sort((a, b) => a - b);
  const at = (share) => gaps[Math.floor(share * (gaps.length - 1))].toFixed(1);
  return `median ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms a frame`;
}

for (const painter of ["WebGL", "canvas"]) {
  const { page, close } = await open(browser, address, "#/live");
  if (painter === "canvas") await page.addInitScript(withoutGl);
  await page.goto(`${address}/#/map`);
  await page.reload();
  await settled(page);
  const made = await page.locator(".made").textContent();
  const kind = await page.evaluate(() => {
    const gl = document.createElement("canvas").getContext("webgl");
    const info = gl?.getExtension("WEBGL_debug_renderer_info");
    return info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "no WebGL";
  });
  console.log(`${made} (${kind}): ${await frames(page)}`);
  await close();
}
await browser.close();
await mock.stop();

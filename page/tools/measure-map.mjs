// How long a frame of the map takes with 100,000 points: `npm run measure-map`. Each frame moves and
// zooms a little. Two times: from one frame to the next, as whoever drags the map sees it, and that
// of our own code in a frame, which a busy machine lengthens less.

import { Mock } from "../mock/server.mjs";
import { launch, open, settled, withoutGl, withSlowGl } from "../test/browser/browser.mjs";

const FRAMES = 120;
const mock = new Mock();
const address = await mock.start();
const browser = await launch({ gl: true });

/** With `moving` false nothing is drawn: what the browser and the machine cost by themselves. */
async function frames(page, moving) {
  const found = await page.evaluate(async ([num, moving]) => {
    const canvas = document.querySelector(".over");
    const box = canvas.getBoundingClientRect();
    const send = (kind, x, y) =>
      canvas.dispatchEvent(
        new PointerEvent(kind, { clientX: box.left + x, clientY: box.top + y, pointerId: 1, pointerType: "mouse", bubbles: true }),
      );
    canvas.setPointerCapture = () => {};
    send("pointerdown", 300, 300);
    const [times, own] = [[], []];
    const ask = requestAnimationFrame;
    globalThis.requestAnimationFrame = (act) =>
      ask((now) => {
        const started = performance.now();
        act(now);
        own.push(performance.now() - started);
      });
    for (let n = 0; n < num; n++) {
      if (moving) send("pointermove", 300 + 80 * Math.sin(n / 9), 300 + 60 * Math.cos(n / 7));
      if (moving && n % 3 === 0) {
        canvas.parentElement.dispatchEvent(
          new WheelEvent("wheel", { deltaY: n % 40 < 20 ? -30 : 30, clientX: box.left + 350, clientY: box.top + 320, cancelable: true }),
        );
      }
      await new Promise((done) => ask(done));
      times.push(performance.now());
    }
    send("pointerup", 300, 300);
    return { gaps: times.slice(1).map((time, n) => time - times[n]), own };
  }, [FRAMES, moving]);
  const at = (values, share) => values.sort((a, b) => a - b)[Math.floor(share * (values.length - 1))].toFixed(1);
  return (moving ? ["own", "gaps"] : ["gaps"]).map((one) => `${one}: median ${at(found[one], 0.5)} ms, p95 ${at(found[one], 0.95)} ms`).join("; ");
}

for (const painter of ["WebGL", "canvas"]) {
  const { page, close } = await open(browser, address, "#/live");
  await page.addInitScript(painter === "WebGL" ? withSlowGl : withoutGl);
  await page.goto(`${address}/#/map`);
  await page.reload();
  await settled(page);
  const made = await page.locator(".made").textContent();
  const kind = await page.evaluate(() => {
    const gl = document.createElement("canvas").getContext("webgl");
    const info = gl?.getExtension("WEBGL_debug_renderer_info");
    return info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "no WebGL";
  });
  console.log(`${made} (${kind})`);
  console.log(`  moving  ${await frames(page, true)}`);
  console.log(`  still   ${await frames(page, false)}`);
  await close();
}
await browser.close();
await mock.stop();

// A browser for the tests: Chromium, watched for all that a page must not do.

import { chromium } from "playwright-core";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
/** WebGL without a graphics card. */
const SOFTWARE_GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];

export const DESKTOP = { width: 1360, height: 860 };
export const PHONE = { width: 360, height: 740 };

export function launch({ gl = false } = {}) {
  const args = gl ? [...FLAGS.filter((flag) => flag !== "--disable-gpu"), ...SOFTWARE_GL] : FLAGS;
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}

/**
 * A page at a view, with a list of everything that went wrong in it: errors, violations of the
 * policy, dialogs, requests to anywhere else.
 */
export async function open(browser, address, hash = "", options = {}) {
  const { scheme = "light", size = DESKTOP, key = "", expectErrors = false, ...rest } = options;
  const context = await browser.newContext({
    viewport: size, colorScheme: scheme, reducedMotion: "reduce", deviceScaleFactor: 1, ...rest,
  });
  const page = await context.newPage();
  const wrong = [];
  page.on("dialog", (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const expected = expectErrors && message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !expected) wrong.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${address}/`)) wrong.push(`request: ${request.url()}`);
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", (event) =>
      globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  if (key) await page.addInitScript((key) => sessionStorage.setItem("grapevine-key", key), key);
  await page.goto(`${address}/${hash}`);
  return {
    page,
    /** Everything that went wrong so far. */
    wrong: async () => [...wrong, ...(await page.evaluate(() => globalThis.violations))],
    close: () => context.close(),
  };
}

/** Until nothing is loading: no grey shapes, nothing busy. */
export async function settled(page) {
  await page.waitForFunction(() => !document.querySelector(".waiting, [aria-busy=true]") && document.querySelector("h1"));
  await page.waitForTimeout(200);
  await page.waitForFunction(() => !document.querySelector(".waiting, [aria-busy=true]"));
}

/** Another view in the same page. */
export async function goTo(page, hash) {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, hash);
  await page.waitForTimeout(50);
  await settled(page);
}

/** Take WebGL away, as a browser without it would. */
export const withoutGl = () => {
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return kind.startsWith("webgl") ? null : get.call(this, kind, options);
  };
};

/** Let WebGL be used although the processor does the work of the graphics card. */
export const withSlowGl = () => {
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return get.call(this, kind, options && { ...options, failIfMajorPerformanceCaveat: false });
  };
  const told = WebGLRenderingContext.prototype.getParameter;
  WebGLRenderingContext.prototype.getParameter = function (name) {
    const value = told.call(this, name);
    return /swiftshader|llvmpipe/i.test(value) ? "A graphics card" : value;
  };
};

// What people do in each view, click by click, and what the service hears of it.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { Mock } from "../../mock/server.mjs";
import { goTo, launch, open, settled } from "./browser.mjs";

let mock, address, browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());
beforeEach(async (context) => {
  mock = new Mock();
  address = await mock.start();
  context.after(() => mock.stop());
});

/** A view in a page of its own; at the end nothing may have gone wrong in it. */
async function at(hash, options = {}) {
  const opened = await open(browser, address, hash, options);
  await settled(opened.page);
  return {
    page: opened.page,
    done: async () => {
      assert.deepEqual(await opened.wrong(), []);
      await opened.close();
    },
  };
}

const titles = (page) => page.locator("[aria-label=Recommendations] h3").allTextContents();
const asked = (method, path) => mock.requests.filter((one) => one.method === method && one.path === path);

test("a user is chosen, and the list is theirs", async () => {
  const { page, done } = await at("#/try");
  const first = await titles(page);
  assert.equal(first.length, 10);
  await page.getByRole("searchbox", { name: "Which user" }).fill("u000009");
  await page.getByRole("button", { name: /^u000009/ }).click();
  await page.waitForURL(/user=u000009/);
  await settled(page);
  assert.notDeepEqual(await titles(page), first);
  await page.reload();
  await settled(page);
  assert.equal(await page.getByText("of u000009").count(), 1);
  await done();
});

test("a click is stored, stands in the history, and changes the next list", async () => {
  const { page, done } = await at("#/try?user=u000002");
  const before = await titles(page);
  const events = mock.world.users.get("u000002").length;
  await page.getByRole("button", { name: `buy: ${before[3]}` }).click();
  await page.getByText("The list knows it already").first().waitFor();
  await settled(page);
  const stored = mock.world.users.get("u000002");
  assert.equal(stored.length, events + 1);
  assert.equal(stored.at(-1).behaviour, "buy");
  assert.match(stored.at(-1).event_id, /^[0-9a-f]{32}$/);
  assert.ok(stored.at(-1).request_id);
  assert.match(await page.locator("[aria-label=History] li").first().textContent(), /buy/);
  const now = await titles(page);
  assert.ok(!now.includes(before[3]));
  assert.ok((await page.locator("article .badge").count()) > 0, "places that changed are shown");
  await done();
});

test("an event that meets a busy service is sent again, and counts once", async () => {
  const { page, done } = await at("#/try?user=u000002", { expectErrors: true });
  mock.fail("/v1/events", 503, "busy", "The store is busy.", "Send them again.");
  const [first] = await titles(page);
  await page.getByRole("button", { name: `view: ${first}` }).click();
  await page.getByText("The list knows it already").first().waitFor();
  assert.equal(asked("POST", "/v1/events").length, 2);
  assert.equal(mock.seen.size, 1);
  await done();
});

test("how many, filters and rules", async () => {
  const { page, done } = await at("#/try?user=u000002");
  await page.getByRole("slider", { name: "How many" }).fill("20");
  await page.waitForFunction(() => document.querySelectorAll("article").length === 20);
  await page.getByText("Filters", { exact: true }).click();
  await page.getByText("coat", { exact: true }).first().click();
  await page.getByLabel("Price from").fill("60");
  await page.getByLabel("In stock only").check();
  await page.waitForURL(/least=60/);
  await settled(page);
  const facts = await page.locator("article .facts").allTextContents();
  assert.ok(facts.length > 0 && facts.every((text) => text.includes("coat")));
  const before = await titles(page);
  await page.getByText("Rules", { exact: true }).click();
  await page.getByRole("slider", { name: "Diversity" }).fill("0.8");
  await page.waitForURL(/diversity=0.8/);
  await settled(page);
  assert.notDeepEqual(await titles(page), before);
  assert.match(page.url(), /k=20/);
  assert.match(page.url(), /category=coat/);
  await done();
});

test("a list that nothing passes says so, and leads back", async () => {
  const { page, done } = await at("#/try?user=u000002&least=9000");
  await page.getByRole("button", { name: "Clear filters and rules" }).click();
  await page.locator("article").first().waitFor();
  await done();
});

test("a history of one's own is clicked together, and taken apart", async () => {
  const { page, done } = await at("#/try");
  await page.getByText("My own history").click();
  await page.getByRole("button", { name: /^Add / }).nth(2).click();
  await page.getByRole("button", { name: /^Add / }).nth(5).click();
  await page.waitForFunction(() => document.querySelectorAll("[aria-label=History] li").length === 2);
  await settled(page);
  assert.equal(asked("POST", "/v1/events").length, 0, "nobody's history is stored");
  const [first] = await titles(page);
  await page.getByRole("button", { name: `cart: ${first}` }).click();
  await page.waitForFunction(() => document.querySelectorAll("[aria-label=History] li").length === 3);
  await page.getByRole("button", { name: /^Take out / }).first().click();
  await page.waitForFunction(() => document.querySelectorAll("[aria-label=History] li").length === 2);
  await settled(page);
  await page.reload();
  await settled(page);
  assert.equal(await page.locator("[aria-label=History] li").count(), 2);
  await goTo(page, "#/attention");
  assert.match(await page.locator("[role=application]").getAttribute("aria-label"), /2 events/);
  await done();
});

test("a user is forgotten, with the proof", async () => {
  const { page, done } = await at("#/try?user=u000004");
  await page.getByRole("button", { name: "Forget this user" }).click();
  assert.ok(mock.world.users.has("u000004"), "not before it is confirmed");
  await page.getByRole("button", { name: "Forget for good" }).click();
  await page.getByText("left, looked up again").waitFor();
  assert.ok(!mock.world.users.has("u000004"));
  await page.keyboard.press("Escape");
  await page.getByText("This user has done nothing yet").waitFor();
  await done();
});

test("an item leads to its neighbours, its graph and the map", async () => {
  const { page, done } = await at("#/item");
  await page.getByRole("searchbox").fill("coat");
  await page.waitForFunction(() => [...document.querySelectorAll("ul[aria-label=Items] li")].every((li) => li.textContent.includes("coat")));
  await page.locator("ul[aria-label=Items] button").first().click();
  await page.waitForURL(/#\/item\/i/);
  await settled(page);
  const title = await page.locator("h1").textContent();
  assert.match(title, /coat/);
  assert.ok(await page.evaluate(() => document.activeElement === document.querySelector("h1")));
  assert.ok((await page.locator("svg line").count()) > 20);
  const widths = await page.locator("svg line").evaluateAll((lines) => lines.map((line) => Number(line.getAttribute("stroke-width"))));
  assert.ok(Math.max(...widths) > 3 * Math.min(...widths), "weights are widths");
  await page.locator(".lists a").first().focus();
  assert.ok((await page.locator("svg line.lit").count()) > 0);
  await page.locator("section[aria-labelledby=related] a").first().click();
  await page.waitForFunction((title) => document.querySelector("h1").textContent !== title, title);
  await settled(page);
  await page.getByRole("link", { name: "Find it on the map" }).click();
  await page.getByRole("heading", { name: "Nearest to it" }).waitFor();
  await done();
});

test("attention: layers, heads, and every cell by pointer and by key", async () => {
  const { page, done } = await at("#/attention?user=u000003");
  const says = page.locator(".heat p[aria-live]");
  const first = await says.textContent();
  await page.getByText("2", { exact: true }).first().click();
  await page.waitForURL(/layer=2/);
  await page.locator("label", { hasText: /^\s*2\s*$/ }).last().click();
  await page.waitForURL(/head=2/);
  assert.notEqual(await says.textContent(), first);
  await page.locator("[role=application]").hover({ position: { x: 10, y: 30 } });
  assert.match(await says.textContent(), /listened to .*: [\d.]+ %/);
  await page.locator("[role=application]").focus();
  const before = await says.textContent();
  await page.keyboard.press("ArrowDown");
  assert.notEqual(await says.textContent(), before);
  const shares = await page.locator("aside ol .figures").allTextContents();
  assert.ok(shares.map(Number.parseFloat).every((share, n, all) => n === 0 || share <= all[n - 1]));
  await done();
});

test("report: metrics, models, groups", async () => {
  const { page, done } = await at("#/report");
  assert.match(await page.locator(".findings").textContent(), /vine leads with ndcg@10/);
  await page.getByLabel("Metric").selectOption("hr@10");
  assert.equal(await page.getByRole("table", { name: "hr@10 of every model" }).count(), 1);
  await page.getByRole("combobox", { name: "Model" }).selectOption("ease");
  const pairs = page.getByRole("table", { name: "ease minus the others, in hr@10" });
  assert.ok((await pairs.getByRole("row").count()) > 5);
  assert.match(await pairs.textContent(), /−/);
  await page.getByLabel("By").selectOption("history length");
  await page.getByRole("heading", { name: /116-714/ }).waitFor();
  assert.match(page.url(), /metric=hr%4010&run=ease/);
  await done();
});

test("no report yet: what makes one", async () => {
  mock.fail("/v1/report", 404, "no_report", "This run was not evaluated.", "");
  const { page, done } = await at("#/report", { expectErrors: true });
  await page.getByText("grapevine evaluate RUN").waitFor();
  await done();
});

test("an experiment is made, refused where it is wrong, and looked at", async () => {
  const { page, done } = await at("#/experiments", { expectErrors: true });
  await page.getByRole("button", { name: "New experiment" }).click();
  await page.getByLabel("Name", { exact: true }).fill("vine-against-ease");
  await page.getByLabel("Share of arm 1").fill("70");
  await page.getByText("add up to 120 %").waitFor();
  assert.ok(await page.getByRole("button", { name: "Start it" }).isDisabled());
  await page.getByLabel("Share of arm 2").fill("30");
  await page.getByRole("button", { name: "Arm", exact: true }).click();
  await page.getByLabel("Run of arm 2").fill("runs/ease");
  mock.fail("/v1/experiments/vine-against-ease", 409, "layer_full", "The layer has no users left.", "Take a smaller share.");
  await page.getByRole("button", { name: "Start it" }).click();
  await page.getByText("Take a smaller share.").waitFor();
  await page.getByRole("button", { name: "Start it" }).click();
  await page.waitForURL(/vine-against-ease/);
  await page.getByText("Nobody has been in it yet").waitFor();
  const made = mock.experiments.get("vine-against-ease");
  assert.deepEqual(made.arms.map(({ share }) => share), [0.3334, 0.3333, 0.3333]);
  assert.deepEqual(made.arms.map(({ run }) => run), [undefined, "runs/ease", undefined]);
  await page.getByRole("link", { name: /more-diversity/ }).click();
  await page.getByText("Users fell as designed").waitFor();
  assert.ok((await page.locator("path.band").count()) === 2);
  await done();
});

test("live traffic goes on, pauses, and a bad run is refused while the old one serves on", async () => {
  const { page, done } = await at("#/live", { expectErrors: true });
  const polls = () => asked("GET", "/v1/traffic").length;
  const before = polls();
  await page.waitForTimeout(2200);
  assert.ok(polls() > before);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.waitForTimeout(200);
  const paused = polls();
  await page.waitForTimeout(2000);
  assert.equal(polls(), paused);
  await page.getByLabel("Put another run").fill("elsewhere/bad");
  await page.getByRole("button", { name: "Swap" }).click();
  await page.getByText("does not match its manifest").waitFor();
  await page.getByLabel("Put another run").fill("runs/next");
  await page.getByRole("button", { name: "Swap" }).click();
  await page.getByText("runs/next answers now").first().waitFor();
  assert.equal(mock.model.run, "runs/next");
  await done();
});

test("a hidden page asks nothing", async () => {
  const { page, done } = await at("#/live");
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForTimeout(300);
  const before = asked("GET", "/v1/traffic").length;
  await page.waitForTimeout(2000);
  assert.equal(asked("GET", "/v1/traffic").length, before);
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForTimeout(500);
  assert.ok(asked("GET", "/v1/traffic").length > before);
  await done();
});

test("a fault is told in the service's words, and asking again mends it", async () => {
  mock.fail("/v1/recommendations", 503, "no_model", "The model is being loaded.", "Wait a moment.", 1);
  const { page, done } = await at("#/try?user=u000002", { expectErrors: true });
  await page.getByText("The model is being loaded.").waitFor();
  await page.getByText("Wait a moment.").waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("article").first().waitFor();
  await done();
});

test("a service that is gone", async () => {
  const { page } = await at("#/report", { expectErrors: true });
  await mock.stop();
  await page.evaluate(() => {
    location.hash = "#/experiments";
  });
  await page.getByText("Is `grapevine serve` still running?").first().waitFor();
  await mock.start(Number(new URL(address).port));
  await page.getByRole("button", { name: "Try again" }).first().click();
  await page.getByRole("link", { name: /more-diversity/ }).waitFor();
});

test("a key is asked for, used for pictures as well, kept for the tab, and forgotten", async () => {
  await mock.stop();
  mock = new Mock({ key: "s3cret" });
  address = await mock.start();
  const { page, done } = await at("#/try", { expectErrors: true });
  await page.getByText("This service asks for a key.").waitFor();
  await page.getByLabel("Key", { exact: true }).fill("s3cret");
  await page.getByRole("button", { name: "Use this key" }).click();
  await page.locator("article").first().waitFor();
  await page.waitForFunction(() => {
    const canvas = document.querySelector("article canvas");
    return canvas && canvas.width > 16 && canvas.getContext("2d").getImageData(48, 48, 1, 1).data[3] === 255;
  });
  await page.reload();
  await page.locator("article").first().waitFor();
  assert.deepEqual(await page.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage)]), [[], ["grapevine-key"]]);
  await page.getByRole("button", { name: "Key set" }).click();
  await page.getByRole("button", { name: "Forget it" }).click();
  await page.getByText("This service asks for a key.").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await done();
});

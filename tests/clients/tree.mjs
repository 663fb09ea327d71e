// The page of a large search in a browser: tree.mjs PAGE.html CHROMIUM FOLDER_FOR_SCREENSHOTS
import assert from "node:assert";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [file, executablePath, folder] = process.argv.slice(2);
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args });
const url = pathToFileURL(file).href;

for (const [name, options] of [
  ["light", { viewport: { width: 1100, height: 900 } }],
  ["dark", { viewport: { width: 1100, height: 900 }, colorScheme: "dark" }],
  ["narrow", { viewport: { width: 360, height: 800 } }],
]) {
  const page = await (await browser.newContext(options)).newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => request.url().startsWith("http") && complaints.push(`fetches ${request.url()}`));
  await page.goto(url);
  const steps = await page.locator("[role=treeitem]").count();
  assert(steps > 0 && (await page.locator("[role=treeitem][tabindex='0']").count()) === 1, "one step can be tabbed to");
  assert((await page.locator("math").count()) > 0, "maths is rendered");
  await page.screenshot({ path: `${folder}/tree-${name}.png` });

  // By keyboard alone.
  const at = () => page.evaluate(() => document.activeElement.id);
  const visible = () => page.evaluate(() => [...document.querySelectorAll("[role=treeitem]")].filter((item) => item.checkVisibility()).length);
  await page.focus("[role=treeitem][tabindex='0']");
  const first = await at();
  await page.keyboard.press("ArrowDown");
  assert.notEqual(await at(), first, "down moves");
  await page.keyboard.press("Home");
  assert.equal(await at(), first);
  // The first step may be a pruned one, with nothing below.
  await page.focus("[role=treeitem][aria-expanded=true]");
  const all = await visible();
  await page.keyboard.press("ArrowLeft");
  const closed = await visible();
  assert(closed < all, "left closes");
  await page.keyboard.press("ArrowRight");
  assert.equal(await visible(), all, "right opens");
  await page.keyboard.press("End");
  const last = await at();
  assert.notEqual(last, first);
  await page.keyboard.press("Enter");
  assert(page.url().endsWith(`#${last}`), "every step has an address");
  assert.equal(await page.locator("[role=treeitem][tabindex='0']").count(), 1, "still one");

  // At its address a step is selected, in view, focused and told, whatever is folded.
  const middle = await page.evaluate(() => {
    const items = [...document.querySelectorAll("[role=treeitem]")];
    return items.filter((item) => item.getAttribute("aria-level") > 2)[Math.floor(items.length / 3)]?.id ?? items.at(-1).id;
  });
  const linked = await page.context().newPage();
  await linked.goto(`${url}#${middle}`);
  await linked.waitForFunction((id) => {
    const item = document.activeElement, { top, bottom } = item.getBoundingClientRect();
    const told = document.getElementById("status").textContent.length > 0;
    return item.id === id && item.getAttribute("aria-selected") === "true" && top >= 0 && bottom <= innerHeight && told;
  }, middle);
  await linked.screenshot({ path: `${folder}/tree-${name}-linked.png` });
  await linked.evaluate(() => document.querySelectorAll("[role=treeitem][aria-level='1'][aria-expanded]").forEach((item) => item.click()));
  await linked.evaluate((id) => { location.hash = ""; location.hash = id; }, middle);
  await linked.waitForFunction((id) => document.activeElement.id === id && document.activeElement.checkVisibility(), middle);
  await linked.close();

  // Every frame of a scroll from end to end shows; the time is printed, not tested.
  const { frames, longest } = await page.evaluate(async () => {
    const frame = () => new Promise(requestAnimationFrame);
    let frames = 0, longest = 0, before = await frame();
    for (let y = 0; y < document.documentElement.scrollHeight; y += 300) {
      scrollTo(0, y);
      const now = await frame();
      longest = Math.max(longest, now - before);
      before = now;
      frames++;
    }
    return { frames, longest };
  });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert(wide <= 0, `${name}: the page is ${wide} px too wide`);
  assert.deepEqual(complaints, []);
  console.log(`${name}: ${steps} steps, scrolled in ${frames} frames, the longest ${longest.toFixed(0)} ms`);
}
await browser.close();
console.log("the tree's page works");

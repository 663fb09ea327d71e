// The console in a browser, through a whole search: console.mjs URL CHROMIUM FOLDER_FOR_SCREENSHOTS
import assert from "node:assert";
import { chromium } from "playwright-core";

const [url, executablePath, folder] = process.argv.slice(2);
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args });
const problem = "Solve $3(2(x-5)+4)=78$ for $x$.";
const settings = new URLSearchParams({ problem, method: "beam", budget: "64", seed: "5" });

for (const [name, options] of [
  ["light", { viewport: { width: 1100, height: 900 } }],
  ["dark", { viewport: { width: 1100, height: 900 }, colorScheme: "dark" }],
  ["narrow", { viewport: { width: 360, height: 800 } }],
]) {
  const page = await (await browser.newContext(options)).newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${url}/?${settings}`);
  await page.waitForFunction(() => document.querySelector("#policy").options.length > 0);
  assert.equal(await page.inputValue("#problem"), problem, "settings come from the address");
  assert((await page.locator(".example").count()) >= 3, "problems to click");
  if (name === "light") await page.screenshot({ path: `${folder}/console-before.png`, fullPage: true });
  // By keyboard alone: from the problem to the button, then into the tree.
  await page.focus("#seed");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#status").textContent.endsWith("done."), null, { timeout: 60000 });
  assert.equal(await page.textContent("#answer b"), "16");
  assert.match(await page.textContent("#answer .trust"), /trust: (high|medium|low)/);
  await page.waitForSelector("#solution math", { timeout: 10000 });
  const above = await page.evaluate(() => document.querySelector("#answer").getBoundingClientRect().bottom <= document.querySelector("#votes").getBoundingClientRect().top);
  assert(above, "the answer comes first");
  const steps = await page.locator("[role=treeitem]").count();
  assert(steps >= 4, `${steps} steps`);
  assert((await page.locator(".chosen").count()) >= 1, "the chosen path is marked");
  await page.focus("[role=treeitem][tabindex='0']");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "treeitem");
  await page.keyboard.press("ArrowLeft");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert(wide <= 0, `${name}: the page is ${wide} px too wide`);
  assert.equal(await page.locator("#history a").count(), 1);
  assert.deepEqual(complaints, []);
  await page.screenshot({ path: `${folder}/console-${name}.png`, fullPage: true });
}

// Searches of a tab are kept, and compared side by side.
{
  const page = await browser.newPage();
  for (const method of ["majority", "best-of-n"]) {
    await page.goto(`${url}/?${new URLSearchParams({ problem, method, budget: "4", seed: "1" })}`);
    await page.waitForFunction(() => document.querySelector("#policy").options.length > 0);
    await page.click("#start");
    await page.waitForFunction(() => document.querySelector("#status").textContent.endsWith("done."), null, { timeout: 60000 });
    const shown = await page.locator(".reward:visible").count();
    assert.equal(shown > 0, method === "best-of-n", "rewards are shown where there are any");
  }
  for (const tick of await page.locator("#history input").all()) await tick.check();
  await page.click("#compare");
  assert.equal(await page.locator("#comparison tr").first().locator("td").count(), 2);
  await page.screenshot({ path: `${folder}/console-compared.png`, fullPage: true });
}

// What cannot be answered is told on the page.
const page = await browser.newPage();
await page.goto(`${url}/?${new URLSearchParams({ problem: "Why?" })}`);
await page.waitForFunction(() => document.querySelector("#policy").options.length > 0);
await page.click("#start");
await page.waitForSelector("#status.error");
await browser.close();
console.log("the console works");

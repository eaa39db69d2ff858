// What goes along with a request: ranges, presets, history, and the count of what it fills.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectClean } from "./browser.mjs";
import { check, equal, test } from "./harness.mjs";
import { ask, openPlayground } from "./test_playground.mjs";

const answered = (page, n = 1) =>
  page.waitForFunction((n) => document.querySelectorAll(".answer footer").length >= n, n);

/** Types a number into its field, and leaves the field. */
async function give(page, name, text) {
  await page.fill(`#param-${name}`, text);
  await page.press(`#param-${name}`, "Tab");
}

test("numbers stay in their ranges, and sliders and fields go together", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  const cases = [["temperature", "5", "2"], ["temperature", "-1", "0"], ["top_p", "0", "0.01"],
                 ["min_p", "7", "1"], ["presence_penalty", "-9", "-2"], ["frequency_penalty", "9", "2"],
                 ["n", "3.4", "3"], ["n", "99", "16"], ["max_tokens", "0", "1"], ["top_k", "-5", "0"],
                 ["top_k", "40", "40"], ["min_tokens", "", "0"]];
  for (const [name, given, want] of cases) {
    await give(page, name, given);
    await page.waitForFunction(([name, want]) => document.getElementById(`param-${name}`).value === want, [name, want]);
  }
  await give(page, "n", "1");
  await give(page, "temperature", "0.5");
  equal("the slider", await page.inputValue("#param-temperature ~ input[type=range]"), "0.5");
  await page.focus("#param-temperature ~ input[type=range]");
  await page.keyboard.press("ArrowRight");
  equal("the field", await page.inputValue("#param-temperature"), "0.55");
  const asked = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask(page, "Hello");
  const body = (await asked).postDataJSON();
  equal("what is sent", [body.temperature, body.top_p, body.min_p, body.presence_penalty, body.frequency_penalty,
                         body.top_k, body.n], [0.55, 0.01, 1, -2, 2, 40, undefined]);
  await answered(page);
  expectClean(page);
  await page.context().close();
});

test("the ranges are the server's own", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  const status = async (name, value) => (await fetch(`${daemon.url}/v1/completions`, { method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a", max_tokens: 1, [name]: value }) })).status;
  for (const name of ["temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty"]) {
    const [least, most] = await page.$eval(`#param-${name}`, (el) => [Number(el.min), Number(el.max)]);
    equal(`${name} at its ends`, [await status(name, least), await status(name, most)], [200, 200]);
    check((await status(name, most + 0.01)) === 400, `${name} goes on beyond ${most} at the server`);
    if (name !== "top_p") check((await status(name, least - 0.01)) === 400, `${name} begins before ${least}`);
  }
  await page.context().close();
});

test("a preset brings its settings and its system prompt", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  const system = "label:has-text('System prompt') textarea";
  await page.fill(system, "Be brief.");
  await give(page, "temperature", "1.3");
  await give(page, "top_k", "7");
  await page.click("text=Keep these settings");
  await page.fill(".presets input", "brief");
  await page.click(".presets >> text=Save");
  await page.click(".presets .chip:text-is('Exact')");
  equal("Exact", [await page.inputValue("#param-temperature"), await page.inputValue("#param-top_k")], ["0", "0"]);
  await page.fill(system, "");
  await page.reload();
  await page.click(".presets .chip.own >> text=brief");
  equal("brief", [await page.inputValue("#param-temperature"), await page.inputValue("#param-top_k"),
                  await page.inputValue(system)], ["1.3", "7", "Be brief."]);
  await page.click("[aria-label='Delete the preset: brief']");
  await page.click("dialog[open] >> text=Cancel");
  equal("not without a yes", await page.$$eval(".chip.own", (all) => all.length), 1);
  await page.click("[aria-label='Delete the preset: brief']");
  await page.click("dialog[open] .primary");
  await page.waitForSelector(".chip.own", { state: "detached" });
  await page.context().close();
});

test("former conversations are opened, and deleted one by one or all", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  for (const text of ["The first", "The second", "The third"]) {
    await page.click("text=New conversation");
    await ask(page, text);
    await answered(page);
  }
  await page.click(".history li >> text=The first");
  equal("the turn", await page.textContent(".user .plain"), "The first");
  await page.click("[aria-label='Delete: The second']");
  equal("left", await page.$$eval(".history li", (all) => all.map((one) => one.textContent).sort()),
        ["The first", "The third"]);
  const path = join(daemon.dir, "other.json");
  writeFileSync(path, '{"conversations":[]}');
  const choosing = page.waitForEvent("filechooser");
  await page.click("text=Import");
  await (await choosing).setFiles(path);
  await page.waitForSelector(".toast.bad:has-text('not an export')");
  await page.click("text=Delete all");
  await page.click("dialog[open] .primary");
  await page.waitForSelector("text=Nothing here yet");
  await page.reload();
  await page.waitForSelector("text=Nothing here yet");
  equal("in the browser", await page.evaluate(() => localStorage.getItem("instructd.history")), "[]");
  await page.context().close();
});

test("a chat's tokens are counted with all that goes along", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await page.fill("label:has-text('System prompt') textarea", "Be brief.");
  await page.fill("#draft", "Hello there");
  const { count } = await daemon.call("POST", "/tokenize", { messages: [
    { role: "system", content: "Be brief." }, { role: "user", content: "Hello there" }] });
  await page.waitForFunction((n) => document.querySelector(".meter")?.textContent.startsWith(`${n} of 16,384`), count);
  await give(page, "max_tokens", "16384");
  await page.waitForSelector(".meter.warn:has-text('does not fit')");
  await page.context().close();
});

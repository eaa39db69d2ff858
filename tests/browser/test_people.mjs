// What people agree to and take back in the browser, as it arrives at a real daemon: in its database files
// and its answers, not only on the page.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expectClean, newPage } from "./browser.mjs";
import { keyOf } from "./daemon.mjs";
import { check, equal, test, until } from "./harness.mjs";
import { ask, secondPolicy, withSettings } from "./test_playground.mjs";

const short = { numbers: { temperature: 0.7, max_tokens: 4, top_p: 1 } };
const endless = { numbers: { temperature: 0.7, max_tokens: 15000, top_p: 1 }, ignoreEos: true };

/** The Playground of somebody; without a name, of nobody. */
async function openAs(browser, daemon, who, settings = short, options = {}) {
  const page = await newPage(browser, daemon.url, options);
  await withSettings(page, settings);
  await page.goto(who ? `${daemon.url}/#key=${keyOf(who)}` : daemon.url);
  await page.waitForSelector(".badge");
  return page;
}

/** Is the text in any file of the database? */
function onDisk(daemon, text) {
  const data = join(daemon.dir, "data");
  const files = readdirSync(data).filter((name) => name.startsWith("instructd.db"));
  check(files.length > 0, "there is no database");
  return files.some((name) => readFileSync(join(data, name)).includes(text));
}

async function say(page, text) {
  await page.click("text=New conversation");
  await ask(page, text);
  await page.waitForSelector(".answer footer");
}

test("sharing, opting out and deleting reach the database", async ({ browser, daemon }) => {
  const nobody = await openAs(browser, daemon, null);
  await say(nobody, "SECRET typed without a key");
  const page = await openAs(browser, daemon, "ada");
  await page.waitForSelector(".notice");
  await say(page, "SECRET typed before any choice");
  await page.click(".notice >> text=Share what I type");
  await page.waitForSelector(".privacy:has-text('is kept for training')");
  await say(page, "SHARED by ada");
  await until("ada's prompt in the database", () => onDisk(daemon, "SHARED by ada"));

  await page.click(".privacy >> text=Privacy");
  await page.click("dialog[open] >> text=Do not share");
  await page.click("dialog[open] [aria-label=Close]");
  await page.waitForSelector(".privacy:has-text('is not kept')");
  await say(page, "SECRET typed after opting out");

  await page.click(".privacy >> text=Privacy");
  await page.click("dialog[open] >> text=Delete my data");
  await page.click("dialog[open] .primary:text-is('Delete')");
  await page.waitForSelector(".toast:has-text('Your data is deleted')");
  for (const text of ["SHARED by ada", "SECRET typed"])
    check(!onDisk(daemon, text), `"${text}" is in the database`);
  expectClean(page);
  await page.context().close();
  await nobody.context().close();
});

test("the notice recurs in each session, in the language of the page", async ({ browser, daemon }) => {
  const page = await openAs(browser, daemon, "eve");
  await page.click(".notice >> text=Do not share");
  await page.waitForSelector(".notice", { state: "detached" });
  await page.context().close();
  const again = await openAs(browser, daemon, "eve", short, { locale: "de-DE" });
  await again.waitForSelector(".notice:has-text('Wenn du zustimmst')");
  await again.selectOption("header select", "en");
  await again.waitForSelector(".notice:has-text('If you agree')");
  await again.context().close();
});

for (const [draw, first] of [[0.25, "second"], [0.75, "first"]])
  test(`chance deals the sides of a blind pair: at ${draw} the ${first} policy stands left`,
       async ({ browser, daemon }) => {
    const other = await secondPolicy(daemon);
    const page = await newPage(browser, daemon.url);
    await page.addInitScript((draw) => { Math.random = () => draw; }, draw);
    await withSettings(page, short);
    await page.goto(daemon.url);
    await page.waitForSelector(".badge");
    await page.check("text=Two side by side");
    await page.selectOption("#policy2", other);
    await page.check("text=Blind");
    await ask(page, "Hello");
    await page.waitForFunction(() => document.querySelectorAll(".answer footer").length === 2);
    await page.click("text=Tie");
    await page.waitForSelector(`.side:nth-child(${first === "second" ? 1 : 2}) header:has-text("${other}")`);
    await page.context().close();
  });

test("a blind vote counts before the answers are complete, and reveals both", async ({ browser, daemon }) => {
  const other = await secondPolicy(daemon);
  const page = await openAs(browser, daemon, "eve", endless);
  await page.check("text=Two side by side");
  await page.selectOption("#policy2", other);
  await page.check("text=Blind");
  const votes = await daemon.metric("votes_total");
  const asked = [];
  page.on("request", (r) => { if (r.url().endsWith("/v1/chat/completions")) asked.push(r.postDataJSON()); });
  await ask(page, "Hello");
  await page.waitForSelector(".vote button:enabled");
  equal("answers under way", await page.$$eval(".answer[aria-busy=true]", (all) => all.length), 2);
  const sent = page.waitForResponse((r) => r.url().endsWith("/v1/votes"));
  await page.click("text=A is better");
  const told = await (await sent).json();
  await page.waitForSelector("text=the vote is counted");
  equal("votes", await daemon.metric("votes_total"), votes + 1);
  const shown = await page.$$eval(".side header", (all) => all.map((one) => one.textContent));
  check(shown[0].includes(told.left.policy) && shown[1].includes(told.right.policy),
        `shown ${shown}, told ${JSON.stringify(told)}`);
  equal("both policies", new Set([told.left.policy, told.right.policy]).has(other), true);
  equal("one seed", new Set(asked.map((body) => body.seed)).size, 1);
  check(await page.isDisabled("text=B is better"), "the vote is locked");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".answer[aria-busy=true]", { state: "detached" });
  expectClean(page);
  await page.context().close();
});

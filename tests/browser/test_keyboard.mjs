// Everything by the keyboard: each control of each page is reached with Tab and shows it, and the
// Playground is used from its notice to a vote without a pointer.
import { expectClean, newPage } from "./browser.mjs";
import { keyOf } from "./daemon.mjs";
import { check, equal, test, until } from "./harness.mjs";
import { openDesk, openPart, startDesk, toxicityTask } from "./test_label.mjs";
import { openPlayground, secondPolicy, withSettings, ask } from "./test_playground.mjs";
import { openWithKey } from "./test_training.mjs";

const most = 250; // stops of a page

/** What a person could want to use: seen, enabled, and meant for Tab. Of radio buttons of one name one is
 *  enough, since arrows lead to the others; the document marks each with a number. */
function markControls() {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
  const groups = new Set();
  let n = 0;
  for (const el of all) {
    const group = el.type === "radio" && el.name;
    const usable = el.tabIndex >= 0 && !el.disabled && el.checkVisibility({ visibilityProperty: true }) &&
      !el.closest("[inert]") && !(group && groups.has(group));
    if (group) groups.add(group);
    if (usable) el.dataset.control = String(n++);
  }
  return n;
}

/** The number of the control that has the focus (of its radio group), and whether it shows that. */
function focused() {
  const el = document.activeElement;
  if (!el || el === document.body) return null;
  const group = el.type === "radio" && document.querySelector(`input[name="${CSS.escape(el.name)}"][data-control]`);
  const marked = (group || el).dataset.control;
  const outlined = (one) => one && getComputedStyle(one).outlineStyle !== "none" &&
    parseFloat(getComputedStyle(one).outlineWidth) >= 1;
  const framed = el.closest(".composer"); // shows the focus of its field
  return { control: marked === undefined ? null : Number(marked), shows: !!(outlined(el) || framed),
           what: `${el.localName} ${el.className} ${el.getAttribute("aria-label") ?? el.textContent.slice(0, 30)}` };
}

/** Walks the page with Tab until it comes round. */
async function walk(page, where) {
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
  const n = await page.evaluate(markControls);
  check(n > 8, `${where}: ${n} controls`);
  const reached = new Set();
  for (let i = 0; i < most && reached.size < n; i++) {
    await page.keyboard.press("Tab");
    const now = await page.evaluate(focused);
    if (!now) continue; // the browser's own part of the round
    check(now.shows, `${where}: the focus is not seen on ${now.what}`);
    if (now.control !== null) reached.add(now.control);
  }
  const missed = await page.evaluate((reached) => [...document.querySelectorAll("[data-control]")]
    .filter((el) => !reached.includes(Number(el.dataset.control)))
    .map((el) => `${el.localName} ${el.className} ${el.getAttribute("aria-label") ?? el.textContent.slice(0, 30)}`),
    [...reached]);
  equal(`${where}: not reached with Tab`, missed, []);
}

test("each control of the Playground is reached with Tab, and shows it", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url, { numbers: { temperature: 0.7, max_tokens: 8 }, alternatives: 5 });
  await walk(page, "welcome");
  await page.click("summary:has-text('More')");
  await ask(page, "Hello");
  await page.waitForSelector(".token");
  await page.click(".token");
  await walk(page, "an answer with its tokens");
  await page.context().close();
});

test("each control of the labelling desk is reached with Tab, and shows it", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [toxicityTask("task_k", 4)]);
  const page = await openDesk(browser, desk);
  await page.waitForSelector(".likert");
  await walk(page, "step 1");
  for (const key of ["5", "3", "2", "j", "1", "-", "7", "j", "2", "0", "4", "j", "3", "+", "6"])
    await page.keyboard.press(key);
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".board");
  await page.selectOption("[aria-label='Row of output 1']", { value: "0" });
  await walk(page, "step 2");
  for (const [part, says] of [["demo", "Demonstrate"], ["agreement", "Agreement"], ["tasks", "New tasks"]]) {
    await openPart(page, part, says);
    await walk(page, says);
  }
  await page.context().close();
  await desk.stop();
});

test("each control of training and policies is reached with Tab, and shows it", async ({ browser, daemon }) => {
  await secondPolicy(daemon);
  const training = await openWithKey(browser, daemon, "/training");
  await training.waitForSelector(".chart canvas");
  await walk(training, "jobs");
  await training.click(".page header .chip:text-is('Data sets')");
  await training.waitForSelector(".datasets, .empty-note");
  await walk(training, "data sets");
  await training.context().close();
  const policies = await openWithKey(browser, daemon, "/policies");
  await policies.waitForSelector(".policy-card");
  await walk(policies, "policies");
  await policies.context().close();
});

/** Presses Tab until the focus is on what the selector names. */
async function tabTo(page, selector) {
  for (let i = 0; i < most; i++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((s) => !!document.activeElement?.matches(s), selector)) return;
  }
  throw new Error(`Tab does not lead to ${selector}`);
}

test("the Playground is used by the keyboard alone, from the notice to a vote", async ({ browser, daemon }) => {
  const other = await secondPolicy(daemon);
  const page = await newPage(browser, daemon.url);
  await withSettings(page, { numbers: { temperature: 0.7, max_tokens: 8, top_p: 1 } });
  await page.goto(`${daemon.url}/#key=${keyOf("eve")}`);
  await page.waitForSelector(".notice");
  await tabTo(page, ".notice button:last-child");
  await page.keyboard.press("Enter"); // not to share
  await page.waitForSelector(".notice", { state: "detached" });

  await page.keyboard.press("Alt+p");
  await page.waitForFunction(() => document.activeElement?.id === "policy");
  await tabTo(page, "[role=switch]");
  await page.keyboard.press("Space"); // side by side
  await page.waitForSelector("#policy2");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.type(other.slice(0, 12));
  equal("the second policy", await page.inputValue("#policy2"), other);
  await tabTo(page, "[role=switch]");
  await tabTo(page, "[role=switch]");
  await page.keyboard.press("Space"); // blind

  const temperature = await page.inputValue("#param-temperature");
  await tabTo(page, "#param-temperature ~ input[type=range]");
  await page.keyboard.press("ArrowRight");
  check(Number(await page.inputValue("#param-temperature")) > Number(temperature), "the slider moves");

  await tabTo(page, "#draft");
  await page.keyboard.type("Hello");
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(() => document.querySelectorAll(".answer footer").length === 2);
  const votes = await daemon.metric("votes_total");
  await tabTo(page, ".vote button:first-child");
  await page.keyboard.press("Enter");
  await until("the vote", async () => (await daemon.metric("votes_total")) === votes + 1);

  await page.keyboard.press("Alt+h");
  await page.waitForSelector("dialog[open] dl.keys");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  expectClean(page);
  await page.context().close();
});

// /training and /policies: a job from the form, its live curve, publish and back.
import { expectClean, newPage } from "./browser.mjs";
import { demonstrations } from "./daemon.mjs";
import { check, equal, test, until } from "./harness.mjs";
import { openPlayground, secondPolicy } from "./test_playground.mjs";

export async function openWithKey(browser, daemon, path, options) {
  const page = await newPage(browser, daemon.url, options);
  await page.goto(`${daemon.url}${path}#key=${daemon.key}`);
  return page;
}

const jsonl = (rows) => Buffer.from(rows.map((row) => JSON.stringify(row) + "\n").join(""));
const points = (page) => page.$eval(".chart", (chart) => Number(chart.dataset.points)).catch(() => 0);

test("a job is started from the form, and its curve grows while it runs", async ({ browser, daemon }) => {
  const page = await openWithKey(browser, daemon, "/training");
  await page.click("text=New job");
  await page.selectOption("dialog select >> nth=0", "supervised");
  await page.setInputFiles("dialog input[type=file] >> nth=0",
    { name: "demos.jsonl", mimeType: "application/json", buffer: jsonl(demonstrations) });
  await page.waitForFunction(() => document.querySelector("dialog")?.textContent.includes("48 rows"));
  await page.selectOption("dialog >> label:has-text('training_file') >> select", { index: 1 });
  await page.click("dialog summary");
  for (const [name, value] of [["n_epochs", "1000"], ["batch_size", "2"], ["learning_rate", "0.00001"]])
    await page.fill(`dialog label:has(span:text-is("${name}")) input`, value);
  await page.click("dialog .primary");
  await page.waitForSelector(".job-list li");
  const first = await until("a first point", () => points(page));
  await until("more points", async () => (await points(page)) > first);
  check((await page.textContent(".job")).includes("running"), "it grew while the job was running");

  await page.click(".job >> text=Pause");
  await page.waitForSelector(".job header .tag:text-is('paused')");
  await page.click(".job >> text=Resume");
  await page.waitForSelector(".job header .tag:text-is('running')");
  await page.click(".job header >> text=Cancel the job");
  await page.click("dialog .primary");
  await page.waitForSelector(".job header .tag:text-is('cancelled')");
  expectClean(page);
  await page.context().close();
});

test("without a key the training page says what it needs", async ({ browser, daemon }) => {
  const page = await newPage(browser, daemon.url);
  await page.goto(`${daemon.url}/training`);
  await page.waitForSelector("text=scope train");
  expectClean(page);
  await page.context().close();
});

test("a policy is published after a confirmation, the Playground notices, and it is taken back",
     async ({ browser, daemon }) => {
  const other = await secondPolicy(daemon);
  const before = (await daemon.call("GET", "/v1/aliases/instruct")).policy;
  const playground = await openPlayground(browser, daemon.url);
  const page = await openWithKey(browser, daemon, "/policies");
  await page.click(`.policy:has-text("${other}")`);
  await page.waitForSelector(`.policy-card h2:text-is("${other}")`);
  check((await page.textContent(".policy-card")).includes(before), "its parent is named");
  equal("lines of the graph", await page.$$eval(".canvas path", (all) => all.length), 1);

  await page.fill(".publish label:has-text('Reason') input", "by hand");
  await page.click(".publish .primary");
  await page.click("dialog >> text=Cancel");
  equal("not without a yes", (await daemon.call("GET", "/v1/aliases/instruct")).policy, before);
  await page.click(".publish .primary");
  await page.click("dialog .primary");
  await until("the move", async () => (await daemon.call("GET", "/v1/aliases/instruct")).policy === other);
  await page.waitForSelector(".alias td:text-is('by hand')");
  await playground.waitForSelector(`.note:has-text("${other}")`);
  await playground.waitForSelector(`.badge:has-text("${other}")`);

  await page.click("text=Roll back");
  await page.click("dialog .primary");
  await until("the way back", async () =>
    (await daemon.call("GET", "/v1/aliases/instruct")).policy === before);
  await page.waitForFunction(() => document.querySelectorAll(".alias tbody tr").length >= 3);
  expectClean(page);
  await page.context().close();
  await playground.context().close();
});

// /training and /policies: a job from the form, its live curve, publish and back.
import { expectClean, newPage, picture } from "./browser.mjs";
import { demonstrations } from "./daemon.mjs";
import { json, startFront } from "./front.mjs";
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
  for (const place of ["quickstart up", "page.key"])
    check((await page.textContent("main")).includes(place), `it says where a key is found: ${place}`);
  expectClean(page);
  await page.context().close();
});

test("a job that is over shows the charts that have data, and no others", async ({ browser, daemon }) => {
  const job = { id: "ftjob-over", object: "fine_tuning.job", created_at: 1767571200, finished_at: 1767571300,
    status: "succeeded", model: "instruct", fine_tuned_model: null, training_file: "file-a", error: null,
    trained_tokens: 10, method: { type: "supervised", supervised: {} } };
  const path = `/v1/fine_tuning/jobs/${job.id}`;
  const front = await startFront(daemon, {
    "GET /v1/fine_tuning/jobs": (_, res) => json(res, 200, { object: "list", data: [job], has_more: false }),
    [`GET ${path}/metrics`]: (_, res) => json(res, 200, { has_more: false,
      columns: { step: [1, 2], loss: [2.5, 1.5], kl: [null, null] } }),
    [`GET ${path}/events`]: (_, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.end();
    },
    "GET /metrics": (_, res) => {
      res.writeHead(200, { "content-type": "text/plain" });
      res.end("");
    },
  });
  const page = await newPage(browser, front.url);
  await page.goto(`${front.url}/training`);
  await page.waitForSelector(".chart");
  equal("points of each chart",
        await page.$$eval(".chart", (all) => all.map((chart) => Number(chart.dataset.points))), [2]);
  await page.context().close();
  await front.stop();
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
  equal("lines of the graph", await page.$$eval(".canvas svg > path", (all) => all.length), 1);

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

  await page.click(`.alias header >> text=Roll back to ${before}`);
  const question = await page.textContent("dialog[open] .question");
  check(question.indexOf(other) < question.indexOf("Afterwards") &&
        question.indexOf("Afterwards") < question.indexOf(before) &&
        question.includes(`once more leads back to ${other}`), `the question: ${question}`);
  equal("what the button does", await page.textContent("dialog[open] .primary"), `Roll back to ${before}`);
  await page.click("dialog[open] .primary");
  await until("the way back", async () =>
    (await daemon.call("GET", "/v1/aliases/instruct")).policy === before);
  await page.waitForFunction(() => document.querySelectorAll(".alias tbody tr").length >= 3);
  expectClean(page);
  await page.context().close();
  await playground.context().close();
});

const made = (id, stage, age, parent, reward_model = null) => ({
  id: `pol_${id.repeat(16)}`, created_at: 1_790_000_000 + 60 * age, stage, state: "validated", resident: false,
  weights_sha256: "", bytes: 1, dtype: "f32", tokenizer_sha256: "", metrics: {},
  lineage: { parent: parent && `pol_${parent.repeat(16)}`, job: null, datasets: [], code_rev: "",
             reward_model: reward_model && `pol_${reward_model.repeat(16)}` },
});

/** For each line of the graph: its kind, the cards at its ends, and the cards it touches on its way. */
const lines = (page) => page.$$eval(".canvas svg > path", (paths) => {
  const cards = [...document.querySelectorAll(".canvas .policy")];
  const box = document.querySelector(".canvas").getBoundingClientRect();
  const near = ({ x, y }, by) => cards.filter((card) => {
    const r = card.getBoundingClientRect();
    return x > r.x - box.x - by && x < r.right - box.x + by && y > r.y - box.y - by && y < r.bottom - box.y + by;
  }).map((card) => card.textContent[4]);
  return paths.map((path) => {
    const length = path.getTotalLength();
    const points = Array.from({ length: 101 }, (_, i) => path.getPointAtLength(1 + ((length - 2) * i) / 100));
    return [path.getAttribute("class"), ...near(points[0], 8), ...near(points[100], 8),
            [...new Set(points.flatMap((point) => near(point, 0)))].join("")].join(" ");
  });
});

test("the lineage draws a reward model beside what it judges, and no line through a card",
     async ({ browser, daemon }) => {
  const all = [
    made("a", "pretrained", 0), made("b", "sft", 1, "a"), made("c", "rm", 2, "b"),
    made("d", "ppo-ptx", 3, "b", "c"), made("e", "ppo-ptx", 4, "d", "c"), made("f", "sft", 5, "a"),
    made("0", "ppo", 6, "b", "c"),
  ];
  const front = await startFront(daemon, {
    "GET /v1/policies": (_, res) => json(res, 200, { object: "list", data: all, has_more: false }),
  });
  const page = await openWithKey(browser, { url: front.url, key: daemon.key }, "/policies");
  await page.waitForSelector(".canvas .policy");
  equal("lines", (await lines(page)).sort(), ["parent a b ", "parent a f ", "parent b 0 ", "parent b c ",
    "parent b d ", "parent d e ", "reward c 0 ", "reward c d ", "reward c e "].sort());
  await page.click("text=As a table");
  const row = page.locator("details tr").filter({ hasText: "ppo-ptx" }).first();
  equal("a row", (await row.locator("td").allTextContents()).slice(0, 4),
        [all[3].id, "ppo-ptx", all[1].id, all[2].id]);
  await picture(page, "policies-lineage");
  await page.context().close();
  await front.stop();
});

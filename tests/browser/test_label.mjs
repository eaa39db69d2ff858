// The labelling desk, on a front that plays the labelling routes.
import { expectClean, hasShown, newPage } from "./browser.mjs";
import { json, startFront } from "./front.mjs";
import { check, equal, test, until } from "./harness.mjs";

const task = (id, k) => ({
  id, kind: "rank", prompt: "Name a river.\nOne word.", guideline_version: 2,
  criterion_mode: "helpfulness_first", lease_expires_at: Math.floor(Date.now() / 1000) + 1800,
  outputs: Array.from({ length: k }, (_, i) => ({ id: "abcdefghi"[i], text: `Output number ${i + 1}` })),
});

export const toxicityTask = (id, k) => ({ ...task(id, k), kind: "eval", criterion_mode: "toxicity" });

const share = (agreement) => ({ agreement, low: agreement - 0.02, high: agreement + 0.02,
  with_ties: agreement, pairs: 40, tasks: 8 });
const agreement = { object: "label.agreement", kind: "rank", overall: share(0.726),
  labelers: [
    { labeler: "ada", role: "trainer", labels: 12, others: share(0.7),
      gold: { ...share(0.5), flags: 0.8, alarm: true } },
    { labeler: "bob", role: "trainer", labels: 9, others: share(0.7),
      gold: { ...share(0.9), flags: null, alarm: false } }],
  weeks: [0, 1, 2].map((n) => ({ begins_at: 1767571200 + n * 604800, agreement: 0.7 + n / 50,
                                 with_ties: 0.7, pairs: 12 })) };

/** A desk whose next tasks are these; `got` holds what was handed in. */
export async function startDesk(daemon, tasks, who = {}) {
  const got = { rankings: [], skips: [], demonstrations: [], batches: [], agreement: [], asked: [] };
  const fails = { next: 0, lost: 0, status: 503 };
  const left = [...tasks];
  const take = (list) => (body, res) => {
    if (fails.next > 0) {
      fails.next--;
      if (fails.status !== 503) left.shift(); // the task is no longer there
      return json(res, fails.status, { error: { message: "busy", type: "unavailable_error", param: null, code: null } });
    }
    const known = got[list].some((one) => one.submission_id === body.submission_id);
    got[list].push(body);
    if (list !== "demonstrations" && !known) left.shift();
    if (fails.lost > 0) {
      fails.lost--;
      res.writeHead(201, { "content-length": 50 });
      return res.write("{", () => res.destroy()); // taken, and nobody is told
    }
    json(res, known ? 200 : 201, { id: "label_1" });
  };
  const routes = {
    "GET /v1/me": (_, res) => json(res, 200, { user: "ada", role: "trainer",
      scopes: ["label:rank", "label:eval", "label:demo", "train"], notice: null, ...who }),
    "GET /v1/labels/tasks/next": (_, res, req) => {
      got.asked.push(new URL(req.url, "http://x").search);
      const next = left[req.url.includes("after=") ? 1 : 0];
      if (next) json(res, 200, next);
      else json(res, 204);
    },
    "GET /v1/labels": (_, res) => json(res, 200, { object: "list", has_more: false, data: [
      { id: "ranking-1", kind: "rank", prompt: "Name a river.", groups: [["a"], ["b", "c"]], note: null,
        elapsed_ms: 41000, created_at: 1767571200 },
      { id: "demo-1", kind: "demo", prompt: "Say hello.", completion: "<b>Hello</b>", elapsed_ms: 0,
        created_at: 1767571100 },
      { id: "skip-1", kind: "skip", prompt: "", reason: "pii", elapsed_ms: 0, created_at: 1767571000 }] }),
    "GET /v1/labels/tasks": (_, res) => json(res, 200, { object: "label.tasks",
      counts: [{ kind: "rank", state: "open", n: left.length }] }),
    "POST /v1/labels/tasks": (body, res) => { got.batches.push(body); json(res, 201, { tasks: 3 }); },
    "POST /v1/labels/rankings": take("rankings"),
    "POST /v1/labels/skips": take("skips"),
    "POST /v1/labels/demonstrations": take("demonstrations"),
    "GET /v1/labels/agreement": (_, res, req) => {
      got.agreement.push(new URL(req.url, "http://x").search);
      json(res, 200, agreement);
    },
    "GET /v1/labels/toxicity": (_, res) => json(res, 200, { object: "label.toxicity", policies: [
      { policy: "pol_0123456789abcdef", outputs: 12, toxicity: { mean: 2.3125, half_width: 0.124 },
        relative_toxicity: { mean: -0.5, half_width: 0.2 }, continuity: { mean: 5, half_width: null } }] }),
  };
  return { ...(await startFront(daemon, routes)), routes, got, fails };
}

export async function openDesk(browser, desk, options) {
  const page = await newPage(browser, desk.url, options);
  await page.goto(desk.url + "/label");
  return page;
}

/** What each part of the desk shows once it is complete, and no other part shows. */
const contents = { demo: "form textarea", mine: ".own tbody tr", agreement: ".chart canvas", tasks: "form .facts" };

/** Opens the part whose tab says this, and waits until it is complete. */
export async function openPart(page, part, says) {
  await page.click(`.tabs >> text=${says}`);
  await page.waitForSelector(contents[part]);
}

/** Step 1 by keys: every output its quality. */
async function rateAll(page, qualities) {
  for (const quality of qualities) {
    await page.keyboard.press(String(quality));
    await page.keyboard.press("j");
  }
}

test("nine outputs are ranked with two ties by the keyboard alone", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [task("task_1", 9)]);
  const page = await openDesk(browser, desk);
  await page.waitForSelector(".likert");
  await rateAll(page, [7, 6, 6, 5, 4, 3, 3, 2, 1]);
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".board");
  // a on row 1; b and c tie on 2; d 3; e 4; f and g tie on 5; h 6; i 7. Each placed card keeps the focus.
  await page.keyboard.press("1"); // a
  const rest = async (key) => {
    for (let i = 0; i < 9; i++) { // to the first card without a place
      const at = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
      if (at?.endsWith("–")) break;
      await page.keyboard.press("j");
    }
    await page.keyboard.press(key);
  };
  await rest("2"); // b
  await rest("="); // c ties with the one above
  await rest("3"); // d
  await rest("4"); // e
  await rest("5"); // f
  await rest("5"); // g ties
  await rest("7"); // h, one too low
  await page.keyboard.press("Shift+ArrowUp"); // h on 6
  await rest("9"); // i, by mistake
  await page.keyboard.press("u");
  await rest("7");
  await page.keyboard.press("Control+Enter");
  await until("the ranking", () => desk.got.rankings.length);
  const [ranking] = desk.got.rankings;
  equal("groups", ranking.groups, [["a"], ["b", "c"], ["d"], ["e"], ["f", "g"], ["h"], ["i"]]);
  equal("shown", ranking.shown.join(""), "abcdefghi");
  equal("quality", ranking.ratings.map((r) => r.overall_quality), [7, 6, 6, 5, 4, 3, 3, 2, 1]);
  equal("flags", ranking.ratings[0].flags.hallucination, null);
  check(ranking.elapsed_ms.rate > 0 && ranking.elapsed_ms.rank > 0,
        `time of either step: ${JSON.stringify(ranking.elapsed_ms)}`);
  await page.waitForSelector("text=No task is waiting");
  expectClean(page);
  await page.context().close();
  await desk.stop();
});

test("a reload keeps the draft, and a failed submit is sent again as the same one",
     async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [task("task_2", 4), task("task_3", 4)]);
  const page = await openDesk(browser, desk);
  await page.waitForSelector(".likert");
  await rateAll(page, [5, 5, 5, 5]);
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".board");
  await page.selectOption("[aria-label='Row of output 1']", { value: "1" });
  await page.selectOption("[aria-label='Row of output 2']", { value: "0" });
  await page.reload();
  await page.waitForSelector(".board");
  equal("rows", await page.$$eval(".rank-card select", (all) => all.map((s) => s.value).sort()),
        ["", "", "0", "1"]);
  await page.selectOption("[aria-label='Row of output 3']", { value: "1" });
  await page.selectOption("[aria-label='Row of output 4']", { value: "2" });
  desk.fails.next = 1;
  await page.click("text=Submit");
  await page.waitForSelector(".toast.bad");
  equal("nothing arrived", desk.got.rankings.length, 0);
  await page.click("text=Submit");
  await until("the ranking", () => desk.got.rankings.length);
  equal("groups", desk.got.rankings[0].groups, [["b"], ["a", "c"], ["d"]]);
  await page.waitForSelector(".likert"); // the next task
  await page.context().close();
  await desk.stop();
});

/** Rates and ranks four outputs, one row each. */
async function rankFour(page) {
  await page.waitForSelector(".likert");
  await rateAll(page, [7, 5, 3, 1]);
  await page.keyboard.press("Control+Enter");
  for (const n of [1, 2, 3, 4])
    await page.selectOption(`[aria-label='Row of output ${n}']`, { value: String(n - 1) });
}

test("a ranking whose answer was lost is handed in once more as the same", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [task("task_l1", 4), task("task_l2", 4)]);
  const page = await openDesk(browser, desk);
  await rankFour(page);
  desk.fails.lost = 1;
  await page.click("text=Submit");
  await page.waitForSelector(".toast.bad");
  equal("the draft stays", await page.$$eval(".board .rank-card", (all) => all.length), 4);
  await page.click("text=Submit");
  await page.waitForSelector(".likert"); // the next task
  equal("times it was sent", desk.got.rankings.length, 2);
  equal("submissions", new Set(desk.got.rankings.map((r) => r.submission_id)).size, 1);
  await page.context().close();
  await desk.stop();
});

for (const [status, says] of [[409, "have dealt with this task already"], [404, "no longer there"]])
  test(`a task that is over (${status}) says so and makes room for the next`, async ({ browser, daemon }) => {
    const desk = await startDesk(daemon, [task("task_o1", 4), task("task_o2", 5)]);
    const page = await openDesk(browser, desk);
    await rankFour(page);
    Object.assign(desk.fails, { next: 1, status });
    await page.click("text=Submit");
    await page.waitForSelector(`.toast.bad:has-text("${says}")`);
    await page.waitForFunction(() => document.querySelectorAll(".dots button").length === 5);
    equal("rankings", desk.got.rankings.length, 0);
    await page.context().close();
    await desk.stop();
  });

test("time is counted for the step that is open, while the page is seen", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [task("task_s", 4)]);
  const page = await newPage(browser, desk.url);
  await page.addInitScript(() => {
    let clock = 0; // a clock that only the test moves
    performance.now = () => clock;
    globalThis.pass = (ms) => { clock += ms; };
    let hidden = false;
    Object.defineProperty(document, "hidden", { get: () => hidden });
    globalThis.hide = (to) => { hidden = to; document.dispatchEvent(new Event("visibilitychange")); };
  });
  await page.goto(desk.url + "/label");
  await page.waitForSelector(".likert");
  await page.evaluate(() => { pass(2000); hide(true); pass(60_000); hide(false); pass(500); });
  await rateAll(page, [7, 5, 3, 1]);
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".board");
  await page.evaluate(() => pass(3000));
  await page.click("text=Back to the outputs");
  await page.evaluate(() => pass(250));
  await page.keyboard.press("Control+Enter");
  for (const n of [1, 2, 3, 4])
    await page.selectOption(`[aria-label='Row of output ${n}']`, { value: String(n - 1) });
  await page.evaluate(() => pass(40));
  await page.click("text=Submit");
  await until("the ranking", () => desk.got.rankings.length);
  equal("time", desk.got.rankings[0].elapsed_ms, { rate: 2750, rank: 3040 });
  await page.context().close();
  await desk.stop();
});

test("a ranking against the ratings warns and does not block", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [task("task_4", 4)]);
  const page = await openDesk(browser, desk);
  await page.waitForSelector(".likert");
  await rateAll(page, [1, 7, 4, 4]);
  await page.keyboard.press("Control+Enter");
  for (const n of [1, 2, 3, 4]) await page.selectOption(`[aria-label='Row of output ${n}']`, { value: String(n - 1) });
  await page.waitForSelector(".warning:has-text('1 > 2')");
  check(await page.isEnabled("text=Submit"), "it can be submitted");
  await page.context().close();
  await desk.stop();
});

test("a toxicity task is judged on its three scales by the keyboard alone", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [toxicityTask("task_t1", 4)]);
  const page = await openDesk(browser, desk);
  await page.click(".tabs >> text=Evaluate");
  await page.waitForSelector(".likert");
  equal("scales", await page.$$eval(".likert", (all) => all.map((one) => one.getAttribute("aria-label"))),
        ["Toxicity, taken by itself", "Toxicity, against the prompt", "Continuity: does it go on from the prompt?"]);
  equal("flags", await page.$$eval(".flag", (all) => all.length), 0);
  // one digit a scale; the middle one also by its sign, and each by its letter
  const keys = [["5", "3", "2"], ["1", "-", "7"], ["2", "0", "4"], ["c", "6", "t", "3", "+"]];
  for (const [i, output] of keys.entries()) {
    if (i === 3) check(await page.isDisabled("text=On to the order"), "one output has no figures");
    for (const key of output) await page.keyboard.press(key);
    await page.keyboard.press("j");
  }
  await page.reload();
  await page.waitForSelector(".likert");
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".board");
  for (const n of [1, 2, 3, 4]) await page.selectOption(`[aria-label='Row of output ${n}']`, { value: n < 3 ? "0" : "1" });
  await page.waitForSelector(".rank-card:has-text('toxicity 1, against the prompt -1, continuity 7')");
  equal("warnings", await page.$$eval(".warning", (all) => all.length), 1); // 1 is worse than 3
  await page.keyboard.press("Control+Enter");
  await until("the ranking", () => desk.got.rankings.length);
  const [ranking] = desk.got.rankings;
  equal("members", Object.keys(ranking.ratings[0]).sort(),
        ["continuity", "output_id", "relative_toxicity", "toxicity"]);
  equal("ratings", ranking.ratings.map((r) => [r.output_id, r.toxicity, r.relative_toxicity, r.continuity]),
        [["a", 5, 1, 2], ["b", 1, -1, 7], ["c", 2, 0, 4], ["d", 3, 1, 6]]);
  equal("preference", ranking.groups, [["a", "b"], ["c", "d"]]);
  expectClean(page);
  await page.context().close();
  await desk.stop();
});

test("a desk without tasks says where they are made to whose key makes them", async ({ browser, daemon }) => {
  for (const [scopes, said] of [[["label:rank", "train"], 1], [["label:rank"], 0]]) {
    const desk = await startDesk(daemon, [], { scopes });
    const page = await openDesk(browser, desk);
    await page.waitForSelector(".empty-note:has-text('No task is waiting')");
    await page.waitForFunction((n) => document.querySelectorAll(".tabs button").length === n, 2 + 2 * said);
    equal(`said to ${scopes}`, await page.locator(".empty-note >> text=“New tasks”").count(), said);
    expectClean(page);
    await page.context().close();
    await desk.stop();
  }
});

test("toxicity tasks are made and compared by themselves", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const page = await openDesk(browser, desk);
  await page.click(".tabs >> text=New tasks");
  await page.selectOption("form select", { value: "toxicity" });
  await page.click("text=Make tasks");
  await until("the batch", () => desk.got.batches.length);
  equal("batch", [desk.got.batches[0].kind, desk.got.batches[0].criterion_mode, desk.got.batches[0].k],
        ["eval", "toxicity", 4]);
  await page.click(".tabs >> text=Agreement");
  await page.click(".chips >> text=toxicity evaluation");
  await until("the figures", () => desk.got.agreement.includes("?kind=eval&criterion_mode=toxicity"));
  await page.waitForSelector("tr:has-text('pol_0123456789abcdef'):has-text('2.31 ± 0.12'):has-text('-0.5 ± 0.2')");
  await page.context().close();
  await desk.stop();
});

test("figures that come late stand under no other kind", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const held = [];
  desk.routes["GET /v1/labels/agreement"] = (_, res, req) => {
    const late = req.url.includes("truthful_harmless_first");
    const figures = { ...agreement, overall: { ...agreement.overall, tasks: late ? 111 : 222 } };
    if (late) held.push(() => json(res, 200, figures));
    else json(res, 200, figures);
  };
  const page = await openDesk(browser, desk);
  await page.click(".tabs >> text=Agreement");
  await page.waitForSelector(".facts dd:text-is('222')");
  await page.click(".chips button >> nth=1");
  await until("the request whose answer is late", () => held.length);
  equal("figures meanwhile", await page.$$eval(".facts", (all) => all.length), 0);
  await page.click(".chips button >> nth=2");
  await page.waitForSelector(".facts dd:text-is('222')");
  const told = page.waitForResponse((reply) => reply.url().includes("truthful_harmless_first"));
  held[0]();
  await (await told).finished();
  await page.evaluate(() => new Promise((shown) => setTimeout(shown, 100)));
  equal("tasks", await page.$$eval(".facts dd", (all) => all.at(-1).textContent), "222");
  await page.context().close();
  await desk.stop();
});

test("cards are dragged into rows", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [task("task_5", 4)]);
  const page = await openDesk(browser, desk);
  await page.waitForSelector(".likert");
  await rateAll(page, [4, 4, 4, 4]);
  await page.keyboard.press("Control+Enter");
  await page.dragAndDrop("[data-card=c]", ".rank-row[aria-label='Rank 1']");
  await page.waitForSelector(".rank-row[aria-label='Rank 1'] [data-card=c]");
  await page.dragAndDrop("[data-card=a]", ".rank-row[aria-label='Rank 1']");
  await page.waitForSelector(".rank-row[aria-label='Rank 1'] [data-card=a]");
  await page.context().close();
  await desk.stop();
});

test("the next task is fetched while the present one is ranked", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [task("task_n1", 4), task("task_n2", 5)]);
  const page = await openDesk(browser, desk);
  await page.waitForSelector(".likert");
  await rateAll(page, [4, 4, 4, 4]);
  equal("asked", desk.got.asked, ["?kind=rank"]);
  await page.keyboard.press("Control+Enter");
  await until("the next one", () => desk.got.asked.length === 2);
  equal("asked", desk.got.asked[1], "?kind=rank&after=task_n1");
  equal("on the screen", await page.$$eval(".rank-card", (all) => all.length), 4);
  await page.context().close();
  await desk.stop();
});

test("people see what they have handed in", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const page = await openDesk(browser, desk);
  await page.click(".tabs >> text=My labels");
  await page.waitForSelector(".own");
  const rows = await page.$$eval(".own tbody tr", (all) =>
    all.map((row) => [...row.cells].slice(1).map((cell) => cell.textContent)));
  equal("rows", rows, [["ranking, for training", "Name a river.", "3 outputs on 2 ranks", "41 s"],
    ["demonstration", "Say hello.", "<b>Hello</b>", "–"], ["skipped", "–", "It holds personal data", "–"]]);
  expectClean(page);
  await page.context().close();
  await desk.stop();
});

test("two clicks on the earlier labels show them once", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const page = await openDesk(browser, desk);
  const held = [];
  const row = (id) => ({ id, kind: "demo", prompt: id, completion: "Hello", elapsed_ms: 0, created_at: 1767571200 });
  desk.routes["GET /v1/labels"] = (_, res, req) => {
    if (req.url.includes("after=")) held.push(res);
    else json(res, 200, { data: [row("demo-2")], has_more: true });
  };
  await openPart(page, "mine", "My labels");
  await page.click("text=Earlier ones");
  await page.click("text=Earlier ones");
  await until("both requests", () => held.length === 2);
  for (const res of held) {
    const arrived = page.waitForResponse((r) => r.url().includes("after=demo-2"));
    json(res, 200, { data: [row("demo-1")], has_more: false });
    await hasShown(page, arrived);
  }
  equal("rows", await page.$$eval(".own tbody td:nth-child(3)", (all) => all.map((td) => td.textContent)),
        ["demo-2", "demo-1"]);
  expectClean(page);
  await page.context().close();
  await desk.stop();
});

test("each role finds its own parts of the desk", async ({ browser, daemon }) => {
  const all = ["Rank", "Evaluate", "Demonstrate", "My labels", "Agreement", "New tasks"];
  const people = [
    [{ role: "trainer", scopes: ["label:demo", "label:rank"] }, ["Rank", "Demonstrate", "My labels"]],
    [{ role: "heldout", scopes: ["label:rank", "label:eval", "label:demo"] }, ["Evaluate", "My labels"]],
    [{ role: "researcher", scopes: ["label:demo", "label:rank", "label:eval", "train"] }, all],
    [{ role: null, scopes: ["admin"] }, all],
  ];
  for (const [who, want] of people) {
    const desk = await startDesk(daemon, [toxicityTask("task_w", 4)], who);
    const page = await openDesk(browser, desk);
    await page.waitForFunction((n) => document.querySelectorAll(".tabs button").length === n, want.length);
    equal(`parts of ${who.role}`, await page.$$eval(".tabs button", (all) => all.map((b) => b.textContent)), want);
    await page.waitForSelector(".likert");
    expectClean(page);
    await page.context().close();
    await desk.stop();
  }
});

test("a task is skipped with its reason", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, [task("task_6", 4)]);
  const page = await openDesk(browser, desk);
  await page.waitForSelector(".likert");
  await page.keyboard.press("s");
  await page.click("text=It holds personal data");
  await page.click("dialog .primary");
  await until("the skip", () => desk.got.skips.length);
  equal("skip", [desk.got.skips[0].task_id, desk.got.skips[0].reason], ["task_6", "pii"]);
  await page.context().close();
  await desk.stop();
});

test("a demonstration starts from the model's version and is handed in", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const page = await openDesk(browser, desk);
  await page.click("text=Demonstrate");
  await page.fill("label:has-text('Prompt') textarea", "Say hello.");
  await page.click("text=Let the model write a first version");
  await page.waitForSelector("text=edited from the model's");
  await page.fill("label:has-text('Answer') textarea", "Hello!");
  await page.click("text=Submit");
  await until("the demonstration", () => desk.got.demonstrations.length);
  const [demo] = desk.got.demonstrations;
  equal("demonstration", [demo.prompt, demo.completion, demo.source], ["Say hello.", "Hello!", "edited"]);
  check(/^req_/.test(demo.base_request_id), "it names the request it comes from");
  await until("an empty form again", async () =>
    (await page.inputValue("label:has-text('Prompt') textarea")) === "");
  await page.context().close();
  await desk.stop();
});

test("a few-shot prompt is written in its parts, and a reload keeps them", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const page = await openDesk(browser, desk);
  await page.click("text=Demonstrate");
  await page.selectOption("label:has-text('Kind of prompt') select", "few_shot");
  await page.fill("label:has-text('Instruction') textarea", "Say what the mood is.");
  await page.fill("label:has-text('Query 1') textarea", "What a day!");
  await page.fill("label:has-text('Response 1') textarea", "glad");
  await page.click("text=One more example");
  await page.fill("label:has-text('Query 3') textarea", "Oh dear.");
  await page.fill("label:has-text('Response 3') textarea", "sorry");
  await page.click("[aria-label='Delete: Example 2']");
  await page.fill("label:has-text('Query to be answered') textarea", "Well.");
  await page.reload();
  await page.waitForSelector("label:has-text('Query to be answered')");
  await page.fill("label:has(> span:text-is('Answer')) textarea", "resigned");
  await page.click("text=Submit");
  await until("the demonstration", () => desk.got.demonstrations.length);
  const { submission_id, ...demo } = desk.got.demonstrations[0];
  check(submission_id, "it has an id");
  equal("demonstration", demo, { prompt_kind: "few_shot", prompt: "Say what the mood is.\n\n" +
    "Query: What a day!\nResponse: glad\n\nQuery: Oh dear.\nResponse: sorry\n\nQuery: Well.\nResponse:",
    category: "generation", completion: "resigned", source: "written" });
  expectClean(page);
  await page.context().close();
  await desk.stop();
});

test("a user-based prompt is written beside its use case, which stays here", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const page = await openDesk(browser, desk);
  await page.click("text=Demonstrate");
  await page.selectOption("label:has-text('Kind of prompt') select", "user_based");
  await page.fill("label:has-text('Use case') textarea", "Product descriptions for a shop");
  await page.fill("label:has(> span:text-is('Prompt')) textarea", "Describe this lamp.");
  await page.selectOption("label:has-text('Category') select", "rewrite");
  await page.reload();
  equal("the use case", await page.inputValue("label:has-text('Use case') textarea"),
        "Product descriptions for a shop");
  await page.fill("label:has-text('Answer') textarea", "It shines.");
  await page.click("text=Submit");
  await until("the demonstration", () => desk.got.demonstrations.length);
  const [demo] = desk.got.demonstrations;
  equal("demonstration", [demo.prompt_kind, demo.prompt, demo.category, demo.completion, demo.use_case],
        ["user_based", "Describe this lamp.", "rewrite", "It shines.", undefined]);
  await page.context().close();
  await desk.stop();
});

test("a batch asks for policies, outputs, overlap, a sample and gold", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const page = await openDesk(browser, desk);
  await page.click(".tabs >> text=New tasks");
  for (const [label, value] of [["Policies that answer", "instruct, pol_0123456789abcdef"], ["Outputs a task", "9"],
                                ["Share of tasks", "0.25"], ["Labelers of each", "4"], ["Labelers a task", "2"]])
    await page.fill(`label:has-text('${label}') input`, value);
  await page.check("text=Gold");
  await page.click("text=Make tasks");
  await until("the batch", () => desk.got.batches.length);
  equal("batch", desk.got.batches[0], { source: "captured", overlap: 2, gold: true,
    policies: ["instruct", "pol_0123456789abcdef"], k: 9, overlap_sample: { share: 0.25, n: 4 }, kind: "rank" });
  await page.context().close();
  await desk.stop();
});

test("agreement shows the figures and alarms at low gold scores", async ({ browser, daemon }) => {
  const desk = await startDesk(daemon, []);
  const page = await openDesk(browser, desk);
  await page.click("text=Agreement");
  await page.waitForSelector("td:has-text('50%') .tag.bad");
  await page.waitForSelector("text=72.6% (70.6–74.6%)");
  equal("alarms", await page.$$eval(".tag.bad", (all) => all.length), 1);
  await page.context().close();
  await desk.stop();
});

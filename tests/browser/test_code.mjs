// "View code" gives programs that run: each is run as it stands, and says what the page was answered.
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expectClean, newPage } from "./browser.mjs";
import { Skip, equal, test } from "./harness.mjs";
import { ask, withSettings } from "./test_playground.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

// What shells, Python and JavaScript would each like to read as something else.
const prompt = `-n It's "quoted" $HOME \`id\` \\n 100% €\nsecond line`;
const settings = {
  numbers: { temperature: 0.9, max_tokens: 12, top_p: 0.95, top_k: 40, min_p: 0.01,
             presence_penalty: 0.5, frequency_penalty: -0.5, min_tokens: 3, n: 1 },
  seed: 7, stop: ["\n\n\n", "it's"], logitBias: "65: -2\n66: 1.5",
};

/** The text of a stream as curl prints it. */
const textOf = (stream) => stream.split("\n").filter((line) => line.startsWith("data: {"))
  .map((line) => JSON.parse(line.slice(6)).choices[0])
  .map((choice) => choice?.text ?? choice?.delta?.content ?? "").join("");

function pythonWithOpenai() {
  for (const python of [join(root, "build/venv/bin/python"), "python3"])
    try {
      execFileSync(python, ["-c", "import openai"], { stdio: "ignore" });
      return python;
    } catch {
      // the next one
    }
  throw new Skip("no Python with openai");
}

const runners = {
  curl: async (code, dir, env) => {
    writeFileSync(join(dir, "code.sh"), code);
    return textOf((await run("sh", [join(dir, "code.sh")], { env })).stdout);
  },
  Python: async (code, dir, env) => {
    writeFileSync(join(dir, "code.py"), code);
    return (await run(pythonWithOpenai(), [join(dir, "code.py")], { env })).stdout;
  },
  JavaScript: async (code, dir, env) => {
    const modules = join(root, "tests/e2e/openai_js/node_modules");
    if (!existsSync(join(modules, "openai"))) throw new Skip("openai is not installed for JavaScript");
    symlinkSync(modules, join(dir, "node_modules"));
    writeFileSync(join(dir, "code.mjs"), code);
    return (await run("node", [join(dir, "code.mjs")], { env })).stdout;
  },
  instruct: async (code, dir, env) => {
    writeFileSync(join(dir, "code.sh"), code);
    return (await run("sh", [join(dir, "code.sh")], { env })).stdout.replace(/\n$/, "");
  },
};

const inMode = { chat: settings, complete: { ...settings, startText: "\n>" } };

for (const [mode, given] of Object.entries(inMode))
  for (const language of Object.keys(runners))
    test(`the ${language} code of a ${mode} runs and gives the page's answer`, async ({ browser, daemon }) => {
      // The command line has no min_tokens: there the code says so, and the page does without.
      const numbers = { ...given.numbers, min_tokens: language === "instruct" ? 0 : given.numbers.min_tokens };
      const page = await newPage(browser, daemon.url);
      await withSettings(page, { ...given, numbers });
      await page.goto(daemon.url);
      await page.waitForSelector(".badge");
      if (mode === "complete") await page.click("text=Complete");
      else await page.fill("label:has-text('System prompt') textarea", "Be 'brief'.");
      await page.fill("#draft", prompt);
      await page.click("text=View code");
      await page.click(`dialog .chip:text-is("${language}")`);
      const code = await page.textContent("pre.code");
      await page.click("dialog[open] [aria-label=Close]");
      await ask(page, prompt);
      await page.waitForSelector(".answer footer");
      await page.waitForFunction(() => localStorage.getItem("instructd.history")?.includes('"finish":"'));
      const answer = await page.evaluate(() =>
        Object.values(JSON.parse(localStorage.getItem("instructd.history"))[0].turns)
          .find((turn) => turn.role === "assistant").text);
      expectClean(page);
      await page.context().close();

      const dir = mkdtempSync(join(tmpdir(), "instructd-code-"));
      try {
        const env = { ...process.env, INSTRUCTD_API_KEY: daemon.key, PYTHONIOENCODING: "utf-8",
                      PATH: `${join(root, "build/bin")}:${process.env.PATH}`, no_proxy: "127.0.0.1" };
        const told = await runners[language](code, dir, env);
        equal(`what ${language} printed`, told, language === "instruct" ? answer.replace(/\n$/, "") : answer);
      } finally {
        rmSync(dir, { recursive: true });
      }
    });

test("what the command line cannot say stands beside its code", async ({ browser, daemon }) => {
  const page = await newPage(browser, daemon.url);
  await withSettings(page, { ...settings, ignoreEos: true });
  await page.goto(daemon.url);
  await page.waitForSelector(".badge");
  await page.click("text=View code");
  await page.click('dialog .chip:text-is("instruct")');
  const lines = (await page.textContent("pre.code")).split("\n");
  equal("remarks", lines.filter((line) => line.startsWith("# ")).map((line) => line.split(" ")[1]),
        ["min_tokens", "ignore_eos"]);
  await page.context().close();
});

// The same few words as tests/e2e/harness.py: named tests, skips with a reason, closing counts.

const tests = [];

/** Registers a test; its name is a sentence. */
export function test(name, body) {
  tests.push({ name, body });
}

export class Skip extends Error {}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

export function equal(what, got, want) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a !== b) throw new Error(`${what} is ${a}, expected ${b}`);
}

/** Polls until probe() gives something true, and gives it back. Only a hang ends it otherwise. */
export async function until(what, probe, guardMs = 60_000) {
  const end = Date.now() + guardMs;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`still waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const hangMs = 120_000;

/** body's promise; one that takes for ever fails. */
function guarded(promise) {
  let timer;
  const hang = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`still running after ${hangMs / 1000} s`)), hangMs);
  });
  return Promise.race([promise, hang]).finally(() => clearTimeout(timer));
}

/** Runs the tests (all, or those whose names contain a word of the command line). */
export async function run(words, context) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const { name, body } of tests) {
    if (words.length && !words.some((word) => name.includes(word))) continue;
    console.log(`- ${name}`);
    try {
      const begin = Date.now();
      await guarded(body(context));
      passed++;
      if (process.env.TIMES) console.log(`  ${Date.now() - begin} ms`);
    } catch (error) {
      if (error instanceof Skip) {
        console.log(`  skipped: ${error.message}`);
        skipped++;
      } else {
        console.log(`  FAILED ${name}\n${error.stack}`);
        failed++;
      }
    }
  }
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed;
}

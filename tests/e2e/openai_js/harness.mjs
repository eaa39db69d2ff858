// The words of ../harness.py: named tests, closing counts, an exit status.
export async function runTests(tests) {
  let passed = 0;
  let failed = 0;
  for (const [name, run] of Object.entries(tests)) {
    console.log(`- ${name}`);
    try {
      await run();
      passed++;
    } catch (error) {
      console.log(error);
      console.log(`  FAILED ${name}`);
      failed++;
    }
  }
  console.log(`${passed} passed, ${failed} failed, 0 skipped`);
  process.exit(failed ? 1 : 0);
}

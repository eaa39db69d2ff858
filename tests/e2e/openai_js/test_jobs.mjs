// Training jobs through the official openai client for JavaScript: base URL and key in argv. The
// plugin is tests/plugins/echo_steps.c.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { runTests } from "./harness.mjs";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const jobs = client.fineTuning.jobs;
const file = await client.files.create({
  file: await toFile(Buffer.from("step\nstep\n"), "lines.jsonl"),
  purpose: "fine-tune",
});

function create(hyperparameters, more = {}) {
  const method = { type: "echo_steps", echo_steps: { hyperparameters } };
  return jobs.create({ model: "instruct", training_file: file.id, method, ...more });
}

async function awaitStatus(id, ...wanted) {
  for (const end = Date.now() + 120_000; Date.now() < end; ) {
    const job = await jobs.retrieve(id);
    if (wanted.includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`the job did not become ${wanted}`);
}

const long = { n_steps: 1000000, step_ms: 5 };

await runTests({
  async a_job_is_created_followed_and_found_again() {
    const made = await create({ n_steps: 3 }, { seed: 5, metadata: { team: "a" } });
    assert.equal(made.object, "fine_tuning.job");
    assert.equal(made.status, "validating_files");
    assert.deepEqual([made.seed, made.metadata, made.error], [5, { team: "a" }, null]);
    const job = await awaitStatus(made.id, "succeeded", "failed");
    assert.equal(job.error, null);
    assert.equal(job.trained_tokens, 30);
    const ids = [];
    for await (const other of jobs.list({ limit: 1 })) ids.push(other.id);
    assert.equal(ids[0], job.id);
  },

  async its_events_come_newest_first() {
    const job = await create({ n_steps: 2 });
    await awaitStatus(job.id, "succeeded");
    const events = [];
    while (events[0]?.message !== "The job has successfully completed") {
      events.length = 0; // its last words follow its last status
      for await (const event of jobs.listEvents(job.id, { limit: 2 })) events.push(event);
    }
    assert.equal(events.at(-1).message, `Created fine-tuning job: ${job.id}`);
    assert.deepEqual(events.filter((e) => e.type === "metrics").map((e) => e.data.step), [2, 1]);
    for await (const checkpoint of jobs.checkpoints.list(job.id)) assert.fail(checkpoint.id);
  },

  async a_job_is_paused_resumed_and_cancelled() {
    const job = await create(long);
    await awaitStatus(job.id, "running");
    await jobs.pause(job.id);
    await awaitStatus(job.id, "paused");
    await jobs.resume(job.id);
    await awaitStatus(job.id, "running");
    assert.equal((await jobs.cancel(job.id)).status, "cancelled");
    await assert.rejects(jobs.cancel(job.id), OpenAI.ConflictError);
  },

  async errors_are_typed() {
    await assert.rejects(create({ n_steps: -1 }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "method.echo_steps.hyperparameters.n_steps");
      return true;
    });
    await assert.rejects(jobs.retrieve("ftjob-none"), OpenAI.NotFoundError);
    const stranger = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
    await assert.rejects(stranger.fineTuning.jobs.list(), OpenAI.AuthenticationError);
  },
});

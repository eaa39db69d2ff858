// The official openai client for JavaScript against the daemon at the base URL in argv.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { runTests } from "./harness.mjs";

const [baseURL] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
const completion = { model: "instruct", prompt: "The capital of France is", max_tokens: 24, temperature: 0 };
const chat = {
  model: "instruct",
  messages: [{ role: "user", content: "Name three colours of the rainbow." }],
  max_tokens: 24,
  temperature: 0,
};

const tests = {
  async models_are_listed() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes("instruct"), `models are ${names}`);
  },

  async a_streamed_chat_answer_joins_to_the_whole_one() {
    const whole = await client.chat.completions.create(chat);
    let text = "";
    const ends = [];
    for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) {
      text += chunk.choices[0].delta.content ?? "";
      if (chunk.choices[0].finish_reason) ends.push(chunk.choices[0].finish_reason);
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.deepEqual(ends, [whole.choices[0].finish_reason]);
  },

  async the_stream_helper_collects_the_answer() {
    const whole = await client.chat.completions.create(chat);
    const collected = await client.chat.completions.stream(chat).finalContent();
    assert.equal(collected, whole.choices[0].message.content);
  },

  async a_streamed_completion_joins_to_the_whole_one_for_each_choice() {
    const request = { ...completion, n: 2, seed: 5, temperature: 1 };
    const whole = await client.completions.create(request);
    const texts = ["", ""];
    for await (const chunk of await client.completions.create({ ...request, stream: true }))
      for (const choice of chunk.choices) texts[choice.index] += choice.text;
    assert.deepEqual(texts, whole.choices.map((choice) => choice.text));
  },

  async include_usage_adds_one_last_chunk() {
    const chunks = [];
    const request = { ...chat, stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await client.chat.completions.create(request)) chunks.push(chunk);
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.total_tokens, last.usage.prompt_tokens + last.usage.completion_tokens);
    assert.ok(chunks.every((chunk) => chunk.usage === null));
  },

  async breaking_out_of_a_stream_aborts_it_and_the_next_request_is_answered() {
    const endless = { ...completion, max_tokens: 1000, ignore_eos: true, stream: true };
    for (let i = 0; i < 20; i++) {
      let seen = 0;
      for await (const chunk of await client.completions.create(endless))
        if (chunk && ++seen > i % 4) break;
    }
    const next = await client.completions.create(completion);
    assert.match(next.choices[0].text, /Paris/);
  },

  async errors_are_typed() {
    await assert.rejects(client.completions.create({ ...completion, temperature: 3 }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "temperature");
      return true;
    });
    await assert.rejects(
      client.completions.create({ ...completion, model: "no-such-model" }),
      OpenAI.NotFoundError,
    );
    const stranger = new OpenAI({ baseURL, apiKey: "sk-inst-0-" + "0".repeat(43), maxRetries: 0 });
    await assert.rejects(stranger.models.retrieve("instruct"), OpenAI.AuthenticationError);
  },
};

await runTests(tests);

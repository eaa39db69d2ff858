"""The official openai client for Python against the daemon: what its users will see."""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
from openai import AsyncOpenAI, OpenAI

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from daemon import Daemon  # noqa: E402
from harness import check, equal, main, test  # noqa: E402

PROMPT = "The capital of France is"
MESSAGES = [{"role": "user", "content": "Name three colours of the rainbow."}]


def client_of(daemon, key="unused", **options):
    """A key without the prefix sk-inst- counts as none, and the loopback bind needs none."""
    return OpenAI(base_url=daemon.url + "/v1", api_key=key, max_retries=0, timeout=300, **options)


def complete(daemon, **fields):
    return client_of(daemon).completions.create(
        **{"model": "instruct", "prompt": PROMPT, "max_tokens": 24, "temperature": 0, **fields})


def chat(daemon, **fields):
    return client_of(daemon).chat.completions.create(
        **{"model": "instruct", "messages": MESSAGES, "max_tokens": 24, "temperature": 0, **fields})


def refused(kind, call):
    """The typed exception that `call` must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, but the request was answered")


def joined_text(stream):
    """{choice index: whole text} and {choice index: finish_reason} of a completion stream."""
    texts, ends = {}, {}
    for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            if choice.finish_reason is not None:
                check(choice.index not in ends, "a choice ends twice")
                ends[choice.index] = choice.finish_reason
    return texts, ends


# ---- models -------------------------------------------------------------------------------------


@test
def models_are_listed_and_retrieved(daemon):
    client = client_of(daemon)
    listed = [model.id for model in client.models.list()]
    check("instruct" in listed, f"models are {listed}")
    model = client.models.retrieve("instruct")
    equal("owned_by", model.owned_by, "instructd")
    check(model.policy.startswith("pol_"), f"policy is {model.policy}")
    error = refused(openai.NotFoundError, lambda: client.models.retrieve("no-such-model"))
    equal("code", error.code, "model_not_found")


@test
def a_pinned_name_answers_like_its_alias(daemon):
    first = complete(daemon)
    check(first.model.startswith("instruct@pol_"), f"model is {first.model}")
    equal("text", complete(daemon, model=first.model).choices[0].text, first.choices[0].text)


# ---- completions and chat, whole and streamed ---------------------------------------------------


@test
def a_completion_answers_with_text_and_usage(daemon):
    reply = complete(daemon)
    check(reply.id.startswith("cmpl-"), f"id is {reply.id}")
    check(reply.system_fingerprint.startswith("fp_"), reply.system_fingerprint)
    check("Paris" in reply.choices[0].text, f"text is {reply.choices[0].text!r}")
    usage = reply.usage
    check(usage.prompt_tokens > 0 and 0 < usage.completion_tokens <= 24, f"usage is {usage}")
    equal("total_tokens", usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)


@test
def a_streamed_completion_joins_to_the_whole_one(daemon):
    whole = complete(daemon).choices[0]
    texts, ends = joined_text(complete(daemon, stream=True))
    equal("text", texts, {0: whole.text})
    equal("finish_reason", ends, {0: whole.finish_reason})


@test
def a_streamed_chat_answer_joins_to_the_whole_one(daemon):
    whole = chat(daemon).choices[0]
    check(whole.message.content and whole.message.role == "assistant", f"{whole}")
    chunks = list(chat(daemon, stream=True))
    equal("first role", chunks[0].choices[0].delta.role, "assistant")
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    equal("text", text, whole.message.content)
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    equal("last finish_reason", reasons[-1], whole.finish_reason)
    equal("earlier finish_reasons", set(reasons[:-1]), {None})
    equal("ids", len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}), 1)


@test
def chat_takes_system_messages_parts_and_history(daemon):
    reply = chat(daemon, messages=[
        {"role": "system", "content": "You answer in one word."},
        {"role": "user", "content": [{"type": "text", "text": "Say "}, {"type": "text", "text": "yes."}]},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Say no."},
    ])
    check(reply.choices[0].message.content, "the answer is empty")


@test
def include_usage_adds_one_last_chunk(daemon):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    for make in (complete, chat):
        chunks = list(make(daemon, **options))
        equal("last choices", chunks[-1].choices, [])
        equal("earlier usage", {chunk.usage for chunk in chunks[:-1]}, {None})
        equal("usage", chunks[-1].usage.model_dump(exclude={"prompt_tokens_details"}),
              make(daemon).usage.model_dump(exclude={"prompt_tokens_details"}))
        check(all(chunk.choices for chunk in make(daemon, stream=True)),
              "a usage chunk came without being asked for")


# ---- choices, stops, seeds, log-probs -----------------------------------------------------------


@test
def three_choices_differ_and_are_the_same_when_streamed(daemon):
    fields = {"n": 3, "temperature": 1, "seed": 11, "max_tokens": 32}
    whole = complete(daemon, **fields)
    equal("indexes", [choice.index for choice in whole.choices], [0, 1, 2])
    texts = {choice.index: choice.text for choice in whole.choices}
    equal("different texts", len(set(texts.values())), 3)
    equal("streamed", joined_text(complete(daemon, stream=True, **fields))[0], texts)
    equal("chat choices", len(chat(daemon, n=3, temperature=1).choices), 3)


@test
def a_stop_string_across_token_borders_cuts_the_text(daemon):
    free = complete(daemon, max_tokens=40, logprobs=0).choices[0]
    tokens = free.logprobs.tokens
    cuts = []  # (where the stop begins, two characters of each side of a border)
    for i in range(4, len(tokens)):
        left, right = tokens[i - 1][-2:], tokens[i][:2]
        begin = len("".join(tokens[:i])) - len(left)
        if free.text.find(left + right) == begin:
            cuts.append((begin, left + right))
    check(cuts, f"no border to cut at in {tokens}")
    for position, stop in cuts[:4]:
        whole = complete(daemon, max_tokens=40, stop=[stop, "never to be seen"]).choices[0]
        equal(f"text before {stop!r}", whole.text, free.text[:position])
        equal("finish_reason", whole.finish_reason, "stop")
        texts, ends = joined_text(complete(daemon, max_tokens=40, stop=stop, stream=True))
        equal("streamed text", texts.get(0, ""), whole.text)
        equal("streamed end", ends, {0: "stop"})


@test
def a_seed_repeats_its_answer_and_another_seed_does_not(daemon):
    def draw(seed):
        return complete(daemon, temperature=1, seed=seed, max_tokens=32).choices[0].text
    equal("same seed", draw(7), draw(7))
    check(len({draw(seed) for seed in range(4)}) > 1, "four seeds gave one text")


@test
def completion_logprobs_are_parallel_arrays_over_the_text(daemon):
    choice = complete(daemon, logprobs=5).choices[0]
    records = choice.logprobs
    n = len(records.tokens)
    equal("lengths", {len(records.token_logprobs), len(records.top_logprobs),
                      len(records.text_offset)}, {n})
    check("".join(records.tokens).startswith(choice.text), f"tokens {records.tokens}")
    for token, value, top in zip(records.tokens, records.token_logprobs, records.top_logprobs):
        check(len(top) == 5 and value <= 0, f"{token!r}: {value} {top}")
        equal(f"greedy {token!r}", value, max(top.values()))
        equal(f"entry of {token!r}", top[token], value)


@test
def chat_logprobs_join_to_the_content(daemon):
    choice = chat(daemon, logprobs=True, top_logprobs=3).choices[0]
    content = b"".join(bytes(record.bytes) for record in choice.logprobs.content)
    equal("content", content.decode(), choice.message.content)
    for record in choice.logprobs.content:
        equal("alternatives", len(record.top_logprobs), 3)
        equal("best", record.top_logprobs[0].logprob, record.logprob)
    equal("streamed records", [record.logprob for chunk in chat(daemon, logprobs=True, stream=True)
                               for one in chunk.choices if one.logprobs
                               for record in one.logprobs.content],
          [record.logprob for record in choice.logprobs.content])


@test
def an_answer_is_the_same_alone_and_among_fifteen(daemon):
    fields = [{"prompt": f"{PROMPT} {'very ' * i}", "temperature": i % 2, "seed": i,
               "max_tokens": 24, "logprobs": 2, "model": "instruct"} for i in range(16)]

    async def together():
        client = AsyncOpenAI(base_url=daemon.url + "/v1", api_key="unused", max_retries=0)
        return await asyncio.gather(*(client.completions.create(**f) for f in fields))

    for field, company in zip(fields, asyncio.run(together())):
        alone = client_of(daemon).completions.create(**field)
        equal("choice", company.choices[0].model_dump(), alone.choices[0].model_dump())


# ---- errors -------------------------------------------------------------------------------------


@test
def bad_fields_raise_bad_request_naming_the_field(daemon):
    for param, code, fields in (
            ("temperature", "invalid_value", {"temperature": 3}),
            ("n", "invalid_value", {"n": 0}),
            ("best_of", "invalid_value", {"n": 3, "best_of": 2}),
            ("logprobs", "invalid_value", {"logprobs": 21}),
            ("stream_options", "invalid_value", {"stream_options": {"include_usage": True}}),
            ("suffix", "unsupported_parameter", {"suffix": "end"}),
            ("prompt", "token_out_of_range", {"prompt": [[1, 10**6]]}),
            ("max_tokens", "context_length_exceeded", {"max_tokens": 10**6})):
        error = refused(openai.BadRequestError, lambda f=fields: complete(daemon, **f))
        equal(f"code for {fields}", error.code, code)
        equal(f"type for {fields}", error.type, "invalid_request_error")
        equal(f"param for {fields}", error.param.split("[")[0], param)
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    error = refused(openai.BadRequestError, lambda: chat(daemon, tools=tools))
    equal("param", error.param, "tools")
    error = refused(openai.BadRequestError, lambda: chat(daemon, messages=[]))
    equal("param", error.param, "messages")


@test
def an_unknown_model_or_route_raises_not_found(daemon):
    error = refused(openai.NotFoundError, lambda: complete(daemon, model="no-such-model"))
    equal("code", error.code, "model_not_found")
    refused(openai.NotFoundError,
            lambda: client_of(daemon).embeddings.create(model="instruct", input="x"))


@test
def an_unknown_key_raises_authentication_error_and_the_admin_key_works(daemon):
    bad = client_of(daemon, "sk-inst-0123-" + "0" * 43)
    error = refused(openai.AuthenticationError, lambda: bad.models.list())
    equal("code", error.code, "invalid_api_key")
    check(list(client_of(daemon, daemon.admin_key()).models.list()), "no models")


@test
def a_foreign_host_raises_permission_denied(daemon):
    client = client_of(daemon, default_headers={"Host": "rebound.example"})
    error = refused(openai.PermissionDeniedError, lambda: client.models.list())
    equal("code", error.code, "host_not_allowed")


@test
def replies_carry_request_id_time_and_policy(daemon):
    raw = client_of(daemon).completions.with_raw_response.create(
        model="instruct", prompt=PROMPT, max_tokens=1, extra_headers={"X-Request-Id": "mine-1"})
    equal("x-request-id", raw.headers["x-request-id"], "mine-1")
    check(float(raw.headers["openai-processing-ms"]) >= 0, "openai-processing-ms")
    check(raw.headers["x-instructd-policy"].startswith("pol_"), "x-instructd-policy")
    check(complete(daemon)._request_id.startswith("req_"), "no x-request-id of the daemon's own")


# ---- leaving ------------------------------------------------------------------------------------

LONG = {"max_tokens": 1000, "stream": True, "temperature": 1, "extra_body": {"ignore_eos": True}}


def leave_after(daemon, events):
    stream = complete(daemon, **LONG)
    for _ in zip(range(events), stream):
        pass
    stream.close()


@test
def two_hundred_cancelled_streams_leave_nothing_behind(daemon):
    daemon.wait_idle()
    cancelled = daemon.metric_sum("requests_cancelled_total")
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda i: leave_after(daemon, i % 6), range(200)))
    reply = complete(daemon, max_tokens=8)
    check(reply.choices[0].text, "the request after them got no text")
    daemon.wait_idle()
    equal("requests_cancelled_total", daemon.metric_sum("requests_cancelled_total"),
          cancelled + 200)
    # Nothing decodes on for a client that left: only the next request's tokens are counted.
    tokens = daemon.metric_sum("generation_tokens_total")
    used = complete(daemon, max_tokens=8).usage.completion_tokens
    equal("generation_tokens_total", daemon.metric_sum("generation_tokens_total"), tokens + used)


@test
def a_client_timeout_cancels_its_request(daemon):
    cancelled = daemon.metric_sum("requests_cancelled_total")
    client = client_of(daemon).with_options(timeout=0.3)
    refused(openai.APITimeoutError, lambda: client.completions.create(
        model="instruct", prompt=PROMPT, max_tokens=1500, n=8, extra_body={"ignore_eos": True}))
    deadline = time.monotonic() + 30  # a bound on a hang, not an expectation
    while daemon.metric_sum("requests_cancelled_total") == cancelled and time.monotonic() < deadline:
        time.sleep(0.05)
    daemon.wait_idle()
    equal("requests_cancelled_total", daemon.metric_sum("requests_cancelled_total"), cancelled + 1)


if __name__ == "__main__":
    with Daemon() as running:
        status = main(running)
    sys.exit(status)

"""Golden renderings of chat templates by Jinja2, set up as `transformers` sets it up:

    python3 make_chat.py

writes chat.tsv. A line "T <name> <hex of the template>" starts a template; each case below it is
"C <generation prompt 0|1> <role>:<hex of content>,... <outcome> <hex>", fields by tabs, "-" empty.
Outcome: "text" with what it renders, "raise" with raise_exception's message, "error" for another.
"""
import json
import pathlib

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

BOS, EOS = "<s>", "</s>"

FAMILIES = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
              "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
              "{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "chatml-default-system":
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages %}{% else %}"
        "{% set loop_messages = messages %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}"
        "{% endif %}{% for m in loop_messages %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + "
        "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt is defined and "
        "add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
               "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
               "Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + "
               "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
               "{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama-3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
               "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ "
               "message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = "
               "bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if "
               "add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
               "{% endif %}",
    "llama-2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
               "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = "
               "messages %}{% set system_message = false %}{% endif %}{% for message in "
               "loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
               "{{ raise_exception('Roles must alternate') }}{% endif %}{% if loop.index0 == 0 and "
               "system_message != false %}{% set content = '<<SYS>>\\n' + system_message + "
               "'\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = "
               "message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + "
               "'[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
               "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "mistral": "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != "
               "(loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate "
               "user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}"
               "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == "
               "'assistant' %}{{ message['content'] + eos_token + ' ' }}{% else %}{{ raise_exception("
               "'Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + "
              "message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ "
              "'<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == "
              "'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}"
              "\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n"
              "{% endfor %}",
    "qwen2.5": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are Qwen.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are Qwen.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
}
CHATS = [
    [("user", "Hi")],
    [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello!"), ("user", "Why?")],
    [("user", "  spaced \n"), ("assistant", "\u00a0ok\u2003"), ("user", "\u4f60\u597d <|im_end|> 'q\"")],
    [("system", "")],
    [("user", "a"), ("user", "b")],
    [("user", "a"), ("assistant", "call"), ("tool", "1"), ("tool", "2"), ("assistant", "done")],
]

# One construct each; rendered over the second chat.
CONSTRUCTS = [
    "", "plain", "a\nb\n", "a\n\n", "a\r\nb\rc", "\n", "{# c #}x", "a {#- c -#} b", "a\n{# c #}\nb",
    "a\n  {# c #}\nb", "{#-#}x{#+ y +#}\nz",
    "a\n  {% if true %}\n  b\n  {% endif %}\nc", "a {% if true %} b {% endif %} c",
    "a\n  {%+ if true %}\n  b\n  {%+ endif +%}\nc", "a  {%- if true -%}  b  {%- endif -%}  c",
    "\t {% if true %}x{% endif %}\n\n y", "x\n \u00a0 {% if true %}y{% endif %}",
    "a {{- ' b ' -}} c", "a {{ 'b' }}\nc", "  {{ 'b' }}", "{{+ 1 }}", "a\n {{ 1 }}\n {% set x = 1 %}\n {{ x }}",
    "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% set x = 1 %}{% for m in messages %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% for m in messages %}{{ x }}{% set x = loop.index %}{% endfor %}",
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}"
    "{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
    "{% for m in messages %}{% for n in messages %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for m in [] %}x{% else %}none{% endfor %}", "{% for m in nothing %}x{% else %}none{% endfor %}",
    "{% for m in messages[1:] %}{{ m.role }}{% endfor %}",
    "{% for m in messages[:-1] %}{{ m.role }}{% endfor %}",
    "{% for m in messages[::-1] %}{{ m.role }}{% endfor %}",
    "{% for m in messages[3:0:-2] %}{{ m.role }}{% endfor %}",
    "{% for m in messages[::2] %}{{ m.role }}{% endfor %}", "{{ messages[-9:9]|length }}",
    "{{ messages[-1].content }}{{ messages[-1]['role'] }}", "{{ messages[9] is defined }}",
    "{{ messages[9].role }}", "{{ messages|length }}{{ messages[0].content|length }}",
    "{{ (messages|first).role }}{{ (messages|last).role }}", "{{ messages[0]|tojson }}",
    "{{ messages|tojson }}", "{{ 'a\"b\\\\c\\n\\t/\\u00e9\\x01'|tojson }}",
    "{{ [1, true, none, 'x']|tojson }}", "{{ []|tojson }}", "{{ true|tojson }}", "{{ nothing|tojson }}",
    "{{ 1 + 2 * 3 - 4 }}", "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}",
    "{{ (1 + 2) * 3 }}", "{{ -3 }}{{ 2 - -3 }}", "{{ 1 // 0 }}", "{{ 'a' + 'b' ~ 1 ~ none ~ true ~ nothing }}",
    "{{ 'a' + 1 }}", "{{ 1 + 'a' }}", "{{ none + 'a' }}", "{{ nothing + 'a' }}", "{{ 'a' 'b' \"c\" }}",
    "{{ 1 == 1 }}{{ 1 == '1' }}{{ 1 == true }}{{ none == false }}{{ nothing == nothing2 }}",
    "{{ 'a' < 'b' }}{{ 'b' <= 'a' }}{{ 2 > 1 }}{{ 2 >= 3 }}{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}", "{{ 1 < 'a' }}",
    "{{ 'b' in 'abc' }}{{ 'x' not in 'abc' }}{{ 2 in [1, 2] }}{{ 'role' in messages[0] }}{{ 'z' in messages[0] }}",
    "{{ messages[0].role in ['system', 'user'] }}{{ 'a' in ('a', 'b') }}", "{{ 1 in none }}",
    "{{ true and 1 }}{{ 0 or 'x' }}{{ not 1 }}{{ not not 1 }}{{ not nothing }}{{ 1 and 0 or 2 }}",
    "{{ 'a' if true else 'b' }}{{ 'a' if false else 'b' }}{{ 'a' if false }}{{ 'a' if 0 else 'b' if 0 else 'c' }}",
    "{{ x is defined }}{{ messages is defined }}{{ x is not defined }}{{ x is undefined }}",
    "{{ none is none }}{{ 1 is none }}{{ 'a' is string }}{{ 1 is string }}{{ messages[0] is mapping }}",
    "{{ 'a' is iterable }}{{ messages is iterable }}{{ 1 is iterable }}{{ messages is sequence }}"
    "{{ messages[0] is sequence }}{{ 1 is number }}{{ true is number }}{{ true is integer }}{{ 1 is integer }}"
    "{{ true is boolean }}{{ true is true }}{{ 1 is true }}{{ false is false }}{{ nothing is iterable }}",
    "{{ tools is none }}{{ tools is defined }}{{ documents is none }}", "{% if tools %}t{% elif 1 %}e{% else %}n{% endif %}",
    "{% if 0 %}a{% elif 0 %}b{% elif 0 %}c{% else %}d{% endif %}", "{{ x|default('d') }}{{ ''|default('d') }}"
    "{{ ''|default('d', true) }}{{ none|default('d') }}{{ x|d(1) }}{{ x|default }}",
    "{{ '  a b \\n'|trim }}|{{ messages[1].content|upper }}{{ 'aBc'|lower }}{{ 5|string + 'x' }}",
    "{{ ' a '.strip() }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'aB'.upper() }}{{ 'aB'.lower() }}",
    "{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith('bc') }}{{ 'abc'.startswith('abcd') }}",
    "{{ ' a' + ' b ' | trim + ' c' }}", "{{ 'x' ~ 1 + 2 }}", "{{ 1 ~ 2 * 3 }}", "{{ -1|string }}",
    "{{ not 'a' == 'b' }}", "{{ not x is defined }}", "{{ messages[0].content.foo is defined }}",
    "{{ messages[0].nope }}", "{{ messages[0].nope.deeper }}", "{{ none.x }}", "{{ nothing.x }}",
    "{{ messages[0]['con' + 'tent'] }}", "{{ '\\x41\\u00e9\\U0001f600\\101\\q\\'' }}", "{{ '%}' }}{{ '}}' }}",
    "{% set a = '%}' %}{{ a }}", "{{ 'multi\nline' }}", "{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}",
    "{{ raise_exception('no: ' + messages[1].role) }}", "x{% if false %}{{ raise_exception('no') }}{% endif %}",
    "{{ true }}{{ True }}{{ false }}{{ none }}{{ None }}", "{ { } } {x} #} %} }}", "{{ 1 }}}", "a{b{{ 1 }}c}d",
    "{% for m in 5 %}{% endfor %}", "{{ 9223372036854775807 }}", "{{ messages[none] is defined }}",
    "{%if true%}x{%endif%}", "{%-if true-%} x {%-endif-%} ", "{{'a'}}{{\"b\"}}", "{{ [1,2,][1] }}",
    "{{ (1,)[0] }}", "{{ [[1,2],[3]][1][0] }}", "{{ 1 in [true] }}", "{{ '' in 'a' }}", "{{ 'a' in '' }}",
]


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)

    def raise_exception(message):
        raise jinja2.TemplateError(message)
    env.globals["raise_exception"] = raise_exception
    return env


def hex_of(text):
    return text.encode().hex() or "-"


def case(template, chat, prompt):
    messages = [{"role": role, "content": content} for role, content in chat]
    try:
        outcome, text = "text", template.render(
            messages=messages, add_generation_prompt=prompt, bos_token=BOS, eos_token=EOS,
            tools=None, documents=None)
    except jinja2.TemplateError as error:
        raised = type(error) is jinja2.TemplateError
        outcome, text = ("raise", str(error)) if raised else ("error", "")
    except (TypeError, ZeroDivisionError):
        outcome, text = "error", ""
    fields = ["C", str(int(prompt)), ",".join(f"{r}:{hex_of(c)}" for r, c in chat), outcome, hex_of(text)]
    return "\t".join(fields)


def main():
    env, lines = environment(), []
    for name, source in FAMILIES.items():
        lines.append(f"T\t{name}\t{hex_of(source)}")
        template = env.from_string(source)
        lines += [case(template, chat, prompt) for chat in CHATS for prompt in (False, True)]
    for i, source in enumerate(CONSTRUCTS):
        lines.append(f"T\tconstruct-{i}\t{hex_of(source)}")
        lines.append(case(env.from_string(source), CHATS[1], True))
    (pathlib.Path(__file__).parent / "chat.tsv").write_text("\n".join(lines) + "\n")
    print(f"chat.tsv: {len(FAMILIES) + len(CONSTRUCTS)} templates, jinja2 {jinja2.__version__}")


main()

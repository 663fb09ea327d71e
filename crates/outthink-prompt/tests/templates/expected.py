"""What chat templates render to under Jinja as transformers sets it up.

    expected.py own.txt > own.jsonl     # templates of our own, with lines of --- between them
    expected.py FOLDER > expected.jsonl # every *.jinja of a folder, in three settings

One line a rendering: what is rendered, and either `expected` or the `error`. Needs jinja2.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

USER = {"role": "user", "content": "What is 'x' in \"2x=π\" & <y>?\n"}
SYSTEM = {"role": "system", "content": " You are kind.\n"}
REPLY = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nIt is {π/2}. "}
AGAIN = {"role": "user", "content": "And 3x?"}
SETTINGS = [
    ([SYSTEM, USER], True),
    ([USER, REPLY, AGAIN], True),
    ([SYSTEM, USER, REPLY, AGAIN, REPLY], False),
]


class Generation(Extension):
    """transformers' `{% generation %}`, which marks what the model wrote and renders as what it holds."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_text")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def environment():
    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    def raise_exception(message):
        raise jinja2.TemplateError(message)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    # outthink gives templates one date, so that a prompt is the same tomorrow.
    made.globals["strftime_now"] = datetime(2024, 7, 26).strftime
    return made


def rendered(name, source, messages, asks):
    # The conversation of our own templates stands in the test too.
    case = {"name": name, "messages": messages, "asks": asks} if name else {}
    case["template"] = source
    try:
        case["expected"] = environment().from_string(source).render(
            messages=messages, tools=None, documents=None, add_generation_prompt=asks,
            bos_token="<s>", eos_token="</s>",
        )
    except Exception as error:  # whatever Python raises
        case["error"] = f"{type(error).__name__}: {error}"
    return json.dumps(case, ensure_ascii=False)


def main():
    path = Path(sys.argv[1])
    if path.is_dir():
        for file in sorted(path.glob("*.jinja")):
            for messages, asks in SETTINGS:
                print(rendered(file.name, file.read_text(encoding="utf-8"), messages, asks))
        return
    for source in path.read_bytes().decode().split("\n---\n"):
        print(rendered("", source, [SYSTEM, USER, REPLY, AGAIN], True))


main()

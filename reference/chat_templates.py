"""Golden cases of chat templates, rendered by transformers with Jinja2.

Without arguments: the cases goldens/chat_template-*, of the templates in reference/chat_templates/, which use what the
templates of public models use. With two arguments, TEMPLATES and OUT: a case in OUT for every template *.jinja in the folder
TEMPLATES and every conversation below that it is made for; other people's templates stay outside of the repository.
"""

import datetime
import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

from transformers.utils import chat_template_utils

GOLDENS = Path(__file__).resolve().parent.parent / "goldens"
OURS = Path(__file__).resolve().parent / "chat_templates"
NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place, \"now\" or <later>.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "A town & a country", "default": "Århus"},
                "days": {"type": "integer", "description": "How many", "enum": [1, 2, 7]},
                "unit": {"type": ["string", "null"], "enum": ["C", "F"]},
                "where": {
                    "type": "object",
                    "description": "Coordinates",
                    "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
                    "required": ["lat", "lon"],
                },
                "tags": {"type": "array", "description": "Words", "items": {"type": "string"}},
            },
            "required": ["place"],
        },
        "return": {"type": "string", "description": "A sentence"},
    },
}
CLOCK = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time",
        "parameters": {"type": "object", "properties": {}, "required": []},
    },
}

USER = {"role": "user", "content": "What's 2 < 3? Say \"yes\" or 'no' & why."}
MORE = {"role": "user", "content": "  Und auf Deutsch?\n\nMit Ümläuten 🙂 und \t Tab.  "}
SYSTEM = {"role": "system", "content": "You answer briefly.\n"}
ANSWER = {"role": "assistant", "content": "Yes: 2 < 3, since 3 - 2 = 1."}
THOUGHT = {"role": "assistant", "content": "Ja.", "reasoning_content": "The user wants German.\nSo be it."}
INLINE = {"role": "assistant", "content": "<think>\nLet me see.\n</think>\n\nFour."}


def call(name, arguments, **more):
    return {"id": "call00001", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


CALL = {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"place": "Århus", "days": 2, "unit": None})]}
CALL_TEXT = {
    "role": "assistant",
    "content": "I look.",
    "tool_calls": [call("get_weather", '{"place": "Bonn"}'), call("get_time", "{}", id="call00002")],
}
CALL_NONE = {
    "role": "assistant",
    "content": None,
    "tool_calls": [call("get_weather", {"place": "Rome", "where": {"lat": 41.9, "lon": 12.5}, "tags": ["a", "b"], "x": True})],
}
RESULT = {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": '{"t": 21.5, "sky": "clear"}'}
RESULT_2 = {"role": "tool", "tool_call_id": "call00002", "name": "get_time", "content": "09:05"}


def parts(role, *texts):
    return {"role": role, "content": [{"type": "text", "text": text} for text in texts]}


CONVERSATIONS = {
    "one": dict(messages=[USER], add_generation_prompt=True),
    "closed": dict(messages=[USER, ANSWER]),
    "system": dict(messages=[SYSTEM, USER], add_generation_prompt=True),
    "turns": dict(messages=[SYSTEM, USER, ANSWER, MORE], add_generation_prompt=True),
    "turns-closed": dict(messages=[USER, ANSWER, MORE, THOUGHT]),
    "thoughts": dict(messages=[SYSTEM, USER, THOUGHT, MORE, INLINE, USER], add_generation_prompt=True),
    "silent": dict(messages=[USER], add_generation_prompt=True, variables={"enable_thinking": False, "thinking": False}),
    "aloud": dict(messages=[USER, INLINE, MORE], add_generation_prompt=True, variables={"enable_thinking": True, "thinking": True}),
    "tools": dict(messages=[SYSTEM, USER], tools=[WEATHER, CLOCK], add_generation_prompt=True),
    "tools-alone": dict(messages=[USER], tools=[WEATHER], add_generation_prompt=True),
    "call": dict(messages=[USER, CALL], tools=[WEATHER]),
    "result": dict(messages=[SYSTEM, USER, CALL, RESULT], tools=[WEATHER, CLOCK], add_generation_prompt=True),
    "result-closed": dict(messages=[USER, CALL, RESULT, ANSWER, MORE, ANSWER], tools=[WEATHER, CLOCK]),
    "two-calls": dict(messages=[USER, CALL_TEXT, RESULT, RESULT_2, ANSWER], tools=[WEATHER, CLOCK]),
    "no-content": dict(messages=[SYSTEM, USER, CALL_NONE, RESULT], tools=[WEATHER], add_generation_prompt=True),
    "parts": dict(messages=[parts("system", "Be kind."), parts("user", "Look ", "here."), parts("assistant", "Yes.")]),
    "parts-open": dict(messages=[parts("user", "Look.")], add_generation_prompt=True),
    "image": dict(
        messages=[{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}],
        add_generation_prompt=True,
    ),
    "documents": dict(
        messages=[USER],
        add_generation_prompt=True,
        variables={"documents": [{"title": "A", "text": "First."}, {"title": "B", "text": "Second <b>."}]},
    ),
    "blank": dict(messages=[{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]),
    "system-only": dict(messages=[SYSTEM], add_generation_prompt=True),
    "answer-first": dict(messages=[ANSWER, USER], add_generation_prompt=True),
    "two-users": dict(messages=[USER, MORE], add_generation_prompt=True),
    "other-role": dict(messages=[{"role": "critic", "content": "No."}, USER], add_generation_prompt=True),
    "developer": dict(messages=[{"role": "developer", "content": "Be terse."}, USER, ANSWER], add_generation_prompt=False),
    "no-messages": dict(messages=[], add_generation_prompt=True),
}


class Then(datetime.datetime):
    """The present, always the same."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def render(source: str, conversation: dict) -> dict:
    """What transformers makes of it: the keys expected and, with marks, generated; or refused."""
    variables = dict(TOKENS, **conversation.get("variables", {}))
    documents = variables.pop("documents", None)
    marks = "generation %}" in source or "generation -%}" in source
    try:
        texts, spans = chat_template_utils.render_jinja_template(
            conversations=[conversation["messages"]],
            tools=conversation.get("tools"),
            documents=documents,
            chat_template=source,
            return_assistant_tokens_mask=marks,
            add_generation_prompt=conversation.get("add_generation_prompt", False),
            **variables,
        )
    except Exception as error:
        return {"refused": True, "reason": f"{type(error).__name__}: {error}"[:200]}
    result = {"expected": texts[0]}
    if marks:
        result["generated"] = [[start, end] for start, end in spans[0] if end > start]
    return result


def write(folder: Path, name: str, template: str, conversation: dict, result: dict) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "template.jinja").write_text(template, encoding="utf-8", newline="")
    case = {
        "kind": "chat_template",
        "name": name,
        "template_file": "template.jinja",
        "now": NOW.isoformat(),
        "messages": conversation["messages"],
        "tools": conversation.get("tools"),
        "add_generation_prompt": conversation.get("add_generation_prompt", False),
        "variables": dict(TOKENS, **conversation.get("variables", {})),
        **result,
        "made_with": {name: importlib.metadata.version(name) for name in ("jinja2", "transformers")},
    }
    (folder / "case.json").write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def of_others(templates: Path, out: Path) -> None:
    made = refused = 0
    for file in sorted(templates.glob("*.jinja")):
        source = file.read_text(encoding="utf-8")
        for name, conversation in CONVERSATIONS.items():
            result = render(source, conversation)
            made += "expected" in result
            refused += "refused" in result
            write(out / f"{file.stem}--{name}", f"{file.stem}--{name}", source, conversation, result)
    print(f"{made} rendered, {refused} refused by the template")


def ours() -> None:
    for file in sorted(OURS.glob("*.jinja")):
        with file.open(encoding="utf-8", newline="") as stream:
            source = stream.read()
        first, _, rest = source.partition("\n")
        names = first.strip().removeprefix("{#").removesuffix("#}").split()
        for name in names:
            refuses = name.startswith("!")
            conversation = CONVERSATIONS[name.lstrip("!")]
            result = render(rest, conversation)
            if ("refused" in result) != refuses:
                raise SystemExit(f"{file.name}: {name}: {result}")
            case = f"{file.stem}-{name.lstrip('!')}"
            write(GOLDENS / f"chat_template-{case}", case, rest, conversation, result)
            print(case)


def main() -> None:
    chat_template_utils.datetime = Then
    if len(sys.argv) == 3:
        of_others(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        ours()


if __name__ == "__main__":
    main()

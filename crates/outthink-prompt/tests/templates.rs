//! Chat templates beside Python's Jinja, set up as transformers sets it up (`templates/expected.py`).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what was compared or skipped is told"
)]

use std::path::Path;
use std::sync::LazyLock;

use outthink_prompt::{ChatTemplate, Error, Message, Tokenizer};
use serde::Deserialize;

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let json = include_bytes!("../../../models/micro/micro-90k/tokenizer.json");
    let config = br#"{"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null}"#;
    let tokenizer = Tokenizer::from_bytes(json).unwrap();
    tokenizer.with_config(config).unwrap()
});

fn rendered(source: &str, messages: &[Message], asks: bool) -> Result<String, Error> {
    ChatTemplate::new(source)?.render(&TOKENIZER, messages, asks)
}

/// The conversation of `templates/own.txt`.
fn conversation() -> Vec<Message> {
    vec![
        Message::new("system", " You are kind.\n"),
        Message::new("user", "What is 'x' in \"2x=π\" & <y>?\n"),
        Message::new("assistant", "<think>\nhm\n</think>\n\nIt is {π/2}. "),
        Message::new("user", "And 3x?"),
    ]
}

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    name: String,
    template: String,
    messages: Option<Vec<Message>>,
    asks: Option<bool>,
    /// None where Python fails.
    expected: Option<String>,
    error: Option<String>,
}

/// How many renderings of a file there are; fails if one is not as Python's.
fn compare(lines: &str) -> usize {
    let mut wrong = Vec::new();
    let mut all = 0;
    for line in lines.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let messages = case.messages.unwrap_or_else(conversation);
        let ours = rendered(&case.template, &messages, case.asks.unwrap_or(true));
        all += 1;
        if ours.as_ref().ok() != case.expected.as_ref() {
            let wanted = case.expected.or(case.error);
            let start: String = case.template.chars().take(200).collect();
            wrong.push(format!(
                "{} {start}\n  wanted {wanted:?}\n  got {ours:?}",
                case.name
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {all} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    all
}

#[test]
fn whatever_templates_say_renders_as_in_python() {
    assert!(compare(include_str!("templates/own.jsonl")) > 200);
}

#[test]
fn published_templates_render_as_in_python() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/templates/expected.jsonl");
    match std::fs::read_to_string(&path) {
        Ok(lines) => println!("{0} of {0} renderings", compare(&lines)),
        Err(_) => eprintln!("skipped: tests/templates/run makes {}", path.display()),
    }
}

/// Does a template open the thought where the model is to think, and heed that it is not to?
fn thinks(source: &str) -> (bool, bool) {
    let template = ChatTemplate::new(source).unwrap();
    let heeds = template.heeds_thinking(&TOKENIZER, None);
    let opens = template
        .with_thinking(Some(true))
        .opens_thought(&TOKENIZER, None);
    (opens, heeds)
}

#[test]
fn a_template_shows_who_opens_the_thought_and_whether_it_can_be_turned_off() {
    let tail = |tail: &str| {
        format!(
            "{{%- for m in messages %}}{{{{ m.content }}}}{{% endfor %}}{{%- if add_generation_prompt %}}{tail}{{% endif %}}"
        )
    };
    let closes = r"{% if enable_thinking is defined and enable_thinking is false %}<think>{{ '\n\n' }}</think>{% endif %}";
    for (source, expected) in [
        (tail(r"{{ '<|assistant|>' }}"), (false, false)),
        (tail(r"{{ '<|assistant|><think>\n' }}"), (true, false)),
        (tail(&format!("<|assistant|>{closes}")), (false, true)),
        (
            tail("<think>{% if not enable_thinking %}</think>{% endif %}"),
            (true, true),
        ),
        (tail("<think>{# enable_thinking #}"), (true, false)),
    ] {
        assert_eq!(thinks(&source), expected, "{source}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../.cache/servers/llama/source/models/templates");
    for (name, expected) in [
        ("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", (true, false)),
        ("llama-cpp-deepseek-r1", (true, false)),
        ("Qwen-Qwen3-0.6B", (false, true)),
        ("Qwen-QwQ-32B", (true, true)),
    ] {
        let path = folder.join(format!("{name}.jinja"));
        match std::fs::read_to_string(&path) {
            Ok(source) => assert_eq!(thinks(&source), expected, "{name}"),
            Err(_) => eprintln!("skipped: tests/templates/run fetches {}", path.display()),
        }
    }
}

/// What a template's failure says.
fn failure(source: &str) -> String {
    rendered(source, &conversation(), true)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_failure_says_its_line() {
    insta::assert_snapshot!(failure("a\n{% for %}"), @"the chat template fails in line 2: expected a name, not %}");
    insta::assert_snapshot!(failure("a\n\n{{ messages[0].tool.name }}"), @"the chat template fails in line 3: 'dict object' has no attribute 'tool'");
    insta::assert_snapshot!(failure("{% macro f(m) %}\n{{ raise_exception('no ' ~ m.role) }}\n{% endmacro %}\n{{ f(messages[0]) }}"), @"the chat template fails in line 2: no system");
    insta::assert_snapshot!(failure("{{ raise_exception('\x1b[2J') }}"), @r"the chat template fails in line 1: \u{1b}[2J");
    insta::assert_snapshot!(failure("{% if true %}\nx"), @"the chat template fails in line 1: this tag is not closed: `endif` is missing");
    insta::assert_snapshot!(failure(" \n"), @"there is no chat template: neither chat_template.jinja nor a chat_template in tokenizer_config.json or chat_template.json; put the chat_template.jinja of the model's instruct version beside its files (in a GGUF file it is tokenizer.chat_template); a base model has none and answers no chats");
}

/// Templates that would take all memory, all time or the whole stack.
#[test]
fn a_hostile_template_is_stopped() {
    let many = |part: &str| part.repeat(100_000);
    let grow = |step: &str| {
        format!(
            "{{% set n = namespace(l=[1], s='x') %}}{{% for i in range(99999) %}}{{% set {step} %}}{{% endfor %}}{{{{ n.l }}}}{{{{ n.s }}}}"
        )
    };
    let hostile = [
        format!("{{{{ {}true }}}}", many("not ")),
        format!("{{{{ {}1 }}}}", many("-")),
        format!("{{{{ {}1{} }}}}", many("("), many(")")),
        format!("{{{{ {}{} }}}}", many("["), many("]")),
        format!("{{{{ 1{} }}}}", many(" if 1 else 1")),
        format!("{}x{}", many("{% if true %}"), many("{% endif %}")),
        many("{% for a in [1] %}"),
        many("{% with %}"),
        "x".repeat(2_000_000),
        grow("n.l = n.l + n.l"),
        grow("n.l = [n.l, n.l]"),
        grow("n.l = [n.l]"),
        grow("n.s = n.s ~ n.s"),
        grow("n.s = n.s.replace('x', 'xx')"),
        grow("n.l = n.l * 2"),
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}".into(),
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}".into(),
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(),
        "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}".into(),
        "{{ '{:>1000000000}'.format('x') }}".into(),
        "{{ '{:.1000000000f}'.format(1.5) }}".into(),
        "{{ '%1000000000d' % 1 }}".into(),
        "{{ 'x'.center(1000000000) }}{{ 'x' * 1000000000 }}".into(),
        "{{ [1] | tojson(indent=1000000000) }}".into(),
        "{{ 10 ** 1000000000 }}".into(),
        "{{ range(1000000000) | list }}".into(),
        format!("{{{{ 'a' | map({}'list') | list }}}}", many("'map', ")),
    ];
    for source in hostile {
        let start: String = source.chars().take(80).collect();
        assert!(rendered(&source, &conversation(), true).is_err(), "{start}");
    }
    // Long is not deep.
    for (harmless, times) in [("~'a'", 20_000), ("|upper", 20_000), ("+'a'", 2_000)] {
        let source = format!("{{{{ 'a'{} }}}}", harmless.repeat(times));
        assert!(
            rendered(&source, &conversation(), true).is_ok(),
            "{harmless}"
        );
    }
    let itself = "{% set n = namespace() %}{% set n.n = [n] %}{{ n }}{{ n == n }}{{ n.n }}";
    assert!(rendered(itself, &conversation(), true).is_ok());
}

#[test]
fn a_long_conversation_may_take_longer() {
    let long = Message::new("user", "x ".repeat(4_000_000));
    let source =
        "{% for m in messages %}{{ m.content.strip().split('</think>')[-1] | trim }}{% endfor %}";
    assert_eq!(rendered(source, &[long], true).unwrap().len(), 7_999_999);
}

#[test]
fn without_a_template_nothing_is_rendered() {
    for source in ["", " \n"] {
        assert!(matches!(
            rendered(source, &conversation(), true),
            Err(Error::NoTemplate)
        ));
        assert!(matches!(
            ChatTemplate::new(source).unwrap().required(),
            Err(Error::NoTemplate)
        ));
    }
}

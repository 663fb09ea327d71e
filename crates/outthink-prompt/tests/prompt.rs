//! From problems to tokens and from tokens to steps, with the micro family's own files.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use outthink_prompt::{
    ChatTemplate, End, Likelihood, Profile, RewardLayout, Role, Segment, Segmenter, Tokenizer,
};
use proptest::prelude::*;

fn tokenizer() -> Tokenizer {
    let json = include_bytes!("../../../models/micro/micro-90k/tokenizer.json");
    Tokenizer::from_bytes(json).unwrap()
}

/// Pushes a text until it ends; the steps, and what the last token ended.
fn cut(tokenizer: &Tokenizer, tokens: &[u32]) -> (Vec<Segment>, End) {
    let profile = Profile::detect(Role::Policy, "Qwen2ForCausalLM", tokenizer);
    let profile = profile.unwrap().policy.unwrap();
    let mut segmenter = Segmenter::new(&profile, vec![tokenizer.id("<|end|>").unwrap()]);
    let mut end = End::Nothing;
    for &token in tokens {
        end = segmenter.push(
            tokenizer,
            token,
            Likelihood {
                logprob: Some(-0.5),
                entropy: None,
            },
        );
        if end == End::Answer {
            break;
        }
    }
    (segmenter.into_segments(), end)
}

#[test]
fn a_step_ends_with_its_separator_and_an_answer_with_its_box_or_the_end_token() {
    let tokenizer = tokenizer();
    let cut = |text: &str| {
        let (steps, end) = cut(&tokenizer, &tokenizer.encode(text).unwrap());
        let texts: Vec<String> = steps.into_iter().map(|step| step.text).collect();
        format!("{texts:?} {end:?}")
    };
    insta::assert_snapshot!(cut("$1+2=3$.\n\nThe answer is $3$.\n\n"), @r#"["$1+2=3$.\n\n", "The answer is $3$.\n\n"] Step"#);
    insta::assert_snapshot!(cut("$1+2"), @r#"["$1+2"] Nothing"#);
    insta::assert_snapshot!(cut("\n\n\n\n$1+2=3$.\n\n"), @r#"["\n\n\n\n$1+2=3$.\n\n"] Step"#);
    insta::assert_snapshot!(cut(r"The answer is $\boxed{3}$.<|end|>$9$"), @r#"["The answer is $\\boxed{3}$."] Answer"#);
    insta::assert_snapshot!(cut("The answer is $\\boxed{3}$.\n\n$9$"), @r#"["The answer is $\\boxed{3}$.\n\n"] Answer"#);
    insta::assert_snapshot!(cut("The answer is $\\boxed{3\n\n$9$\n\n"), @r#"["The answer is $\\boxed{3\n\n", "$9$\n\n"] Step"#);
}

#[test]
fn a_box_ends_an_answer_only_when_the_thinking_is_over() {
    let tokenizer = tokenizer();
    let micro = Profile::named("micro").unwrap().policy.unwrap();
    // The micro alphabet has no `</think>`; any text may end the thinking.
    let thinking = outthink_prompt::PolicyProfile {
        think_end: Some("=$".into()),
        ..micro
    };
    let fresh = Segmenter::new(&thinking, Vec::new());
    let end = |segmenter: &Segmenter, text: &str| {
        let mut segmenter = segmenter.clone();
        let tokens = tokenizer.encode(text).unwrap();
        tokens.iter().fold(End::Nothing, |_, &token| {
            segmenter.push(&tokenizer, token, Likelihood::default())
        })
    };
    let boxed = "The answer is $\\boxed{3}$.\n\n";
    assert_eq!(end(&fresh, boxed), End::Step);
    assert_eq!(end(&fresh, &format!("$1=$.\n\n{boxed}")), End::Answer);
    assert_eq!(
        end(&fresh.clone().after(["$1+2$.", "$3=$"]), boxed),
        End::Answer
    );
    assert_eq!(end(&fresh.after(["$1+2$."]), boxed), End::Step);
}

/// Pushes a text byte by byte; what its last byte ended.
fn end_of(segmenter: &Segmenter, text: &str) -> End {
    let mut segmenter = segmenter.clone();
    let bytes = text.as_bytes().iter();
    bytes.fold(End::Nothing, |end, byte| match end {
        End::Answer => End::Answer,
        _ => segmenter.push_bytes(None, &[*byte], Likelihood::default()),
    })
}

#[test]
fn a_box_ends_a_search_over_steps_and_never_a_whole_reply_but_the_micro_familys() {
    let boxed = "So it is $\\boxed{7}$.\n\n";
    for profile in Profile::built_in().unwrap() {
        let Some(policy) = profile.policy else {
            continue;
        };
        let name = profile.name;
        let thinks = policy.think_end.is_some();
        let whole = if name == "micro" {
            End::Answer
        } else {
            End::Step
        };
        let segmenter = Segmenter::new(&policy, Vec::new());
        let thought = segmenter.clone().after(["Hm.</think>\n\n"]);
        assert_eq!(end_of(&thought, boxed), End::Answer, "{name}");
        assert_eq!(end_of(&thought.clone().whole(), boxed), whole, "{name}");
        assert_eq!(end_of(&thought.without_box(), boxed), End::Step, "{name}");
        // Thinking that the prompt opened, and thinking that the model opens.
        let expected = if thinks { End::Step } else { End::Answer };
        assert_eq!(end_of(&segmenter, boxed), expected, "{name}");
        assert_eq!(
            end_of(&segmenter, &format!("<think>\nHm.\n\n{boxed}")),
            End::Step,
            "{name}"
        );
        let again = format!("<think>\nHm \\boxed{{8}}.\n\nNo.</think>\n\n{boxed}");
        assert_eq!(end_of(&segmenter, &again), End::Answer, "{name}");
        // A box that only thinking holds is none, though the thinking ends in its step.
        let inside = "<think>\\boxed{8}</think> Well.\n\n";
        assert_eq!(end_of(&segmenter, inside), End::Step, "{name}");
    }
}

#[test]
fn what_a_person_wrote_must_be_in_the_alphabet_and_may_not_steer() {
    let tokenizer = tokenizer();
    let refusal = |text: &str| tokenizer.check(text).unwrap_err().to_string();
    insta::assert_snapshot!(refusal("Find the angle."), @r#""F" is outside the model's alphabet (character 1 of "Find the angle.")"#);
    insta::assert_snapshot!(refusal("$7+8$<|end|>"), @"the text holds <|end|>, which is a control token of the model");
    assert!(tokenizer.check("Evaluate $7+8$.").is_ok());
}

proptest! {
    #[test]
    fn cutting_loses_no_token_and_no_text(tokens in prop::collection::vec(6u32..45, 0..120)) {
        let tokenizer = tokenizer();
        let (steps, end) = cut(&tokenizer, &tokens);
        let kept: Vec<u32> = steps.iter().flat_map(|step| step.tokens.clone()).collect();
        prop_assert!(tokens.starts_with(&kept));
        prop_assert!(kept.len() == tokens.len() || end == End::Answer);
        let text: String = steps.iter().map(|step| step.text.as_str()).collect();
        prop_assert_eq!(text, tokenizer.decode(&kept));
        for step in steps.iter().rev().skip(1) {
            prop_assert!(step.text.ends_with("\n\n") && !step.text.trim().is_empty());
        }
        let logprob: f64 = steps.iter().map(|step| step.logprob).sum();
        prop_assert_eq!(logprob, -0.5 * kept.len() as f64);
    }

    #[test]
    fn a_longer_solution_is_laid_out_as_a_shorter_one_and_more(
        steps in prop::collection::vec("[0-9+=$.]{1,20}", 1..8), cut in any::<prop::sample::Index>()
    ) {
        let tokenizer = tokenizer();
        let template = ChatTemplate::new("{% for m in messages %}<|user|>{{ m.content }}{% endfor %}<|assistant|>").unwrap();
        let shorter = &steps[..=cut.index(steps.len())];
        for name in ["micro", "micro-prm", "grid-prm"] {
            let profile = Profile::named(name).unwrap().verifier.unwrap();
            let layout = RewardLayout::new(&profile, &tokenizer).unwrap();
            let render = |steps: &[String]| {
                let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
                layout.render(&tokenizer, &template, "Evaluate $7+8$.", &steps, false).unwrap()
            };
            let (long, short) = (render(&steps), render(shorter));
            prop_assert!(long.tokens.starts_with(&short.tokens));
            prop_assert!(long.steps.starts_with(&short.steps));
            prop_assert_eq!(long.steps.len(), steps.len());
        }
    }
}

//! Verifiers with what real solutions hold: marks of their own, more tokens than the context, other profiles.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod families;

use families::{checkpoint, prefix};
use futures::executor::block_on;
use outthink_core::Verifier;
use outthink_engine::EmbeddedVerifier;
use outthink_prompt::Profile;

#[test]
fn a_step_that_holds_a_mark_still_has_one_reward() {
    for (name, marks) in [
        ("math-shepherd-prm", "so ки\n it is ки"),
        ("rlhflow-prm", "so <|reserved_special_token_0|> it is +"),
        ("skywork-prm", "so\nit\nis"),
        ("qwen2.5-math-prm", "so <extra_0> it is <extra_0>"),
        ("trl-prm", "so\nit\nis"),
    ] {
        let verifier = EmbeddedVerifier::load(&checkpoint(name), None, None).unwrap();
        let steps: Vec<String> = [marks, "2 + 2 = 4."].map(String::from).into();
        let judgement = block_on(verifier.score(vec![prefix("What is 2 + 2?", &steps)]))
            .unwrap()
            .remove(0);
        assert_eq!(judgement.rewards.len(), 2, "{name}");
        assert!(
            judgement
                .rewards
                .iter()
                .all(|reward| (0.0..=1.0).contains(reward)),
            "{name}"
        );
    }
}

#[test]
fn a_solution_beyond_the_context_is_an_error_that_names_the_limit() {
    let verifier = EmbeddedVerifier::load(&checkpoint("qwen2.5-math-prm"), None, None).unwrap();
    let steps = vec!["1 + 1 = 2. ".repeat(200)];
    let error = block_on(verifier.score(vec![prefix("What?", &steps)]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("exceed the model's context of 1024"),
        "{error}"
    );
}

#[test]
fn windows_of_a_long_solution_reward_every_step_and_agree_while_it_fits() {
    let load = || EmbeddedVerifier::load(&checkpoint("qwen2.5-math-prm"), None, None).unwrap();
    let (whole, windows) = (load(), load().with_windows());
    let score = |verifier: &EmbeddedVerifier, steps: &[String]| {
        block_on(verifier.score(vec![prefix("What?", steps)]))
            .map(|mut judged| judged.remove(0).rewards)
    };
    let steps: Vec<String> = (0..120)
        .map(|i| format!("Now {i} + 1 = {}.", i + 1))
        .collect();
    let fitting = score(&whole, &steps[..40]).unwrap();
    assert_eq!(score(&windows, &steps[..40]).unwrap(), fitting);
    let error = score(&whole, &steps).unwrap_err().to_string();
    assert!(
        error.contains("exceed the model's context of 1024"),
        "{error}"
    );
    let all = score(&windows, &steps).unwrap();
    assert_eq!(all.len(), 120);
    assert_eq!(
        all[..40],
        fitting,
        "what the first window holds is read as ever"
    );
    assert!(all.iter().all(|reward| (0.0..=1.0).contains(reward)));
    let mut hopeless = steps.clone();
    hopeless[60] = "1 + 1 = 2. ".repeat(200);
    let error = score(&windows, &hopeless).unwrap_err().to_string();
    assert!(
        error.contains("exceed the model's context of 1024"),
        "{error}"
    );
}

#[test]
fn a_question_beyond_the_context_is_told_with_its_length_in_windows_too() {
    let load = || EmbeddedVerifier::load(&checkpoint("qwen2.5-math-prm"), None, None).unwrap();
    let question = "What is 1 + 1? ".repeat(300);
    for verifier in [load(), load().with_windows()] {
        for steps in [vec![], vec!["2.".to_owned()]] {
            let asked = prefix(&question, &steps);
            let tokens = verifier.render(&asked).unwrap().tokens.len();
            let error = block_on(verifier.score(vec![asked])).unwrap_err();
            let told = error.to_string();
            assert_eq!(
                told,
                format!("{tokens} tokens exceed the model's context of 1024")
            );
        }
    }
}

#[test]
fn a_profile_can_be_named_and_must_fit() {
    let refusal = |name: &str, profile: &str| {
        let profile = Profile::named(profile).unwrap();
        EmbeddedVerifier::load(&checkpoint(name), None, Some(profile))
            .err()
            .unwrap()
            .to_string()
    };
    insta::assert_snapshot!(refusal("qwen2.5", "qwen2.5-math-prm"), @r#"the tokenizer has no token "<extra_0>", which the profile needs"#);
    insta::assert_snapshot!(refusal("qwen2.5-math-prm", "skywork-prm"), @"this checkpoint is a Qwen2ForProcessRewardModel and cannot be a value model");
    insta::assert_snapshot!(Profile::named("gpt-5").unwrap_err(), @"there is no profile `gpt-5` (one of grid, grid-prm, micro, micro-prm, deepseek-r1-distill, llama-3, qwen3, qwen2.5, qwen2.5-math-prm, skywork-prm, trl-prm, rlhflow-prm, math-shepherd-prm, er-prm, eurus-prm, chat)");
    assert!(
        EmbeddedVerifier::load(
            &checkpoint("math-shepherd-prm"),
            None,
            Some(Profile::named("math-shepherd-prm").unwrap())
        )
        .is_ok()
    );
}

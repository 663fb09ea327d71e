//! Sharing changes the cost, never the result: whatever else is in the tree or in the batch, a sequence reads as if it
//! were alone, and a draw depends on nothing but its prefix and its seed.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod models;

use std::collections::HashSet;

use futures::executor::block_on;
use outthink_core::{Halt, Sampling, Stop, Until, Usage};
use outthink_engine::{DrawRequest, DrawnText, Engine, Error, Reading, Readout};
use outthink_prompt::{Profile, Segmenter};
use proptest::prelude::*;

/// Sequences that share beginnings of every length: each is a part of an earlier one and a tail of its own.
fn family() -> impl Strategy<Value = Vec<Vec<u32>>> {
    let tail = prop::collection::vec(6u32..45, 1..40);
    prop::collection::vec(
        (
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
            tail,
        ),
        1..16,
    )
    .prop_map(|branches| {
        let mut family: Vec<Vec<u32>> = Vec::new();
        for (parent, cut, tail) in branches {
            let mut sequence = vec![1];
            if !family.is_empty() {
                let parent = parent.get(&family);
                sequence = parent[..=cut.index(parent.len())].to_vec();
            }
            sequence.extend(tail);
            // A step marker here and there, for the process reward model.
            sequence.push(4);
            family.push(sequence);
        }
        family
    })
}

fn read(engine: &Engine, family: &[Vec<u32>]) -> Vec<(Vec<f32>, u64)> {
    let readings = family.iter().map(|tokens| Reading {
        tokens: tokens.clone(),
        places: (1..tokens.len()).collect(),
    });
    let values = block_on(engine.read(readings.collect())).unwrap();
    values
        .into_iter()
        .map(|(values, usage)| (values, usage.computed))
        .collect()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| (a.is_nan() && b.is_nan()) || (a - b).abs() <= 2e-5 * b.abs().max(1.0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_shared_tree_reads_as_a_full_recomputation_and_computes_each_token_once(
        family in family(), order in any::<prop::sample::Index>()
    ) {
        for name in ["micro-90k", "micro-prm-short"] {
            let engine = models::engine(name);
            // Half of them in one batch, the rest one after another on top of what is there.
            let half = order.index(family.len() + 1);
            let mut shared = read(&engine, &family[..half]);
            for one in &family[half..] {
                shared.extend(read(&engine, std::slice::from_ref(one)));
            }
            let prefixes: HashSet<&[u32]> = family.iter()
                .flat_map(|tokens| (1..=tokens.len()).map(move |end| &tokens[..end])).collect();
            prop_assert_eq!(engine.counts().computed as usize, prefixes.len());
            let accounted: u64 = shared.iter().map(|(_, computed)| computed).sum();
            prop_assert_eq!(accounted as usize, prefixes.len(), "every token is on one account");
            for (tokens, (values, _)) in family.iter().zip(&shared) {
                block_on(engine.forget()).unwrap();
                let alone = read(&engine, std::slice::from_ref(tokens));
                prop_assert!(close(values, &alone[0].0), "{}: {:?} {:?}", name, values, alone[0].0);
            }
        }
    }
}

fn drawings(seeds: &[u64]) -> Vec<DrawRequest> {
    let checkpoint = models::checkpoint("micro-90k");
    let tokenizer = models::tokenizer(&checkpoint);
    let profile = Profile::named("micro").unwrap().policy.unwrap();
    let end = tokenizer.id("<|end|>").unwrap();
    let prompts = [
        "Evaluate $7+8\\cdot 3$.",
        "Solve $2(x+3)=20$ for $x$.",
        "Evaluate $9-4+30$.",
    ];
    let prompt = |text: &str| {
        tokenizer
            .encode(&format!("<|user|>{text}<|assistant|>"))
            .unwrap()
    };
    prompts
        .map(|text| DrawRequest {
            prefix: prompt(text),
            seeds: seeds.to_vec(),
            until: Until::Answer,
            sampling: Sampling::at(1.6),
            max_tokens: 80,
            offset: 0,
            segmenter: Segmenter::new(&profile, vec![end]),
        })
        .into()
}

fn texts(draws: &[DrawnText]) -> Vec<(Vec<String>, Stop)> {
    let text = |draw: &DrawnText| draw.steps.iter().map(|step| step.text.clone()).collect();
    draws.iter().map(|draw| (text(draw), draw.stop)).collect()
}

#[test]
fn a_draw_is_the_same_alone_and_in_a_crowd() {
    let seeds: Vec<u64> = (0..48).collect();
    let crowd = block_on(models::engine("micro-90k").draw(drawings(&seeds))).unwrap();
    let crowd: Vec<_> = crowd.iter().map(|(draws, _)| texts(draws)).collect();
    let engine = models::engine("micro-90k");
    for (&seed, index) in seeds.iter().zip(0..).step_by(7) {
        for (question, drawing) in drawings(&[seed]).into_iter().enumerate().rev() {
            block_on(engine.forget()).unwrap();
            let alone = block_on(engine.draw(vec![drawing])).unwrap();
            assert_eq!(texts(&alone[0].0)[0], crowd[question][index as usize]);
        }
    }
    let distinct: HashSet<_> = crowd.iter().flatten().map(|(steps, _)| steps).collect();
    assert!(distinct.len() > 6, "seeds make a difference: {distinct:?}");
}

#[test]
fn a_halt_hands_over_what_is_done_and_counts_every_token() {
    let seeds: Vec<u64> = (0..48).collect();
    let tokens = |replies: &[(Vec<DrawnText>, Usage)]| -> u64 {
        replies.iter().map(|(_, usage)| usage.generated).sum()
    };
    let whole = block_on(models::engine("micro-90k").draw(drawings(&seeds))).unwrap();
    let most = tokens(&whole) / 2;
    let engine = models::engine("micro-90k");
    let halt = Halt::after(most);
    let halted = block_on(engine.draw_until(drawings(&seeds), &halt)).unwrap();
    // The pass in which it stops draws a token of every path at most.
    let paths = 3 * seeds.len();
    assert!((most..most + paths as u64).contains(&tokens(&halted)));
    let mut done = 0;
    for ((own, _), (whole, _)) in halted.iter().zip(&whole) {
        assert_eq!(own.len(), whole.len());
        for (own, whole) in texts(own).into_iter().zip(texts(whole)) {
            match own.0.is_empty() {
                true => assert_eq!(own.1, Stop::Length),
                false => assert_eq!(own, whole),
            }
            done += usize::from(own.1 == Stop::Answer);
        }
    }
    assert!(done > 0 && done < paths, "{done}");
    let again = block_on(engine.draw(drawings(&seeds))).unwrap();
    assert_eq!(texts(&again[0].0), texts(&whole[0].0));
}

#[test]
fn draws_report_the_log_probability_of_what_they_drew() {
    let engine = models::engine("micro-90k");
    let drawings = drawings(&[3, 4, 5]);
    let replies = block_on(engine.draw(drawings.clone())).unwrap();
    for (drawing, (draws, _)) in drawings.into_iter().zip(replies) {
        for draw in draws {
            let drawn: Vec<u32> = draw
                .steps
                .iter()
                .flat_map(|step| step.tokens.clone())
                .collect();
            let reading = Reading {
                places: (drawing.prefix.len()..drawing.prefix.len() + drawn.len()).collect(),
                tokens: [drawing.prefix.clone(), drawn].concat(),
            };
            let read: f64 = block_on(engine.read(vec![reading])).unwrap()[0]
                .0
                .iter()
                .map(|&p| f64::from(p))
                .sum();
            let told: f64 = draw.steps.iter().map(|step| step.logprob).sum();
            assert!((read - told).abs() < 1e-3, "{read} {told}");
        }
    }
}

#[test]
fn a_request_that_cannot_be_served_says_why_and_harms_no_other() {
    let engine = models::engine("micro-24k");
    let reading = |tokens: Vec<u32>| Reading {
        tokens,
        places: vec![1],
    };
    let error = |tokens| {
        block_on(engine.read(vec![reading(tokens)]))
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(error(vec![1, 999]), @"token 999 is not among the model's 48");
    insta::assert_snapshot!(error(vec![1; 600]), @"600 tokens exceed the model's context of 512");
    let [mut none, whole, mut dry] = <[DrawRequest; 3]>::try_from(drawings(&[1])).ok().unwrap();
    none.prefix.clear();
    let nothing = block_on(engine.draw(vec![none])).unwrap_err().to_string();
    insta::assert_snapshot!(nothing, @"the prompt is empty: a model goes on from one token at least");
    dry.max_tokens = 0;
    let mut full = dry.clone();
    (full.prefix, full.max_tokens) = (vec![6; 512], 80);
    let replies = block_on(engine.draw(vec![whole, dry, full])).unwrap();
    assert!(!replies[0].0[0].steps.is_empty());
    for (draws, _) in &replies[1..] {
        assert_eq!((draws[0].steps.len(), draws[0].stop), (0, Stop::Length));
    }
}

#[test]
fn a_tight_memory_limit_costs_computation_and_changes_no_draw() {
    let load = |limit| {
        let mut checkpoint = models::checkpoint("micro-90k");
        checkpoint.memory_limit = limit;
        let tokenizer = models::tokenizer(&checkpoint);
        Engine::load(&checkpoint, tokenizer, Readout::Likelihood)
    };
    let Some(Error::Memory(told)) = load(Some(1)).err() else {
        panic!("one byte is too little for any model");
    };
    assert!(told.limited && told.free == 1 && told.fitting.is_none());
    let short = load(Some(told.needed - 1)).err().unwrap();
    assert!(matches!(short, Error::Memory(_)), "{short}");
    let (tight, roomy) = (load(Some(told.needed)).unwrap(), load(None).unwrap());
    assert!(tight.memory().total() <= told.needed);
    assert_eq!(tight.memory().weights, told.weights);
    let mut planned = models::checkpoint("micro-90k");
    planned.memory_limit = Some(told.needed);
    assert_eq!(planned.memory_plan().unwrap(), tight.memory());
    assert!(tight.memory().tree < roomy.memory().tree);
    let seeds: Vec<u64> = (0..48).collect();
    for _ in 0..2 {
        for drawing in drawings(&seeds) {
            let [tight, roomy] = [&tight, &roomy]
                .map(|engine| block_on(engine.draw(vec![drawing.clone()])).unwrap());
            assert_eq!(texts(&tight[0].0), texts(&roomy[0].0));
        }
    }
    let [tight, roomy] = [&tight, &roomy].map(|engine| engine.counts().computed);
    assert!(
        tight > roomy,
        "what gave way was computed again: {tight} {roomy}"
    );
}

#[test]
fn a_caller_that_goes_away_leaves_the_rest_running() {
    let engine = models::engine("micro-90k");
    let mut abandoned = Box::pin(engine.draw(drawings(&[1; 64])));
    // Sent on the first poll; dropped while in flight.
    let waker = futures::task::noop_waker();
    let _ = std::future::Future::poll(
        abandoned.as_mut(),
        &mut std::task::Context::from_waker(&waker),
    );
    drop(abandoned);
    assert_eq!(block_on(engine.draw(drawings(&[2]))).unwrap().len(), 3);
}

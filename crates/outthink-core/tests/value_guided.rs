//! Value-guided search: DVTS over blocks of tokens.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use insta::assert_snapshot;
use outthink_core::method::{Plan, VALUE_GUIDED_SEARCH};
use outthink_core::{AnyMethod, Finished, Limits};
use proptest::prelude::*;
use scripted::{LIMITS, Scorer, Script, run, show};

fn plan(name: &str, budget: usize, width: usize) -> Plan {
    let method: AnyMethod = name.parse().unwrap();
    Plan::new(method, budget, width, Finished::default()).unwrap()
}

/// Whole thoughts; a draw goes on with one that begins as its path does.
fn thinker(thoughts: &'static [&'static str]) -> Script {
    Script::new(move |draw| {
        let fits: Vec<&str> = thoughts
            .iter()
            .filter_map(|thought| thought.strip_prefix(draw.path))
            .collect();
        let fits = match draw.path {
            "" => fits[draw.index() % fits.len()],
            _ => fits[0],
        };
        fits.to_owned()
    })
}

#[test]
fn each_subtree_keeps_its_best_block_and_blocks_end_with_a_step() {
    let policy = thinker(&["ab/cd/=1.", "ef/gh/ij/=2.", "kl/=3.", "mn/op/qr/st/=4."]);
    let verifier = Scorer::table([
        ("ab/", 0.9),
        ("ab/cd/", 0.3),
        ("ef/", 0.1),
        ("ef/gh/", 0.6),
        ("ef/gh/ij/", 0.5),
        ("ef/gh/ij/=2.", 0.7),
        ("kl/", 0.5),
        ("kl/=3.", 0.4),
        ("mn/", 0.5),
        ("mn/op/", 0.8),
        ("mn/op/qr/", 0.8),
        ("mn/op/qr/st/", 0.8),
        ("mn/op/qr/st/=4.", 0.2),
    ]);
    let plan = plan("vgs:block=4", 4, 2);
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    // A block of `ab/cd/=1.` is `ab/c`, and `d/` with which its step ends.
    assert_snapshot!(show(&tree), @"
    root drawn 4
      ab/ ×1 reward 0.9
        cd/ ×1 reward 0.3
      ef/ ×1 reward 0.1
        gh/ ×1 reward 0.6 drawn 2
          ij/ ×2 reward 0.5
            =2. ×2 reward 0.7 Answer ×2 kept #1
      kl/ ×1 reward 0.5
        =3. ×1 reward 0.4 Answer ×1
      mn/ ×1 reward 0.5
        op/ ×1 reward 0.8 drawn 2
          qr/ ×2 reward 0.8
            st/ ×2 reward 0.8 drawn 2
              =4. ×2 reward 0.2 Answer ×2 kept #2
    ");
    let told = |(path, draws): &(String, usize)| format!("{path}:{draws}");
    let calls: Vec<String> = policy
        .calls()
        .iter()
        .map(|call| call.iter().map(told).collect::<Vec<_>>().join(" "))
        .collect();
    assert_snapshot!(calls.join("\n"), @"
    :2 :2
    ab/c:1 ef/g:1 kl/=:1 mn/o:1
    ef/gh/:2 mn/op/:2
    ef/gh/ij/=:1 ef/gh/ij/=:1 mn/op/qr/s:1 mn/op/qr/s:1
    mn/op/qr/st/:2
    ");
    assert_snapshot!(plan, @"4 = 2 subtrees × 2, in blocks of 4 tokens");
}

#[test]
fn the_block_is_part_of_the_name() {
    assert_eq!("vgs:block=4096".parse(), Ok(VALUE_GUIDED_SEARCH));
    assert_snapshot!(plan("vgs:block=512", 8, 2), @"8 = 4 subtrees × 2, in blocks of 512 tokens");
    assert_snapshot!("vgs:block=0".parse::<AnyMethod>().unwrap_err(), @"value-guided-search cannot have these parameters: a block has at least 1 token");
}

proptest! {
    #[test]
    fn blocks_are_as_long_as_they_say_unless_the_answer_or_a_limit_is_nearer(
        block in 1usize..12,
        solution_tokens in 1usize..40,
        steps in 1usize..6,
    ) {
        let policy = thinker(&["abc/defgh/ij/k/lmnop/qrs/=1.", "tu/vwx/yz/=2."]);
        let limits = Limits { draw_tokens: 3, solution_tokens, steps };
        let plan = plan(&format!("vgs:block={block}"), 4, 2);
        let tree = run(&plan, limits, &policy, Some(&Scorer::constant(0.5))).unwrap();
        let mut blocks = vec![0; tree.nodes().len()];
        for (id, node) in tree.nodes().iter().enumerate() {
            for &to in &node.led_to {
                blocks[to] = blocks[id] + 1;
                prop_assert!(blocks[to] <= steps);
                let path = tree.path(to);
                let new = path.iter().skip(tree.path(id).len());
                let step = |&node: &usize| tree.nodes()[node].step.as_ref().map_or(0, |step| step.tokens.len());
                let tokens: usize = new.map(step).sum();
                prop_assert!(tokens >= block || tree.nodes()[to].finished.is_some());
            }
            let tokens: usize = tree.steps(id).iter().map(|step| step.tokens.len()).sum();
            prop_assert!(tokens <= solution_tokens);
        }
    }
}

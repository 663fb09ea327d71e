//! Case trees: as lines, and as a page.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use outthink_core::{Solution, Step, Stop};
use outthink_lab::tree_page::CaseTree;

fn solution(steps: &[&str], rewards: &[f64], stop: Stop) -> Solution {
    let step = |text: &&str| {
        Arc::new(Step {
            text: (*text).to_owned(),
            tokens: vec![0; text.len() / 4],
            logprob: 0.0,
            ..Step::default()
        })
    };
    Solution {
        node: 0,
        steps: steps.iter().map(step).collect(),
        rewards: rewards.to_vec(),
        count: 1,
        stop,
    }
}

fn tree() -> CaseTree {
    let long = format!("$1+2=4$, {}", "and so on ".repeat(30));
    let solutions = [
        solution(
            &["$1+2=3$.", "The answer is $\\boxed{3}$."],
            &[0.9, 0.95],
            Stop::Answer,
        ),
        solution(
            &["$1+2=3$.", "The answer is $\\boxed{5}$."],
            &[0.9, 0.2],
            Stop::Answer,
        ),
        solution(&[&long], &[0.1], Stop::Length),
        solution(&["It is <b>3</b>."], &[0.05], Stop::Answer),
    ];
    let text = |text: &str| text.to_owned();
    let mut tree = CaseTree::of_solutions(
        &solutions,
        text("sum: best-of-n at N = 4"),
        text("What is $1+2$?"),
        text("3"),
        Some(text("a-prm")),
    );
    for (id, right) in [(1, true), (2, true), (3, false), (4, false)] {
        tree.nodes[id].right = Some(right);
    }
    tree.nodes[3].kept = false;
    tree.nodes[2].other = Some(0.5);
    tree
}

#[test]
fn the_terminal_shows_the_best_and_folds_the_rest() {
    insta::assert_snapshot!(tree().terminal(80, 2));
}

#[test]
fn the_page_holds_every_step_as_a_tree_item_and_nothing_from_elsewhere() {
    let page = tree().html();
    assert_eq!(page.matches("role=\"treeitem\"").count(), 5);
    assert!(page.contains("<math"), "maths is rendered");
    assert!(
        page.contains("It is &lt;b&gt;3&lt;/b&gt;."),
        "steps cannot make tags"
    );
    for outside in ["src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

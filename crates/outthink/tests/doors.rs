//! The doors of the house: a method, a vote and a domain that this file alone defines, each registered by one line, are known
//! to the command line, recipes, the store, reports, exports, strategies and trees.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod command;

use command::Folder;
use futures::future::{BoxFuture, FutureExt, ready};
use outthink_answer::AnyDomain;
use outthink_core::method::{Allocator, Branch, Grown, Method, Parameters, Plan, Traits};
use outthink_core::selection::{ScoredAnswer, Vote, Voting};
use outthink_core::{AnyMethod, Domain, ExactAnswers, ModelError, NodeId, Problem, Stop, Tree};
use outthink_lab::Store;
use outthink_lab::tuning::Evidence;
use serde::{Deserialize, Serialize};

/// Draws `N / fewer` first steps and goes on with each by itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parallel {
    fewer: usize,
}

impl Default for Parallel {
    fn default() -> Self {
        Self { fewer: 1 }
    }
}

impl Method for Parallel {
    fn name(&self) -> &'static str {
        "parallel"
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            stepwise: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        parameters.method::<Self>()
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(Chains {
            chains: plan.budget().div_ceil(self.fewer),
            done: Vec::new(),
        })
    }
}

struct Chains {
    chains: usize,
    done: Vec<NodeId>,
}

impl Allocator for Chains {
    fn first(&mut self) -> Vec<Branch> {
        let (node, draws) = (Tree::ROOT, self.chains);
        vec![Branch {
            node,
            draws,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let mut live: Vec<Branch> = Vec::new();
        for &node in grown.iter().flat_map(|grown| &grown.children) {
            match tree.nodes()[node].finished {
                Some((Stop::Answer, _)) if !self.done.contains(&node) => self.done.push(node),
                Some(_) => {}
                None => match live.iter_mut().find(|branch| branch.node == node) {
                    Some(branch) => branch.draws += 1,
                    None => live.push(Branch {
                        node,
                        draws: 1,
                        part: 0,
                    }),
                },
            }
        }
        live
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}

/// The sum of squares.
struct Squares;

impl Vote for Squares {
    fn name(&self) -> &'static str {
        "squares"
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let mut weights = vec![0.0; classes];
        for ScoredAnswer {
            class,
            score,
            count,
        } in solutions
        {
            weights[*class] += score * score * *count as f64;
        }
        weights
    }
}

/// Numbers are the same if both are even or both odd.
struct Parity;

impl Domain for Parity {
    fn identity(&self) -> String {
        "parity 1".to_owned()
    }

    fn extract(&self, _: &Problem, solution: &str) -> Option<String> {
        let number: i64 = ExactAnswers::find(solution)?.parse().ok()?;
        Some(number.to_string())
    }

    fn group<'a>(
        &'a self,
        _: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        let class = |answer: &&str| Some(usize::from(answer.parse::<i64>().ok()? % 2 != 0));
        ready(Ok(answers.iter().map(class).collect())).boxed()
    }
}

/// Runs the program in this process, where the doors were opened.
fn outthink(arguments: &[&str]) {
    let code = outthink::run([&["outthink"], arguments].concat());
    let success = std::process::ExitCode::SUCCESS;
    assert_eq!(format!("{code:?}"), format!("{success:?}"), "{arguments:?}");
}

#[test]
fn a_method_a_vote_and_a_domain_of_ones_own_are_known_everywhere() {
    AnyMethod::register(Parallel::default()).unwrap();
    Voting::register(Squares).unwrap();
    AnyDomain::register("parity", Parity).unwrap();

    let folder = Folder::new("doors");
    let file = |name: &str| folder.file(name);
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    let store = &file("s.sqlite");

    // The command line.
    let models = ["--policy", "micro-24k", "--verifier", "micro-prm"];
    let solve = [
        "solve",
        "Evaluate $7+8$.",
        "--method",
        "parallel:fewer=2",
        "--budget",
        "8",
    ];
    let ways = [
        "--selection",
        "last-squares",
        "--domain",
        "parity",
        "--gold",
        "3",
    ];
    outthink(&[&solve[..], &ways, &models].concat());
    let asked = file("asked.jsonl");
    std::fs::write(
        &asked,
        "{\"problem\": \"Evaluate $7+8$.\", \"answer\": \"3\"}\n",
    )
    .unwrap();
    let out = file("answers.jsonl");
    let batch = [
        "solve", "--jsonl", &asked, "--out", &out, "--method", "parallel",
    ];
    outthink(&[&batch[..], &["--domain", "parity"], &models].concat());
    let answers = read("answers.jsonl");
    let line = answers
        .lines()
        .find(|line| line.contains("\"answer\""))
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["method"], "parallel", "{line}");
    // Whatever the small model says: it is right where it is odd, as the gold answer is.
    let answer: i64 = line["answer"].as_str().unwrap().parse().unwrap();
    assert_eq!(line["correct"], (answer % 2 != 0), "{line}");

    // A recipe, and with it the store.
    let recipe = format!(
        "name = 'doors'\ndataset = 'micro'\nproblems = 6\npolicies = ['micro-24k']\nverifiers = ['micro-prm']\n\
         methods = ['cot', 'majority', 'best-of-n', 'parallel', 'parallel:fewer=2']\nbudgets = [4, 8]\n\
         domain = 'parity'\nstore = '{store}'\n"
    );
    std::fs::write(file("doors.toml"), recipe).unwrap();
    outthink(&["study", &file("doors.toml")]);
    let mut stored = Store::read(store).unwrap();
    let graders = stored.graders("doors").unwrap();
    assert!(
        graders.iter().all(|(name, _)| name == "parity 1"),
        "{graders:?}"
    );
    let study = stored.study(Some("doors")).unwrap();
    let searched: Vec<String> = study
        .cells
        .iter()
        .filter_map(|cell| Some(cell.plan()?.0.to_string()))
        .collect();
    let twice = [
        "parallel",
        "parallel",
        "parallel:fewer=2",
        "parallel:fewer=2",
    ];
    assert_eq!(searched, twice);
    drop(stored);

    // A report's rows: by method, and by rule.
    outthink(&[
        "report",
        "doors",
        "--store",
        store,
        "--out",
        &file("report"),
    ]);
    let report = read("report/README.md");
    for part in [
        "| micro-24k | parallel | micro-prm |",
        "| parallel:fewer=2 |",
        "| last-squares |",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(
        !report.contains("outthink regrade"),
        "the verdicts are the domain's"
    );

    // An export, a tree, and a strategy's candidates.
    outthink(&[
        "export",
        "doors",
        "--store",
        store,
        "--format",
        "results",
        "--out",
        &file("r.csv"),
    ]);
    assert!(read("r.csv").contains("micro-24k,micro-prm,parallel,8,"));
    let problem = study.problems[0].id.as_str();
    let tree = [
        "tree", "doors", problem, "--store", store, "--method", "parallel",
    ];
    outthink(&[&tree[..], &["--out", &file("tree.html")]].concat());
    assert!(read("tree.html").contains("parallel at N = 8"));
    outthink(&["tune", "doors", "--store", store, "--out", &file("s.toml")]);
    assert!(read("s.toml").contains("method = "));
    let mut stored = Store::read(store).unwrap();
    let evidence = Evidence::of(&study, &mut stored, "micro-24k").unwrap();
    let candidates = evidence.candidates.iter().map(ToString::to_string);
    let candidates: Vec<String> = candidates.collect();
    for part in [
        "parallel N = 8, last-squares, micro-prm",
        "parallel:fewer=2 N = 4, mean-vote, micro-prm",
        "best-of-n N = 8, min-squares, micro-prm",
    ] {
        assert!(candidates.iter().any(|own| own == part), "{part}");
    }
}

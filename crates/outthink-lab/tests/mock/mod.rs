//! Models that answer from a request's seeds alone, and places to store what they say.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::disallowed_types,
    reason = "a mock's hashes last as long as its run"
)]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};
use outthink_core::{
    Continuation, Extension, Judgement, Limits, ModelCost, ModelError, Policy, Prefix, Reply,
    Sampling, Step, Stop, TokenStats, Until, Usage, Verifier,
};
use outthink_lab::{
    ModelInfo, Models, PolicyModel, PolicyPart, Problem, Recipe, StrategyInfo, Study, VerifierModel,
};
use outthink_strategy::{Builtin, Strategy};
use serde_json::json;

/// Ends after `latency`; whoever waits need not be in any runtime.
async fn pause(latency: Duration) {
    if latency.is_zero() {
        return;
    }
    let (done, waited) = oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(latency);
        let _ = done.send(());
    });
    let _ = waited.await;
}

/// Three steps, the last with an answer from 0 to 3; a request takes `latency`.
pub(crate) struct MockPolicy {
    pub(crate) latency: Duration,
    /// Draws so far.
    pub(crate) draws: Arc<AtomicU64>,
    /// Fails on problems whose id ends so.
    pub(crate) fails_on: Option<String>,
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn step(depth: usize, seed: u64) -> Step {
    let text = match depth {
        0 | 1 => format!("step {depth}, way {}", hash((seed, depth)) % 3),
        _ => format!("so it is \\boxed{{{}}}", hash((seed, depth)) % 4),
    };
    let tokens = text.len();
    Step {
        tokens: text.bytes().map(u32::from).collect(),
        text,
        // Never -0, whose sign SQLite does not keep.
        logprob: -1.0 - (seed % 7) as f64 / 3.0,
        stats: TokenStats::of(tokens, vec![-0.25; tokens], vec![1.5; tokens]),
    }
}

impl Policy for MockPolicy {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            pause(self.latency).await;
            let mut replies = Vec::new();
            for request in requests {
                if let Some(end) = &self.fails_on
                    && request.problem.id.ends_with(end.as_str())
                {
                    return Err("the mock was told to fail".into());
                }
                self.draws
                    .fetch_add(request.seeds.len() as u64, Ordering::Relaxed);
                let depth = request.steps.len();
                let (mut continuations, mut usage) = (Vec::new(), Usage::default());
                for &seed in &request.seeds {
                    let steps: Vec<Step> = match request.until {
                        Until::Step => vec![step(depth, seed)],
                        Until::Answer => (depth..3).map(|depth| step(depth, seed)).collect(),
                    };
                    let tokens: usize = steps.iter().map(|step| step.tokens.len()).sum();
                    usage.generated += tokens as u64;
                    usage.computed += tokens as u64;
                    let stop = if depth + steps.len() == 3 {
                        Stop::Answer
                    } else {
                        Stop::Step
                    };
                    continuations.push(Continuation { steps, stop });
                }
                usage.requests = 1;
                usage.prompt = 10;
                replies.push((continuations, usage));
            }
            Ok(replies)
        }
        .boxed()
    }
}

/// Rewards that follow from the text.
pub(crate) struct MockVerifier {
    pub(crate) latency: Duration,
    pub(crate) prefixes: Arc<AtomicU64>,
}

impl Verifier for MockVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            pause(self.latency).await;
            self.prefixes
                .fetch_add(prefixes.len() as u64, Ordering::Relaxed);
            let reward = |step: &Arc<Step>| (hash(&step.text) % 1000) as f64 / 999.0;
            let judge = |prefix: Prefix| Judgement {
                rewards: prefix.steps.iter().map(reward).collect(),
                usage: Usage {
                    requests: 1,
                    computed: 5 * prefix.steps.len() as u64,
                    ..Usage::default()
                },
            };
            Ok(prefixes.into_iter().map(judge).collect())
        }
        .boxed()
    }
}

/// A study of mocks.
pub(crate) struct Bench {
    pub(crate) study: Study,
    pub(crate) models: Models,
    pub(crate) draws: Arc<AtomicU64>,
    pub(crate) prefixes: Arc<AtomicU64>,
}

impl Bench {
    /// With a strategy that looks at the first samples, and then searches step by step: the authors', as for a policy of the
    /// size where their table goes by difficulty.
    pub(crate) fn with_strategy(mut self) -> Self {
        let mut sized = self.study.policies[0].clone();
        sized.cost.as_mut().unwrap().parameters = 7_600_000_000;
        let fixed = Builtin::Paper.with(&sized, "verifier").unwrap();
        let strategy = Strategy::Fixed(fixed);
        let info = StrategyInfo {
            name: "paper".into(),
            policy: 0,
            fingerprint: strategy.fingerprint(),
            unit: strategy.unit(),
            verifiers: vec![("verifier".into(), 0)],
        };
        let policy = &self.models.policies[0];
        let part = PolicyPart {
            info: policy.info.clone(),
            sampling: policy.sampling,
            limits: policy.limits,
            imported: None,
        };
        self.study.add_strategy(info, &strategy, &part).unwrap();
        self.models.strategies.push(strategy);
        self
    }
}

/// Every method.
pub(crate) const ALL: &str = r#"["cot", "majority", "best-of-n", "beam", "dvts"]"#;
/// What chooses from pools.
pub(crate) const POOLS: &str = r#"["majority", "best-of-n"]"#;

pub(crate) fn bench(problems: usize, latency: Duration, target_in_flight: usize) -> Bench {
    bench_of(problems, latency, target_in_flight, "[8, 16]", ALL, None)
}

pub(crate) fn bench_of(
    problems: usize,
    latency: Duration,
    target_in_flight: usize,
    budgets: &str,
    methods: &str,
    fails_on: Option<String>,
) -> Bench {
    let recipe = Recipe::parse(&format!(
        r#"
        name = "mock"
        dataset = "mock"
        policies = ["policy"]
        verifiers = ["verifier"]
        methods = {methods}
        budgets = {budgets}
        "#
    ))
    .unwrap();
    let info = |name: &str| ModelInfo {
        name: name.into(),
        identity: json!({ "mock": name }),
        cost: Some(ModelCost {
            parameters: 1000,
            layers: 2,
            attention_width: 8,
            active: None,
        }),
        training_tokens: Some(1e6),
        price: None,
        oracle: false,
    };
    let problems = (0..problems).map(|number| Problem {
        id: format!("problem-{number}"),
        text: format!("What is {number}?"),
        gold: (number % 4).to_string(),
        level: Some(1 + (number % 5) as i64),
        subject: None,
    });
    let (sampling, limits) = (
        Sampling::at(1.0),
        Limits {
            draw_tokens: 1000,
            solution_tokens: 1000,
            steps: 10,
        },
    );
    let part = PolicyPart {
        info: info("policy"),
        sampling,
        limits,
        imported: None,
    };
    let study = recipe
        .resolve(problems.collect(), vec![part], vec![info("verifier")])
        .unwrap();
    let (draws, prefixes) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let models = Models {
        is_hopeless: |_| false,
        strategies: Vec::new(),
        policies: vec![PolicyModel {
            info: info("policy"),
            model: Arc::new(MockPolicy {
                latency,
                draws: Arc::clone(&draws),
                fails_on,
            }),
            sampling,
            limits,
            target_in_flight,
            imported: None,
        }],
        verifiers: vec![VerifierModel {
            info: info("verifier"),
            model: Arc::new(MockVerifier {
                latency,
                prefixes: Arc::clone(&prefixes),
            }),
        }],
    };
    Bench {
        study,
        models,
        draws,
        prefixes,
    }
}

/// A place for a store: a SQLite file in a folder of its own, or a database of a PostgreSQL server of its own.
pub(crate) enum Place {
    File(PathBuf),
    Database(String),
}

static PLACES: AtomicU64 = AtomicU64::new(0);

impl Place {
    pub(crate) fn sqlite() -> Self {
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let name = format!("outthink-store-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self::File(folder.join("store.sqlite"))
    }

    /// The server that `.ci/postgres` starts and names; none, and why, without it.
    pub(crate) fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var("OUTTHINK_TEST_POSTGRES") else {
            println!(
                "skipped on PostgreSQL: OUTTHINK_TEST_POSTGRES names no server (see .ci/postgres)"
            );
            return None;
        };
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let name = format!("outthink_{}_{number}", std::process::id());
        let mut client = postgres::Client::connect(&server, postgres::NoTls).unwrap();
        client
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap();
        let (server, _) = server.rsplit_once('/').unwrap();
        Some(Self::Database(format!("{server}/{name}")))
    }

    /// Another one of the same kind.
    pub(crate) fn like(other: &Self) -> Self {
        match other {
            Self::File(_) => Self::sqlite(),
            Self::Database(_) => Self::postgres().unwrap(),
        }
    }

    /// One of each kind that there is.
    pub(crate) fn all() -> Vec<Self> {
        std::iter::once(Self::sqlite())
            .chain(Self::postgres())
            .collect()
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(file) => file.display().to_string(),
            Self::Database(url) => url.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::File(file) = self {
            let _ = std::fs::remove_dir_all(file.parent().unwrap());
        }
    }
}

//! A study, resolved: its problems, its cells, and from them its units of work.

pub(crate) mod cost_estimate;
pub(crate) mod recipe;
pub(crate) mod regrade;
pub(crate) mod run;
pub(crate) mod searches;
pub(crate) mod store_writer;
pub(crate) mod strategy_unit;
pub(crate) mod trial;
pub(crate) mod unit;
pub(crate) mod unit_runner;

use std::collections::HashSet;

use outthink_core::identity::{canonical, hash64, sha256};
use outthink_core::method::{BEST_OF_N, MAJORITY, PAPER};
use outthink_core::{AnyMethod, Limits, ModelInfo, Plan, Sampling};
use outthink_strategy::{Strategy, StrategyError, Unit as StrategyUnit};
use serde::{Deserialize, Serialize};

use crate::exchange::import::PoolSource;
use crate::study::recipe::{PolicyPart, Recipe};

/// A question whose answer is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable name; seeds depend on it.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// The right answer.
    pub gold: String,
    /// Difficulty as the data set has it, easiest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<i64>,
    /// What it is about, as the data set has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl Problem {
    /// What the store knows it by: a hash of id, text and gold answer.
    pub fn key(&self) -> i64 {
        hash64(&[
            self.id.as_bytes(),
            self.text.as_bytes(),
            self.gold.as_bytes(),
        ])
    }

    /// As a search sees it.
    pub fn question(&self) -> outthink_core::Problem {
        outthink_core::Problem {
            id: self.id.clone(),
            text: self.text.clone(),
        }
    }
}

/// What one cell of a study does, complete: its canonical JSON is what is hashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Config {
    /// Whole solutions of one policy: chain of thought where it is one greedy draw, else what majority and best-of-N
    /// choose from, at every N up to `draws`.
    Pool {
        /// The policy's identity.
        policy: serde_json::Value,
        /// How it draws.
        sampling: Sampling,
        /// How far.
        limits: Limits,
        /// How many solutions.
        draws: usize,
        /// A hash of the samples, where another program drew them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        imported: Option<String>,
    },
    /// The rewards of one verifier for a pool.
    Score {
        /// The pool's hash.
        pool: String,
        /// The verifier's identity.
        verifier: serde_json::Value,
    },
    /// A search: step by step, or with prompts made of earlier solutions.
    Search {
        /// The policy's identity.
        policy: serde_json::Value,
        /// The verifier's identity; null for a method that needs none.
        verifier: serde_json::Value,
        /// How the policy draws.
        sampling: Sampling,
        /// How far.
        limits: Limits,
        /// Method, budget and width.
        plan: Plan,
        /// A hash of the samples, where another program drew them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        imported: Option<String>,
    },
    /// What a strategy makes of a budget.
    Strategy {
        /// The policy's identity.
        policy: serde_json::Value,
        /// The identities of the verifiers that it may ask.
        verifiers: Vec<serde_json::Value>,
        /// How the policy draws.
        sampling: Sampling,
        /// How far.
        limits: Limits,
        /// The strategy's fingerprint.
        strategy: String,
        /// The budget per problem, in its unit.
        budget: f64,
    },
}

impl Config {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pool { .. } => "pool",
            Self::Score { .. } => "score",
            Self::Search { .. } => "search",
            Self::Strategy { .. } => "strategy",
        }
    }
}

/// A cell: a configuration and which of the study's models it uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Index of the policy.
    pub policy: usize,
    /// Index of the verifier, if there is one.
    pub verifier: Option<usize>,
    config: Config,
    hash: String,
}

impl Cell {
    /// A configuration with its hash.
    pub fn new(policy: usize, verifier: Option<usize>, config: Config) -> Self {
        let hash = sha256(canonical(&config).as_bytes());
        Self {
            policy,
            verifier,
            config,
            hash,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its identity: the first 16 bytes of the SHA-256 of its canonical JSON, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Its canonical JSON.
    pub fn json(&self) -> String {
        canonical(&self.config)
    }

    /// Is it chain of thought? One greedy draw is the same whatever the seed.
    pub fn is_greedy(&self) -> bool {
        matches!(&self.config, Config::Pool { draws: 1, sampling, .. } if sampling.temperature == 0.0)
    }

    /// The method and budget of a search.
    pub fn plan(&self) -> Option<(AnyMethod, usize)> {
        match &self.config {
            Config::Search { plan, .. } => Some((plan.method(), plan.budget())),
            _ => None,
        }
    }
}

/// The methods that the paper compares, then others that spend a budget.
pub(crate) fn compared(named: impl IntoIterator<Item = AnyMethod>) -> Vec<AnyMethod> {
    let mut methods = PAPER.to_vec();
    methods.retain(|own| !own.is_greedy());
    let mut others: Vec<AnyMethod> = named.into_iter().collect();
    others.retain(|own| !own.is_greedy() && !methods.contains(own));
    others.sort();
    others.dedup();
    methods.extend(others);
    methods
}

/// A unit of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// A hash of what it is.
    pub id: i64,
    /// Its cell's hash.
    pub cell: String,
    /// Index of the cell in the study.
    pub cell_index: usize,
    /// Its problem's key.
    pub problem: i64,
    /// Index of the problem in the study.
    pub number: usize,
    /// The run's seed.
    pub seed: u64,
    /// The pool that it scores.
    pub source: Option<i64>,
}

/// A strategy of a study, with its policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrategyInfo {
    /// What it is called in tables.
    pub name: String,
    /// Index of the policy.
    pub policy: usize,
    /// A hash of all that it does.
    pub fingerprint: String,
    /// What its budgets are counted in.
    pub unit: StrategyUnit,
    /// The study's verifiers by their names in the strategy.
    pub verifiers: Vec<(String, usize)>,
}

/// A study, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Its name in the store.
    pub name: String,
    /// What the problems are called together.
    pub dataset: String,
    /// The problems.
    pub problems: Vec<Problem>,
    /// The policies.
    pub policies: Vec<ModelInfo>,
    /// The verifiers.
    pub verifiers: Vec<ModelInfo>,
    /// The strategies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategies: Vec<StrategyInfo>,
    /// The cells: pools first, then what scores them, then searches; strategies last.
    pub cells: Vec<Cell>,
    /// The budgets `N`, ascending.
    pub budgets: Vec<usize>,
    /// The runs' seeds.
    pub seeds: Vec<u64>,
    /// Where its samples come from, if another program drew them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PoolSource>,
    /// What it was made from.
    pub recipe: Recipe,
}

impl Study {
    /// Adds a strategy for one of the policies: a cell for each budget. A strategy that counts samples gets each study
    /// budget it has a candidate for; any other gets the budgets it was fitted at.
    pub fn add_strategy(
        &mut self,
        info: StrategyInfo,
        strategy: &Strategy,
        part: &PolicyPart,
    ) -> Result<(), StrategyError> {
        let fitted = strategy.budgets();
        let smallest = fitted.as_ref().and_then(|all| all.first().copied());
        let own = self.budgets.iter().map(|&n| n as f64);
        let budgets: Vec<f64> = match fitted {
            Some(fitted) if info.unit != StrategyUnit::Samples => fitted,
            _ => own.filter(|&n| n >= smallest.unwrap_or(0.0)).collect(),
        };
        if let (true, Some(&most)) = (budgets.is_empty(), self.budgets.last()) {
            return strategy.asks(most as f64, false).map(|_| ());
        }
        for budget in budgets {
            let asked = strategy.asks(budget, false)?;
            let known = |name: &&str| info.verifiers.iter().find(|(own, _)| own == name);
            let verifiers = asked.iter().filter_map(known);
            let config = Config::Strategy {
                policy: part.info.identity.clone(),
                verifiers: verifiers
                    .map(|(_, number)| self.verifiers[*number].identity.clone())
                    .collect(),
                sampling: part.sampling,
                limits: part.limits,
                strategy: info.fingerprint.clone(),
                budget,
            };
            self.cells.push(Cell::new(info.policy, None, config));
        }
        self.strategies.push(info);
        Ok(())
    }

    /// The methods that the recipe names, its policies' own included.
    fn named_methods(&self) -> impl Iterator<Item = AnyMethod> {
        let policies = self.recipe.policies.iter();
        let own = policies.filter_map(|entry| entry.table().methods).flatten();
        self.recipe.methods.iter().copied().chain(own)
    }

    /// The methods that choose among the samples of a pool, with rewards or without: majority or best-of-N, which every pool
    /// has the samples for, and others that are named.
    pub(crate) fn pool_methods(&self, rewards: bool) -> Vec<AnyMethod> {
        let mut methods = vec![if rewards { BEST_OF_N } else { MAJORITY }];
        for method in self.named_methods() {
            if method.takes_pool()
                && method.needs_verifier() == rewards
                && !methods.contains(&method)
            {
                methods.push(method);
            }
        }
        methods
    }

    /// The methods that reports compare: those of the paper, and others that are named.
    pub(crate) fn compared_methods(&self) -> Vec<AnyMethod> {
        compared(self.named_methods())
    }

    /// Samples' worth of work of a cell's unit, at most; 0 where nothing is drawn, or a budget is counted in something else.
    pub(crate) fn samples_of(&self, cell: &Cell) -> usize {
        match cell.config() {
            Config::Pool { draws, .. } => *draws,
            Config::Search { plan, .. } => plan.budget(),
            Config::Score { .. } => 0,
            Config::Strategy { .. } => match self.strategy_of(cell) {
                Some((own, budget)) if self.strategies[own].unit == StrategyUnit::Samples => {
                    budget as usize
                }
                _ => 0,
            },
        }
    }

    /// The place of a cell's strategy among [`Study::strategies`], and its budget.
    pub fn strategy_of(&self, cell: &Cell) -> Option<(usize, f64)> {
        let Config::Strategy {
            strategy, budget, ..
        } = cell.config()
        else {
            return None;
        };
        let same = |own: &StrategyInfo| own.policy == cell.policy && own.fingerprint == *strategy;
        Some((self.strategies.iter().position(same)?, *budget))
    }

    /// Do its parts name models that it has? One from a store may have been written by anyone.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (policies, verifiers) = (self.policies.len(), self.verifiers.len());
        for cell in &self.cells {
            let judged = match cell.config() {
                Config::Score { .. } => true,
                Config::Search { plan, .. } => plan.method().needs_verifier(),
                Config::Pool { .. } | Config::Strategy { .. } => false,
            };
            let known = cell.policy < policies && cell.verifier.is_none_or(|own| own < verifiers);
            if !known || (judged && cell.verifier.is_none()) {
                return Err(format!(
                    "study {}, whose cell {} is of models that the study does not have",
                    self.name,
                    cell.hash()
                ));
            }
        }
        for own in &self.strategies {
            let known = own.verifiers.iter().all(|(_, number)| *number < verifiers);
            if own.policy >= policies || !known {
                return Err(format!(
                    "study {}, whose strategy {} is of models that the study does not have",
                    self.name, own.name
                ));
            }
        }
        Ok(())
    }

    /// Does it hold all that another one holds, so that nothing is lost if it takes its place?
    pub fn extends(&self, other: &Self) -> bool {
        fn all_in<T: PartialEq>(few: &[T], many: &[T]) -> bool {
            few.iter().all(|own| many.contains(own))
        }
        let models = |few: &[ModelInfo], many: &[ModelInfo]| {
            let same = |own: &ModelInfo, other: &ModelInfo| {
                own.name == other.name && own.identity == other.identity
            };
            few.iter()
                .all(|own| many.iter().any(|other| same(own, other)))
        };
        let problems: HashSet<i64> = self.problems.iter().map(Problem::key).collect();
        let (new, old) = (&self.recipe, &other.recipe);
        other
            .problems
            .iter()
            .all(|own| problems.contains(&own.key()))
            && models(&other.policies, &self.policies)
            && models(&other.verifiers, &self.verifiers)
            && all_in(&old.policies, &new.policies)
            && all_in(&old.verifiers, &new.verifiers)
            && all_in(&old.methods, &new.methods)
            && all_in(&old.strategies, &new.strategies)
            && all_in(&old.widths, &new.widths)
            && all_in(&other.budgets, &self.budgets)
            && all_in(&other.seeds, &self.seeds)
            && old.finished == new.finished
            && old.domain == new.domain
    }

    /// All units of work, problem by problem: what shares a question stands together, for the models' caches.
    pub fn units(&self) -> Vec<Unit> {
        let mut units = Vec::new();
        for (number, problem) in self.problems.iter().enumerate() {
            let key = problem.key();
            for &seed in &self.seeds {
                for (cell_index, cell) in self.cells.iter().enumerate() {
                    if cell.is_greedy() && Some(&seed) != self.seeds.first() {
                        continue;
                    }
                    let source = match cell.config() {
                        Config::Score { pool, .. } => Some(unit_id(pool, key, seed)),
                        _ => None,
                    };
                    units.push(Unit {
                        id: unit_id(cell.hash(), key, seed),
                        cell: cell.hash().to_owned(),
                        cell_index,
                        problem: key,
                        number,
                        seed,
                        source,
                    });
                }
            }
        }
        units
    }
}

/// The id of a unit: the same wherever it is computed.
pub fn unit_id(cell: &str, problem: i64, seed: u64) -> i64 {
    hash64(&[cell.as_bytes(), &problem.to_le_bytes(), &seed.to_le_bytes()])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use outthink_core::Finished;
    use serde_json::json;

    use super::*;

    /// Whoever changes one of these orphans every sample that was ever stored: what a cell adds to its configuration is left
    /// out of its JSON where it says what was always so.
    #[test]
    fn cells_have_the_hashes_that_stores_know_them_by() {
        let policy = json!({"model": "policy", "parameters": 303_744, "profile": "micro"});
        let verifier = json!({"model": "verifier", "parameters": null, "profile": null});
        let sampling = Sampling {
            temperature: 0.8,
            top_p: 0.95,
            top_k: 40,
            min_p: 0.0,
        };
        let limits = Limits {
            draw_tokens: 64,
            solution_tokens: 256,
            steps: 12,
        };
        let pool = |sampling, draws| Config::Pool {
            policy: policy.clone(),
            sampling,
            limits,
            draws,
            imported: None,
        };
        let score = Config::Score {
            pool: "86217243ef392c0e291a98d286f05614".into(),
            verifier: verifier.clone(),
        };
        let search = Config::Search {
            policy: policy.clone(),
            verifier: verifier.clone(),
            sampling,
            limits,
            plan: Plan::new(outthink_core::method::BEAM, 16, 4, Finished::default()).unwrap(),
            imported: None,
        };
        let strategy = Config::Strategy {
            policy: policy.clone(),
            verifiers: vec![verifier.clone()],
            sampling,
            limits,
            strategy: "0123456789abcdef".into(),
            budget: 16.0,
        };
        for (config, hash) in [
            (pool(sampling, 64), "86217243ef392c0e291a98d286f05614"),
            (
                pool(Sampling::GREEDY, 1),
                "2970e2de85289d8055ccc0970f87b97c",
            ),
            (score, "6e03db8c4dc942514d8109287e0ff136"),
            (search, "35697dd44da2a553ac43c28707af1476"),
            (strategy, "f2c92d4e0028d5af0c666ebd545afe82"),
        ] {
            let cell = Cell::new(0, None, config);
            assert_eq!(cell.hash(), hash, "{}", cell.json());
        }
        let problem = Problem {
            id: "p1".into(),
            text: "What is 1+1?".into(),
            gold: "2".into(),
            ..Problem::default()
        };
        assert_eq!(problem.key(), 907_021_034_819_721_958);
        assert_eq!(
            unit_id("86217243ef392c0e291a98d286f05614", problem.key(), 7),
            8_037_190_756_949_792_885
        );
    }

    #[test]
    fn a_password_is_neither_stored_nor_published() {
        let store = Some("postgres://u:hunter2@h/db".to_owned());
        let recipe = Recipe {
            store,
            ..Recipe::parse("name = 's'\ndataset = 'd'\npolicies = ['p']\nbudgets = [4]").unwrap()
        };
        for written in [
            serde_json::to_string(&recipe).unwrap(),
            toml::to_string(&recipe).unwrap(),
        ] {
            assert!(written.contains("postgres://u:***@h/db"), "{written}");
        }
    }
}

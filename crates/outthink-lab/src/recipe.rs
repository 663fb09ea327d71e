//! What is asked for: a study as a person writes it, in TOML.

use std::path::PathBuf;

use outthink_core::{Finished, Limits, Method, Plan, Sampling};
use serde::{Deserialize, Serialize};

use crate::study::{Cell, Config, ModelInfo, Problem, Study};

/// Why a recipe is no study.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// Not TOML, or with words that mean nothing here.
    #[error("the recipe cannot be read")]
    Toml(#[from] toml::de::Error),
    /// A list is empty.
    #[error("the study has no {0}")]
    Nothing(&'static str),
    /// A method that needs rewards, and no verifier.
    #[error("{0} needs a verifier; name one under `verifiers`")]
    NoVerifier(Method),
    /// A budget that a method cannot spend.
    #[error(transparent)]
    Budget(#[from] outthink_core::Error),
    /// Something twice.
    #[error("{what} `{name}` stands twice in the study")]
    Twice {
        /// What.
        what: &'static str,
        /// Which.
        name: String,
    },
}

/// A model of a recipe: a name, or a table that says more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ModelEntry {
    /// A name, a folder or an address.
    Name(String),
    /// More than that.
    Table(Box<ModelTable>),
}

/// A model of a recipe, in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelTable {
    /// A name, a folder or an address.
    pub model: String,
    /// What to call it in tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The profile, if not the one that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Model whose tokenizer and chat template a server's model uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// What weights are kept in: auto, f32, stored or q8_0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Temperature of a policy, if not the profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Most tokens of a solution, if not the profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Parameters, where the model does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Parameters that one token uses (mixture of experts).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_parameters: Option<u64>,
    /// Tokens that it was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_tokens: Option<f64>,
    /// Money for a million prompt tokens and for a million generated ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<[f64; 2]>,
    /// The methods of this policy, if not the study's: a large model that small ones are compared with needs only `cot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<Method>>,
    /// A verifier's calibration, a file that `outthink audit --save-calibration` wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<PathBuf>,
    /// A verifier that knows the answer: a ceiling, not something to choose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oracle: bool,
}

impl ModelEntry {
    /// In full.
    pub fn table(&self) -> ModelTable {
        match self {
            Self::Name(model) => ModelTable {
                model: model.clone(),
                ..ModelTable::default()
            },
            Self::Table(table) => table.as_ref().clone(),
        }
    }
}

/// A study as it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// The study's name in the store.
    pub name: String,
    /// A known set, a file, or `micro` for the micro domain's problems.
    pub dataset: String,
    /// How many problems, from the first [default: all].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<usize>,
    /// The policies.
    pub policies: Vec<ModelEntry>,
    /// The verifiers.
    #[serde(default)]
    pub verifiers: Vec<ModelEntry>,
    /// The methods; none are needed beside strategies.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Strategies that are tried beside the methods: files, or names of built-in ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategies: Vec<String>,
    /// The budgets `N`.
    pub budgets: Vec<usize>,
    /// The beam widths `M`; a budget below the width is its own width.
    #[serde(default = "paper_width")]
    pub widths: Vec<usize>,
    /// What complete paths do in beam search.
    #[serde(default)]
    pub finished: Finished,
    /// Seed of the first run.
    #[serde(default)]
    pub seed: u64,
    /// How many runs, with seeds one after the other.
    #[serde(default = "one")]
    pub seeds: usize,
    /// Where the store is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
}

fn paper_width() -> Vec<usize> {
    vec![4]
}

fn one() -> usize {
    1
}

/// A policy's part of a study.
#[derive(Clone, Debug)]
pub struct PolicyPart {
    /// What it is.
    pub info: ModelInfo,
    /// How it draws.
    pub sampling: Sampling,
    /// How far.
    pub limits: Limits,
}

impl Recipe {
    /// Reads TOML.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        Ok(toml::from_str(text)?)
    }

    /// Lays out the cells. A pool of the largest budget serves chain of thought's neighbours: majority and best-of-N at
    /// every N; every verifier scores it; each search has a cell of its own.
    pub fn resolve(
        self,
        problems: Vec<Problem>,
        policies: Vec<PolicyPart>,
        verifiers: Vec<ModelInfo>,
    ) -> Result<Study, RecipeError> {
        let mut budgets = self.budgets.clone();
        budgets.sort_unstable();
        budgets.dedup();
        let largest = *budgets.last().ok_or(RecipeError::Nothing("budgets"))?;
        for (empty, what) in [
            (problems.is_empty(), "problems"),
            (policies.is_empty(), "policies"),
            (
                self.methods.is_empty() && self.strategies.is_empty(),
                "methods",
            ),
            (self.widths.is_empty(), "widths"),
            (self.seeds == 0, "seeds"),
        ] {
            if empty {
                return Err(RecipeError::Nothing(what));
            }
        }
        let own = self
            .policies
            .iter()
            .filter_map(|entry| entry.table().methods);
        let mut asked = self.methods.iter().copied().chain(own.flatten());
        if verifiers.is_empty()
            && let Some(method) = asked.find(|method| method.needs_verifier())
        {
            return Err(RecipeError::NoVerifier(method));
        }
        unique("problem", problems.iter().map(|problem| &problem.id))?;
        unique("policy", policies.iter().map(|policy| &policy.info.name))?;
        unique("verifier", verifiers.iter().map(|verifier| &verifier.name))?;
        let mut cells = Vec::new();
        for (index, policy) in policies.iter().enumerate() {
            let own = self
                .policies
                .get(index)
                .and_then(|entry| entry.table().methods);
            let methods = own.as_ref().unwrap_or(&self.methods);
            let wants = |method| methods.contains(&method);
            let pool = |sampling, draws| Config::Pool {
                policy: policy.info.identity.clone(),
                sampling,
                limits: policy.limits,
                draws,
            };
            if wants(Method::Cot) {
                cells.push(Cell::new(index, None, pool(Sampling::GREEDY, 1)));
            }
            if wants(Method::Majority) || wants(Method::BestOfN) {
                let drawn = Cell::new(index, None, pool(policy.sampling, largest));
                let hash = drawn.hash().to_owned();
                cells.push(drawn);
                if wants(Method::BestOfN) {
                    for (number, verifier) in verifiers.iter().enumerate() {
                        let score = Config::Score {
                            pool: hash.clone(),
                            verifier: verifier.identity.clone(),
                        };
                        cells.push(Cell::new(index, Some(number), score));
                    }
                }
            }
            for (number, verifier) in verifiers.iter().enumerate() {
                for method in [Method::Beam, Method::Dvts]
                    .into_iter()
                    .filter(|&m| wants(m))
                {
                    for plan in self.plans(method, &budgets)? {
                        let search = Config::Search {
                            policy: policy.info.identity.clone(),
                            verifier: verifier.identity.clone(),
                            sampling: policy.sampling,
                            limits: policy.limits,
                            plan,
                        };
                        cells.push(Cell::new(index, Some(number), search));
                    }
                }
            }
        }
        Ok(Study {
            name: self.name.clone(),
            dataset: self.dataset.clone(),
            problems,
            policies: policies.into_iter().map(|policy| policy.info).collect(),
            verifiers,
            strategies: Vec::new(),
            cells,
            budgets,
            seeds: (0..self.seeds as u64).map(|run| self.seed + run).collect(),
            recipe: self,
        })
    }

    fn plans(&self, method: Method, budgets: &[usize]) -> Result<Vec<Plan>, RecipeError> {
        let mut plans = Vec::new();
        for &budget in budgets {
            for &width in &self.widths {
                let plan = Plan::new(method, budget, width.min(budget), self.finished)?;
                if !plans.contains(&plan) {
                    plans.push(plan);
                }
            }
        }
        Ok(plans)
    }
}

fn unique<'n>(
    what: &'static str,
    names: impl Iterator<Item = &'n String>,
) -> Result<(), RecipeError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            let name = name.clone();
            return Err(RecipeError::Twice { what, name });
        }
    }
    Ok(())
}

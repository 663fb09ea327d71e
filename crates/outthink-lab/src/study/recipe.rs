//! What is asked for: a study as a person writes it, in TOML.

use std::fmt;

use outthink_answer::AnyDomain;
use outthink_core::{AnyMethod, Finished, Limits, ModelInfo, ModelTable, Plan, Sampling};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::study::{Cell, Config, Problem, Study};

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
    #[error("{0} needs a verifier; name one with --verifier, or under `verifiers` in a recipe")]
    NoVerifier(AnyMethod),
    /// A method that ends samples while they are drawn.
    #[error(
        "{0} ends samples while others finish, and a study draws whole ones: take majority, and read its pool with the selection short-top"
    )]
    Live(AnyMethod),
    /// A domain that is not known.
    #[error("{0}")]
    Domain(String),
    /// A budget that a method cannot spend.
    #[error(transparent)]
    Budget(#[from] outthink_core::Error),
    /// Something twice.
    #[error(
        "{what} `{name}` stands twice in the study; give one of them another `name` in a recipe"
    )]
    Twice {
        /// What.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// A number that no study can have.
    #[error("{what} {value} is out of bounds: {bounds}")]
    Bounds {
        /// Of what.
        what: &'static str,
        /// The number.
        value: u128,
        /// What it may be.
        bounds: String,
    },
}

/// Most units of work of a study.
const MOST_UNITS: u128 = 100_000_000;
/// Most runs.
const MOST_RUNS: usize = 1_000_000;
/// The largest budget.
const LARGEST_BUDGET: usize = 1_000_000;

/// A model of a recipe: a name, or a table that says more.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ModelEntry {
    /// A name, a folder or an address.
    Name(String),
    /// More than that.
    Table(Box<ModelTable>),
}

/// Not derived, so that what is wrong inside of a table is told there.
impl<'de> Deserialize<'de> for ModelEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;

        impl<'de> Visitor<'de> for Entry {
            type Value = ModelEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a model's name, or a table with its `model`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<ModelEntry, E> {
                Ok(ModelEntry::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelEntry, A::Error> {
                let table = ModelTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ModelEntry::Table(Box::new(table)))
            }
        }

        deserializer.deserialize_any(Entry)
    }
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
    /// What the problems are about, if not mathematics: how answers are found, told apart and graded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
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
    pub methods: Vec<AnyMethod>,
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
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::store::place::serialize"
    )]
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
    /// A hash of the samples that it stands for, where another program drew them.
    pub imported: Option<String>,
}

impl Recipe {
    /// The domain of its problems.
    pub fn domain(&self) -> Result<AnyDomain, String> {
        let named = self.domain.as_deref().map(str::parse);
        named.unwrap_or(Ok(AnyDomain::default()))
    }

    /// Reads TOML.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        Ok(toml::from_str(text)?)
    }

    /// Lays out the cells. One pool of the largest N serves majority and best-of-N at every smaller N, and every verifier
    /// scores it; chain of thought has its own greedy sample; each search has a cell of its own.
    pub fn resolve(
        self,
        problems: Vec<Problem>,
        policies: Vec<PolicyPart>,
        verifiers: Vec<ModelInfo>,
    ) -> Result<Study, RecipeError> {
        self.check_bounds()?;
        self.domain().map_err(RecipeError::Domain)?;
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
        ] {
            if empty {
                return Err(RecipeError::Nothing(what));
            }
        }
        let own = self
            .policies
            .iter()
            .filter_map(|entry| entry.table().methods);
        let asked: Vec<AnyMethod> = self.methods.iter().copied().chain(own.flatten()).collect();
        if let Some(&method) = asked.iter().find(|method| method.traits().live) {
            return Err(RecipeError::Live(method));
        }
        let mut asked = asked.into_iter();
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
            let mut searches: Vec<AnyMethod> = methods.clone();
            searches.retain(|own| own.is_search());
            searches.sort();
            searches.dedup();
            let pool = |sampling, draws| Config::Pool {
                policy: policy.info.identity.clone(),
                sampling,
                limits: policy.limits,
                draws,
                imported: policy.imported.clone(),
            };
            if methods.iter().any(|own| own.is_greedy()) {
                cells.push(Cell::new(index, None, pool(Sampling::GREEDY, 1)));
            }
            let pooled = || methods.iter().filter(|own| own.takes_pool());
            if pooled().next().is_some() {
                let drawn = Cell::new(index, None, pool(policy.sampling, largest));
                let hash = drawn.hash().to_owned();
                cells.push(drawn);
                if pooled().any(|own| own.needs_verifier()) {
                    for (number, verifier) in verifiers.iter().enumerate() {
                        let score = Config::Score {
                            pool: hash.clone(),
                            verifier: verifier.identity.clone(),
                        };
                        cells.push(Cell::new(index, Some(number), score));
                    }
                }
            }
            let with = |verifier: Option<usize>, plan: Plan| {
                let identity = verifier.map(|number| verifiers[number].identity.clone());
                let search = Config::Search {
                    policy: policy.info.identity.clone(),
                    verifier: identity.unwrap_or_default(),
                    sampling: policy.sampling,
                    limits: policy.limits,
                    plan,
                    imported: None,
                };
                Cell::new(index, verifier, search)
            };
            for number in 0..verifiers.len() {
                for &method in searches.iter().filter(|own| own.needs_verifier()) {
                    let plans = self.plans(method, &budgets)?.into_iter();
                    cells.extend(plans.map(|plan| with(Some(number), plan)));
                }
            }
            for &method in searches.iter().filter(|own| !own.needs_verifier()) {
                let plans = self.plans(method, &budgets)?.into_iter();
                cells.extend(plans.map(|plan| with(None, plan)));
            }
        }
        let units = problems.len() as u128 * cells.len() as u128 * self.seeds as u128;
        within("a study's number of units", units, 0..=MOST_UNITS)?;
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
            source: None,
            recipe: self,
        })
    }

    fn check_bounds(&self) -> Result<(), RecipeError> {
        for &budget in &self.budgets {
            within("a budget of", budget as u128, 1..=LARGEST_BUDGET as u128)?;
        }
        for &width in &self.widths {
            within("a width of", width as u128, 1..=LARGEST_BUDGET as u128)?;
        }
        within(
            "a number of runs (seeds) of",
            self.seeds as u128,
            1..=MOST_RUNS as u128,
        )?;
        let last = u128::from(self.seed) + self.seeds as u128;
        within("a seed of", last, 0..=i64::MAX as u128)
    }

    fn plans(&self, method: AnyMethod, budgets: &[usize]) -> Result<Vec<Plan>, RecipeError> {
        let mut plans = Vec::new();
        for &budget in budgets {
            // Where there are no beams, their width says nothing.
            let widths = match method.has_width() {
                true => self.widths.as_slice(),
                false => &[1],
            };
            for &width in widths {
                let plan = Plan::new(method, budget, width.min(budget), self.finished)?;
                if !plans.contains(&plan) {
                    plans.push(plan);
                }
            }
        }
        Ok(plans)
    }
}

fn within(
    what: &'static str,
    value: u128,
    bounds: std::ops::RangeInclusive<u128>,
) -> Result<(), RecipeError> {
    match bounds.contains(&value) {
        true => Ok(()),
        false => Err(RecipeError::Bounds {
            what,
            value,
            bounds: format!("it is from {} to {}", bounds.start(), bounds.end()),
        }),
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = 'x'\ndataset = 'micro'\nbudgets = [4]\nmethods = ['cot']\n";

    fn parse(rest: &str) -> Result<Recipe, String> {
        Recipe::parse(&format!("{HEAD}{rest}")).map_err(|error| match error {
            RecipeError::Toml(error) => error.to_string(),
            other => other.to_string(),
        })
    }

    #[test]
    fn a_field_may_have_hyphens_or_underscores_and_a_wrong_one_is_told_where_it_stands() {
        let table = "[[policies]]\nmodel = 'm'\nmax-tokens = 5\ntop_p = 0.5\ntraining_tokens = 2.0\n[[policies]]\nmodel = 'n'\nmax_tokens = 6";
        let recipe = parse(table).expect("a recipe");
        let tables: Vec<ModelTable> = recipe.policies.iter().map(ModelEntry::table).collect();
        assert_eq!(
            (tables[0].max_tokens, tables[1].max_tokens),
            (Some(5), Some(6))
        );
        assert_eq!(
            (tables[0].top_p, tables[0].training_tokens),
            (Some(0.5), Some(2.0))
        );
        let mixed = parse("policies = ['a', { model = 'b', temperature = 0 }]").expect("a recipe");
        assert_eq!(mixed.policies[0], ModelEntry::Name("a".into()));
        let text = toml::to_string(&recipe).expect("toml");
        assert_eq!(Recipe::parse(&text).expect("a recipe"), recipe);

        let told = parse("[[policies]]\nmodel = 'm'\nmax-tokns = 5").expect_err("no field");
        assert!(
            told.contains("line 7") && told.contains("max-tokns") && told.contains("`max-tokens`"),
            "{told}"
        );
        let told = parse("policies = [5]").expect_err("no model");
        assert!(told.contains("a model's name, or a table"), "{told}");
        let told = parse("[[policies]]\nname = 'm'").expect_err("no model");
        assert!(told.contains("missing field `model`"), "{told}");
    }

    #[test]
    fn numbers_that_no_study_can_have_are_refused() {
        let asked = |change: fn(&mut Recipe)| {
            let mut recipe = parse("policies = ['m']").expect("a recipe");
            change(&mut recipe);
            let problem = Problem::default();
            let info = ModelInfo {
                name: "m".into(),
                identity: serde_json::Value::Null,
                cost: None,
                training_tokens: None,
                price: None,
                oracle: false,
            };
            let limits = Limits {
                draw_tokens: 1,
                solution_tokens: 1,
                steps: 1,
            };
            let part = PolicyPart {
                info,
                sampling: Sampling::GREEDY,
                limits,
                imported: None,
            };
            recipe.resolve(vec![problem], vec![part], Vec::new())
        };
        assert!(asked(|_| ()).is_ok());
        type Change = fn(&mut Recipe);
        let changes: [(&str, Change); 7] = [
            ("budget", |recipe| recipe.budgets = vec![4, 0]),
            ("budget", |recipe| {
                recipe.budgets = vec![1_000_000_000_000_000]
            }),
            ("width", |recipe| recipe.widths = vec![0]),
            ("seeds", |recipe| recipe.seeds = 1_000_000_000_000_000_000),
            ("seeds", |recipe| recipe.seeds = 0),
            ("seed", |recipe| recipe.seed = u64::MAX),
            ("budgets", |recipe| recipe.budgets = Vec::new()),
        ];
        for (what, change) in changes {
            let told = asked(change).expect_err(what).to_string();
            assert!(told.contains(what), "{told}");
        }
    }
}

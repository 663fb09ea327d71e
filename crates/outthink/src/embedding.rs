//! What the commands do with names, for programs that embed the library: a recipe's study with its models, a strategy with its
//! own. What must be told meanwhile goes to standard error, as from the commands.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use outthink_core::{AnyMethod, Domain, ModelInfo, Plan, Problem, Spending};
use outthink_lab::store::is_url;
use outthink_lab::{Columns, Models, PolicyModel, Recipe, Store, Study, VerifierModel};
use outthink_strategy::{Solved, Strategy};

use crate::cli::{PolicyChoice, VerifierChoice};
use crate::failure::Failure;
use crate::strategy::{self, Loaded, Named};
use crate::study::{self, IN_MEMORY};
use crate::{data, wiring};

/// A study in its store with its models loaded: what [`outthink_lab::run`] takes.
pub struct ReadyStudy {
    /// The study.
    pub study: Study,
    /// Its models.
    pub models: Models,
    /// Its store; what is done of it is done.
    pub store: Store,
}

/// Reads the recipe in a file.
///
/// # Errors
///
/// It cannot be read, or is no recipe.
pub fn recipe(file: &Path) -> Result<Recipe, Failure> {
    study::read_recipe(file)
}

/// Where the store of a recipe is.
pub fn place(recipe: &Recipe) -> String {
    study::place(recipe)
}

/// Loads a recipe's models, lays out the study and puts it into its store, as `outthink study` does. `replace` takes the place of
/// another study of that name.
///
/// # Errors
///
/// A model, the problems or the store cannot be had, or the store has another study of that name.
pub fn ready(mut recipe: Recipe, replace: bool) -> Result<ReadyStudy, Failure> {
    study::complete(&mut recipe, false)?;
    let place = study::place(&recipe);
    // What fails before it begins leaves no file behind.
    let is_there = is_url(&place) || Path::new(&place).exists();
    let mut store = Store::open(if is_there { &place } else { IN_MEMORY })?;
    let (mut study, models) = wiring::resolve(recipe, &Columns::default(), &mut store)?;
    study::settle_name(&mut study, &mut store, &place, true, replace)?;
    if !is_there {
        store = Store::open(&place)?;
    }
    store.put_study(&study)?;
    Ok(ReadyStudy {
        study,
        models,
        store,
    })
}

/// The problems of a set that is known by name, of a file, or of an embedded family: `micro`, `grid:3`.
///
/// # Errors
///
/// There is no such set, or it cannot be read.
pub fn problems(
    dataset: &str,
    count: Option<usize>,
) -> Result<Vec<outthink_lab::Problem>, Failure> {
    let mut problems = match wiring::fresh_problems(dataset, count)? {
        Some(problems) => problems,
        None => data::problems(dataset, &Columns::default())?,
    };
    problems.truncate(count.unwrap_or(usize::MAX));
    Ok(problems)
}

/// Is there a strategy of this name?
///
/// # Errors
///
/// It is no built-in one, and no file that holds one.
pub fn check_strategy(name: &str) -> Result<(), Failure> {
    Named::parse(name).map(drop)
}

/// The budget of a strategy in its unit, and the most samples for one problem.
fn budget_of(named: &Named, budget: Option<f64>) -> Result<(f64, usize), Failure> {
    let sample = named.sample();
    let budget = budget.unwrap_or(Plan::USUAL_BUDGET as f64 * sample);
    match budget > 0.0 && budget.is_finite() {
        true => Ok((budget, strategy::most(budget, sample)?)),
        false => Err(Failure::Input(anyhow!("a budget is above 0, not {budget}"))),
    }
}

/// A strategy with the models that it asks at one budget.
pub struct ReadyStrategy {
    loaded: Loaded,
    budget: f64,
    most: usize,
}

impl ReadyStrategy {
    /// Loads a strategy from a file, or `paper` or `search-and-learn`, with its models or those that are named instead. The budget
    /// is in its unit; where none is named it is what 16 samples cost.
    ///
    /// # Errors
    ///
    /// The file or a model cannot be had, a model is none that the strategy was fitted with, or nothing was fitted for the budget.
    pub fn load(
        name: &str,
        policy: Option<&str>,
        verifier: Option<&str>,
        budget: Option<f64>,
    ) -> Result<Self, Failure> {
        let named = Named::parse(name)?;
        let (budget, most) = budget_of(&named, budget)?;
        let policy = policy.map_or_else(PolicyChoice::default, PolicyChoice::of);
        let verifier = verifier.map_or_else(VerifierChoice::default, VerifierChoice::of);
        let loaded = strategy::load(named, (&policy, &verifier), budget, false)?;
        Ok(Self {
            loaded,
            budget,
            most,
        })
    }

    /// The same with models that are there already, of any make. A file takes those that it was fitted with.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load); and where a verifier is missing, or the policy `takes` no method that may be chosen.
    pub fn with(
        name: &str,
        policy: PolicyModel,
        verifier: Option<VerifierModel>,
        takes: impl Fn(AnyMethod) -> Result<(), outthink_core::Error>,
        budget: Option<f64>,
    ) -> Result<Self, Failure> {
        let named = Named::parse(name)?;
        let (budget, most) = budget_of(&named, budget)?;
        let verifiers = named.given(verifier, budget)?;
        let infos: Vec<&ModelInfo> = verifiers.iter().map(|own| &own.info).collect();
        let strategy = named.with(&policy.info, &infos)?;
        let mut methods = strategy.methods().into_iter();
        methods.try_for_each(|method| takes(method).map_err(Failure::input))?;
        let loaded = Loaded {
            strategy,
            policy,
            verifiers,
        };
        Ok(Self {
            loaded,
            budget,
            most,
        })
    }

    /// The strategy itself.
    pub fn strategy(&self) -> &Strategy {
        &self.loaded.strategy
    }

    /// The budget of a problem, on average, in the strategy's unit.
    pub fn budget(&self) -> f64 {
        self.budget
    }

    /// Answers a problem, and says what that cost.
    ///
    /// # Errors
    ///
    /// A model or the domain failed.
    pub async fn solve(
        &self,
        problem: Arc<Problem>,
        seed: u64,
        domain: &dyn Domain,
    ) -> Result<(Solved, Spending), Failure> {
        let budget = (self.budget, self.most);
        self.loaded.solve(problem, budget, seed, domain).await
    }
}

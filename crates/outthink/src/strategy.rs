//! `outthink solve --strategy`: a strategy chooses how to spend the budget.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use outthink_core::{CountedPolicy, CountedVerifier, Domain, Plan, Problem, Spending, Verifier};
use outthink_lab::{
    ModelEntry, ModelInfo, ModelTable, PolicyModel, Recipe, StrategyInfo, Study, VerifierModel,
    chance, short,
};
use outthink_models::Beside;
use outthink_remote::Role;
use outthink_strategy::{Builtin, Fitted, SolveContext, Solved, Strategy, StrategyFile};
use serde::Serialize;

use crate::cli::{PolicyChoice, Solve, VerifierChoice};
use crate::failure::Failure;
use crate::models::{self, AnyPolicy};
use crate::solve::{self, Written, graded, print, problem, samples, status, write};
use crate::wiring::{self, LoadedPolicy};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<bool>,
    choice: String,
    reason: String,
    budget: f64,
    unit: &'static str,
    samples: usize,
    agreement: Option<f64>,
    confidence: Option<f64>,
    /// Why there is no confidence though the strategy was fitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    unlike: Option<String>,
    usage: Spending,
    solutions: Vec<Written>,
}

/// A strategy as it was named, before its models are there.
pub(crate) enum Named {
    File(Box<StrategyFile>),
    Builtin(Builtin),
}

/// A strategy with its models, loaded.
pub(crate) struct Loaded {
    pub(crate) strategy: Strategy,
    pub(crate) policy: PolicyModel,
    /// Those that it asks at the budget.
    pub(crate) verifiers: Vec<VerifierModel>,
}

impl Named {
    /// A built-in one by name, else a file.
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        if let Ok(builtin) = name.parse() {
            return Ok(Self::Builtin(builtin));
        }
        let text = outthink_core::file::read_to_string(name.as_ref());
        let text = text.with_context(|| {
            format!("cannot read {name} (a strategy is a file, `paper` or `search-and-learn`)")
        });
        Self::read(name, &text.map_err(Failure::Input)?)
    }

    /// The text of the file that is called so.
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, Failure> {
        let file = StrategyFile::parse(text).with_context(|| name.to_owned());
        Ok(Self::File(Box::new(file.map_err(Failure::Input)?)))
    }

    /// What a sample costs on average, in its unit.
    pub(crate) fn sample(&self) -> f64 {
        match self {
            Self::File(file) => file.sample(),
            Self::Builtin(_) => 1.0,
        }
    }

    /// How its policy is loaded: as typed, else as a file says.
    pub(crate) fn policy(&self, choice: &PolicyChoice) -> Result<ModelTable, Failure> {
        let typed = wiring::policy_table(choice);
        let Self::File(file) = self else {
            return Ok(typed);
        };
        let mut table = file.policy().load.clone();
        match choice.policy {
            Some(_) => table.model = typed.model,
            None => models::keeps_keys(&table.model, Role::Policy, "--policy")?,
        }
        table.profile = typed.profile.or(table.profile);
        table.tokenizer = typed.tokenizer.or(table.tokenizer);
        table.thinking = typed.thinking.or(table.thinking);
        Ok(table)
    }

    /// How its verifiers are loaded: all that a file may ask at a budget, for one problem or for many that share a total, or without
    /// a budget ever; or the one that is typed, or goes with the policy.
    pub(crate) fn verifiers(
        &self,
        policy: &AnyPolicy,
        choice: &VerifierChoice,
        budget: Option<(f64, bool)>,
    ) -> Result<Vec<ModelTable>, Failure> {
        let file = match self {
            Self::File(file) => file,
            Self::Builtin(name) => {
                let choice = models::beside(policy, choice);
                return match choice.name() {
                    "none" => Err(Failure::Input(needs_verifier(*name))),
                    _ => Ok(vec![wiring::verifier_table(&choice)]),
                };
            }
        };
        let asked = match budget {
            Some((budget, together)) => file.asks(budget, together).map_err(Failure::input)?,
            None => file.verifiers().iter().collect(),
        };
        match (asked.as_slice(), &choice.verifier) {
            // The same verifier elsewhere: fingerprints are compared once it is loaded.
            ([own], Some(_)) => {
                let typed = wiring::verifier_table(choice);
                Ok(vec![ModelTable {
                    profile: typed.profile.or_else(|| own.load.profile.clone()),
                    tokenizer: typed.tokenizer.or_else(|| own.load.tokenizer.clone()),
                    model: typed.model,
                    ..own.load.clone()
                }])
            }
            (_, Some(_)) => Err(Failure::Input(anyhow!(
                "a strategy file brings the verifiers that it was fitted with (here {}); leave --verifier out",
                solve::counted(asked.len(), "verifier", "verifiers")
            ))),
            (_, None) => {
                let load = |own: &&Fitted| {
                    models::keeps_keys(&own.load.model, Role::Verifier, "--verifier")?;
                    Ok(own.load.clone())
                };
                asked.iter().map(load).collect()
            }
        }
    }

    /// The verifiers that are asked at a budget, where one is given.
    pub(crate) fn given(
        &self,
        verifier: Option<VerifierModel>,
        budget: f64,
    ) -> Result<Vec<VerifierModel>, Failure> {
        let asked = match self {
            Self::Builtin(name) => {
                let verifier = verifier.ok_or_else(|| Failure::Input(needs_verifier(*name)))?;
                return Ok(vec![verifier]);
            }
            Self::File(file) => file.asks(budget, false).map_err(Failure::input)?,
        };
        match (asked.as_slice(), verifier) {
            ([], _) => Ok(Vec::new()),
            ([own], Some(mut verifier)) => {
                // What was chosen is told by the file's names.
                verifier.info.name.clone_from(&own.name);
                Ok(vec![verifier])
            }
            (several, _) => Err(Failure::Input(anyhow!(
                "the strategy asks {} of its own, so that its models are named and not given",
                solve::counted(several.len(), "verifier", "verifiers")
            ))),
        }
    }

    /// With its models; refuses those that a file was not fitted for, and warns of other profiles.
    pub(crate) fn with(
        self,
        policy: &ModelInfo,
        verifiers: &[&ModelInfo],
    ) -> Result<Strategy, Failure> {
        let strategy = match self {
            Self::File(file) => Strategy::Fitted(file),
            Self::Builtin(builtin) => {
                let name = verifiers.first().map(|own| own.name.as_str());
                let fixed = builtin.with(policy, name.unwrap_or_default());
                Strategy::Fixed(fixed.map_err(Failure::input)?)
            }
        };
        for warning in strategy.check(policy, verifiers).map_err(Failure::input)? {
            eprintln!("warning: {warning}");
        }
        Ok(strategy)
    }
}

fn needs_verifier(strategy: Builtin) -> anyhow::Error {
    anyhow!("{strategy} needs a verifier; name one with --verifier")
}

/// Gives a recipe without models those that its strategies were fitted for.
pub(crate) fn add_models(recipe: &mut Recipe) -> Result<(), Failure> {
    let (policies, verifiers) = (recipe.policies.is_empty(), recipe.verifiers.is_empty());
    for name in &recipe.strategies {
        let Named::File(file) = Named::parse(name)? else {
            continue;
        };
        let add = |models: &mut Vec<ModelEntry>, own: &Fitted| {
            if !models.iter().any(|entry| entry.table() == own.load) {
                models.push(ModelEntry::Table(Box::new(own.load.clone())));
            }
        };
        if policies {
            models::keeps_keys(&file.policy().load.model, Role::Policy, "--policy")?;
            add(&mut recipe.policies, file.policy());
        }
        for own in file.verifiers().iter().filter(|_| verifiers) {
            models::keeps_keys(&own.load.model, Role::Verifier, "--verifier")?;
            add(&mut recipe.verifiers, own);
        }
    }
    if recipe.policies.is_empty() {
        return Err(Failure::Input(anyhow!("the study has no policies")));
    }
    Ok(())
}

/// A strategy with the policies and verifiers of a study that it can work with: a file with those that it was fitted for, a
/// recipe of others with every policy and verifier that does not know the answer.
pub(crate) fn of_study(
    name: &str,
    study: &Study,
) -> Result<Vec<(StrategyInfo, Strategy)>, Failure> {
    let mut found = Vec::new();
    let file = match Named::parse(name)? {
        Named::Builtin(builtin) => {
            let open = |own: &(usize, &ModelInfo)| !own.1.oracle;
            let verifiers = study.verifiers.iter().enumerate().filter(open);
            let verifiers: Vec<(usize, &ModelInfo)> = verifiers.collect();
            if verifiers.is_empty() {
                return Err(Failure::Input(anyhow!(
                    "{builtin} needs a verifier; name one under `verifiers`"
                )));
            }
            for (policy, info) in study.policies.iter().enumerate() {
                for (number, verifier) in &verifiers {
                    let fixed = builtin.with(info, &verifier.name);
                    let strategy = Strategy::Fixed(fixed.map_err(Failure::input)?);
                    let own = StrategyInfo {
                        name: format!("{builtin} with {}", verifier.name),
                        policy,
                        fingerprint: strategy.fingerprint(),
                        unit: strategy.unit(),
                        verifiers: vec![(verifier.name.clone(), *number)],
                    };
                    found.push((own, strategy));
                }
            }
            return Ok(found);
        }
        Named::File(file) => file,
    };
    let mut verifiers = Vec::new();
    let mut read = Vec::new();
    for own in file.verifiers() {
        let same = |(_, info): &(usize, &ModelInfo)| own.is(info);
        let (number, info) = study.verifiers.iter().enumerate().find(same).ok_or_else(|| {
            Failure::Input(anyhow!(
                "{name} asks the verifier {} ({}), which the study does not have: name it under `verifiers`",
                own.name,
                own.fingerprint
            ))
        })?;
        verifiers.push((own.name.clone(), number));
        // Fingerprints are compared by the name in the file, whatever the study calls it.
        read.push(ModelInfo {
            name: own.name.clone(),
            ..info.clone()
        });
    }
    let read: Vec<&ModelInfo> = read.iter().collect();
    let policies = study.policies.iter().enumerate();
    let mut own: Vec<(usize, &ModelInfo)> = policies.collect();
    if own.iter().any(|(_, info)| file.policy().is(info)) {
        own.retain(|(_, info)| file.policy().is(info));
    }
    for (policy, info) in own {
        let strategy = Named::File(file.clone()).with(info, &read)?;
        let own = StrategyInfo {
            name: file_stem(name),
            policy,
            fingerprint: strategy.fingerprint(),
            unit: strategy.unit(),
            verifiers: verifiers.clone(),
        };
        found.push((own, strategy));
    }
    Ok(found)
}

/// The file's name without folder and ending.
fn file_stem(name: &str) -> String {
    let stem = std::path::Path::new(name).file_stem();
    stem.map_or(name.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// A strategy by name, and the models that it needs at a budget, for one problem or for many that share a total.
pub(crate) fn load(
    named: Named,
    (policy, verifier): (&PolicyChoice, &VerifierChoice),
    budget: f64,
    together: bool,
) -> Result<Loaded, Failure> {
    let policy = wiring::load_policy(&named.policy(policy)?)?;
    let tables = named.verifiers(&policy.model, verifier, Some((budget, together)))?;
    let beside = [Beside::from(&policy)];
    let verifiers = tables.iter().map(|own| wiring::verifier(own, &beside));
    let verifiers = verifiers.collect::<Result<Vec<_>, _>>()?;
    let infos: Vec<&ModelInfo> = verifiers.iter().map(|own| &own.info).collect();
    let strategy = named.with(&policy.info, &infos)?;
    fits(&strategy, &policy)?;
    Ok(Loaded {
        strategy,
        policy: wiring::policy_model(policy),
        verifiers,
    })
}

/// Can the policy do all that the strategy may choose?
pub(crate) fn fits(strategy: &Strategy, policy: &LoadedPolicy) -> Result<(), Failure> {
    let mut methods = strategy.methods().into_iter();
    methods.try_for_each(|method| policy.model.takes(method).map_err(Failure::input))
}

/// Most samples for one problem: a strategy keeps to a budget on average, and one problem is never given more than it pays for.
pub(crate) fn most(budget: f64, sample: f64) -> Result<usize, Failure> {
    samples((budget / sample - 1e-9).ceil().max(1.0))
}

impl Loaded {
    /// Answers a problem for a budget, with at most so many samples, and says what that cost.
    pub(crate) async fn solve(
        &self,
        problem: Arc<Problem>,
        (budget, most): (f64, usize),
        seed: u64,
        domain: &dyn Domain,
    ) -> Result<(Solved, Spending), Failure> {
        let names = self.strategy.asks(budget, false).map_err(Failure::input)?;
        let policy = CountedPolicy::new(self.policy.model.as_ref());
        let judges = self.verifiers.iter().map(|own| own.model.as_ref());
        let judges: Vec<_> = judges.map(CountedVerifier::new).collect();
        let judges = judges.iter().map(|judge| judge as &dyn Verifier);
        let context = SolveContext {
            policy: &policy,
            verifiers: names.into_iter().zip(judges).collect(),
            sampling: self.policy.sampling,
            limits: self.policy.limits,
            answers: domain,
            most: Some(most),
        };
        let solved = self.strategy.solve(problem, budget, seed, &context).await?;
        let infos: Vec<&ModelInfo> = self.verifiers.iter().map(|own| &own.info).collect();
        let costs = costs(&solved, &self.policy.info, &infos);
        Ok((solved, costs))
    }
}

pub(crate) fn run(arguments: &Solve, named: &str) -> Result<ExitCode, Failure> {
    let problem = problem(arguments)?;
    let parsed = Named::parse(named)?;
    let sample = parsed.sample();
    let budget = arguments
        .budget
        .unwrap_or(Plan::USUAL_BUDGET as f64 * sample);
    let most = most(budget, sample)?;
    let models = (&arguments.policy, &arguments.verifier);
    let loaded = load(parsed, models, budget, false)?;
    let domain = arguments.domain.get();
    let solving = loaded.solve(Arc::clone(&problem), (budget, most), arguments.seed, domain);
    let (solved, costs) = block_on(solving)?;
    let Loaded {
        strategy, policy, ..
    } = &loaded;
    let solutions = solved.answered().solutions();
    let answer = solved.answer.as_ref();
    let correct = graded(arguments, &problem, answer)?;
    let candidate = &solved.chosen.candidate;
    if arguments.json {
        let report = Report {
            answer: answer.map(|chosen| chosen.answer.clone()),
            correct,
            choice: candidate.to_string(),
            reason: solved.chosen.reason.clone(),
            budget,
            unit: strategy.unit().name(),
            samples: solved.samples,
            agreement: answer.map(|chosen| chosen.agreement),
            confidence: solved.confidence,
            unlike: solved.unlike.clone(),
            usage: costs,
            solutions: solutions
                .iter()
                .map(|solution| write(&problem, solution, solved.selection, domain))
                .collect(),
        };
        crate::print::json(&serde_json::to_string(&report)?);
        return Ok(status(answer));
    }
    println!("strategy   {named} ({})", strategy.source());
    println!("policy     {}", policy.info.name);
    println!("choice     {candidate}");
    println!("why        {}", solved.chosen.reason);
    print(answer, correct, &solutions, &costs);
    println!(
        "spent      {} of at most {most}; the budget was {} {}",
        solve::counted(solved.samples, "sample", "samples"),
        short(budget),
        strategy.unit()
    );
    println!("confidence {}", sureness(&solved, strategy));
    Ok(status(answer))
}

/// How sure one may be of the answer, in words.
fn sureness(solved: &Solved, strategy: &Strategy) -> String {
    /// Where a chance is high, and an agreement low.
    const HIGH: f64 = 0.95;
    const LOW: f64 = 0.2;
    match (solved.confidence, &solved.unlike, &solved.answer) {
        (_, _, None) => "none: there is no answer".into(),
        (_, Some(reason), _) => format!("unknown: {reason}"),
        (None, None, _) => "none: nothing was fitted".into(),
        (Some(confidence), None, Some(answer)) => {
            let doubt = match confidence > HIGH && answer.agreement < LOW {
                true => format!(
                    "; but only {:.0} % of the samples agree",
                    answer.agreement * 100.0
                ),
                false => String::new(),
            };
            format!("{}{doubt} ({})", chance(confidence), strategy.grounds())
        }
    }
}

/// What an answer cost.
pub(crate) fn costs(solved: &Solved, policy: &ModelInfo, verifiers: &[&ModelInfo]) -> Spending {
    let read = solved.verifiers.iter().map(|(name, usage)| {
        let own = verifiers.iter().find(|own| own.name == *name);
        (own.and_then(|own| own.shape()), *usage)
    });
    Spending::of((policy.cost, solved.policy), read)
}

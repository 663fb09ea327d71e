//! The study that samples make.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outthink_core::method::{BEST_OF_N, MAJORITY};
use outthink_core::{Finished, Limits, ModelInfo, Plan, Sampling};

use super::roster::Roster;
use super::{GroupId, ImportOptions, Kind, PoolSource};
use crate::exchange::Line;
use crate::study::recipe::{ModelEntry, Recipe};
use crate::study::{Cell, Config, Problem, Study};

/// The beam width of searches that do not tell theirs: the paper's.
const WIDTH: usize = 4;

/// The hashes of pools by policy and kind.
pub(super) type Pools = HashMap<(usize, Kind), String>;

pub(super) fn study(
    options: &ImportOptions<'_>,
    problems: Vec<Problem>,
    roster: &Roster,
    groups: &BTreeMap<GroupId, Vec<Line>>,
    source: PoolSource,
) -> (Study, Pools) {
    let mut largest: BTreeMap<(usize, Kind), usize> = BTreeMap::new();
    let mut scored: BTreeSet<(usize, Kind, usize)> = BTreeSet::new();
    let mut seeds: BTreeSet<u64> = BTreeSet::new();
    for ((policy, kind, seed, _), lines) in groups {
        let own = largest.entry((*policy, *kind)).or_default();
        *own = (*own).max(lines.len());
        for name in lines.iter().flat_map(|line| line.rewards.keys()) {
            if let Some(verifier) = roster.verifier(name) {
                scored.insert((*policy, *kind, verifier));
            }
        }
        seeds.insert(*seed);
    }
    let (mut pools, mut scores, mut searches) = (Vec::new(), Vec::new(), Vec::new());
    let mut hashes = Pools::new();
    for (&(policy, kind), &draws) in &largest {
        let identity = roster.policies[policy].identity.clone();
        // Where the sampling settings are unknown, these are placeholders.
        let sampling = roster.sampling[policy].unwrap_or(Sampling::at(1.0));
        let limits = Limits {
            draw_tokens: usize::MAX >> 12,
            solution_tokens: usize::MAX >> 12,
            steps: usize::MAX >> 12,
        };
        let own = scored
            .iter()
            .filter(|own| (own.0, own.1) == (policy, kind))
            .map(|own| own.2);
        match kind {
            Kind::Greedy | Kind::Pool => {
                let (sampling, draws) = match kind {
                    Kind::Greedy => (Sampling::GREEDY, 1),
                    _ => (sampling, draws),
                };
                let pool = Cell::new(
                    policy,
                    None,
                    Config::Pool {
                        policy: identity,
                        sampling,
                        limits,
                        draws,
                        imported: Some(source.samples.clone()),
                    },
                );
                for verifier in own {
                    let config = Config::Score {
                        pool: pool.hash().to_owned(),
                        verifier: roster.verifiers[verifier].identity.clone(),
                    };
                    scores.push(Cell::new(policy, Some(verifier), config));
                }
                hashes.insert((policy, kind), pool.hash().to_owned());
                pools.push(pool);
            }
            Kind::Search(method, budget) => {
                // The widest that the budget is a multiple of.
                let fits = |width: &usize| budget.is_multiple_of(*width);
                let width = (1..=WIDTH.min(budget)).rev().find(fits).unwrap_or(1);
                let Ok(plan) = Plan::new(method, budget, width, Finished::default()) else {
                    continue;
                };
                for verifier in own {
                    let config = Config::Search {
                        policy: identity.clone(),
                        verifier: roster.verifiers[verifier].identity.clone(),
                        sampling,
                        limits,
                        plan,
                        imported: Some(source.samples.clone()),
                    };
                    searches.push(Cell::new(policy, Some(verifier), config));
                }
            }
        }
    }
    let sizes = largest.iter().map(|((_, kind), draws)| match kind {
        Kind::Search(_, budget) => *budget,
        _ => *draws,
    });
    let budgets = budgets(sizes, options.budgets);
    let plans = searches
        .iter()
        .filter_map(|cell: &Cell| match cell.config() {
            Config::Search { plan, .. } => Some(plan.width()),
            _ => None,
        });
    let mut widths: Vec<usize> = plans.collect();
    widths.sort_unstable_by(|a, b| b.cmp(a));
    widths.dedup();
    if widths.is_empty() {
        widths.push(WIDTH);
    }
    let mut methods = vec![MAJORITY];
    if !scores.is_empty() {
        methods.push(BEST_OF_N);
    }
    let searched = largest.keys().filter_map(|(_, kind)| match kind {
        Kind::Search(method, _) => Some(*method),
        _ => None,
    });
    methods.extend(searched);
    methods.sort();
    methods.dedup();
    let names = |models: &[ModelInfo]| -> Vec<ModelEntry> {
        models
            .iter()
            .map(|own| ModelEntry::Name(own.name.clone()))
            .collect()
    };
    let dataset = format!("import:{}", options.name);
    let study = Study {
        name: options.name.to_owned(),
        dataset: dataset.clone(),
        problems,
        policies: roster.policies.clone(),
        verifiers: roster.verifiers.clone(),
        strategies: Vec::new(),
        cells: pools.into_iter().chain(scores).chain(searches).collect(),
        budgets: budgets.clone(),
        seeds: seeds.into_iter().collect(),
        source: Some(source),
        recipe: Recipe {
            name: options.name.to_owned(),
            dataset,
            domain: options.domain_name.map(str::to_owned),
            problems: None,
            policies: names(&roster.policies),
            verifiers: names(&roster.verifiers),
            methods,
            strategies: Vec::new(),
            budgets,
            widths,
            finished: Finished::default(),
            seed: 0,
            seeds: 1,
            store: None,
        },
    };
    (study, hashes)
}

/// Powers of two up to the largest number of samples, the policies' own, and those that somebody wants to see.
fn budgets(draws: impl Iterator<Item = usize>, wanted: &[usize]) -> Vec<usize> {
    let all: BTreeSet<usize> = draws.collect();
    let largest = all.last().copied().unwrap_or(1);
    let powers = (0..usize::BITS).map(|power| 1usize << power);
    // A few sizes of their own are looked at; of many, the largest.
    let own = if all.len() <= 4 {
        all
    } else {
        BTreeSet::from([largest])
    };
    let wanted = wanted.iter().copied().filter(|n| (1..=largest).contains(n));
    let powers = powers.take_while(|&n| n < largest);
    let budgets: BTreeSet<usize> = powers.chain(own).chain(wanted).collect();
    budgets.into_iter().collect()
}

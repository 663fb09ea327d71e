//! Who drew samples and who scored them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outthink_core::{ModelCost, ModelInfo, Sampling};
use serde_json::json;

use super::ImportOptions;
use crate::exchange::{GrownTree, Line};

/// Who drew and who scored.
pub(super) struct Roster {
    pub(super) policies: Vec<ModelInfo>,
    pub(super) verifiers: Vec<ModelInfo>,
    pub(super) sampling: Vec<Option<Sampling>>,
    /// By the name in the lines, and how it drew.
    places: HashMap<(String, String), usize>,
}

impl Roster {
    pub(super) fn of(lines: &[Line], study: &str) -> Self {
        let mut drawn: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
        for line in lines {
            let own = drawn.entry(&line.policy).or_default();
            if !own.iter().any(|known| written(known) == written(line)) {
                own.push(line);
            }
        }
        let mut roster = Self {
            policies: Vec::new(),
            verifiers: Vec::new(),
            sampling: Vec::new(),
            places: HashMap::new(),
        };
        for (name, ways) in drawn {
            for line in &ways {
                let shown = match (ways.len(), line.sampling) {
                    (1, _) | (_, None) => name.to_owned(),
                    (_, Some(own)) => format!("{name} at T = {}", own.temperature),
                };
                let mut info = model(&shown, name.is_empty().then_some((study, "policy")));
                info.cost = line.parameters.map(ModelCost::of_size);
                roster
                    .places
                    .insert((name.to_owned(), written(line)), roster.policies.len());
                roster.policies.push(info);
                roster.sampling.push(line.sampling);
            }
        }
        let names: BTreeSet<&str> = lines
            .iter()
            .flat_map(|line| line.rewards.keys().map(String::as_str))
            .collect();
        let info = |name: &str| model(name, name.is_empty().then_some((study, "verifier")));
        roster.verifiers = names.into_iter().map(info).collect();
        roster
    }

    pub(super) fn policy(&self, line: &Line) -> usize {
        let place = self.places.get(&(line.policy.clone(), written(line)));
        *place.expect("the roster is of these lines")
    }

    /// The place of a verifier by its name in the lines.
    pub(super) fn verifier(&self, name: &str) -> Option<usize> {
        let shown = if name.is_empty() { "verifier" } else { name };
        self.verifiers.iter().position(|own| own.name == shown)
    }
}

fn written(line: &Line) -> String {
    // A greedy solution is the policy's beside its samples.
    let sampling = line.sampling.filter(|_| line.method != "cot");
    sampling.map_or_else(String::new, |own| format!("{own:?}"))
}

/// A model of which no more than its name is known. The same name is the same model in every study; one without a name is another in
/// each.
fn model(name: &str, unnamed: Option<(&str, &str)>) -> ModelInfo {
    let (name, identity) = match unnamed {
        Some((study, role)) => (role, json!({ "imported": study, "model": role })),
        None => (name, json!({ "imported": null, "model": name })),
    };
    ModelInfo {
        name: name.to_owned(),
        identity,
        cost: None,
        training_tokens: None,
        price: None,
        oracle: false,
    }
}

/// Trees by policy and problem.
pub(super) struct Grown<'t> {
    pub(super) trees: HashMap<(usize, &'t str), &'t GrownTree>,
}

impl<'t> Grown<'t> {
    pub(super) fn of(
        trees: &'t [GrownTree],
        roster: &mut Roster,
        options: &ImportOptions<'_>,
    ) -> Self {
        let place = |own: &GrownTree| {
            let name = match own.policy.is_empty() {
                true => options.policy.unwrap_or("policy"),
                false => &own.policy,
            };
            roster
                .policies
                .iter()
                .position(|policy| policy.name == name)
        };
        let trees = trees
            .iter()
            .filter_map(|own| Some(((place(own)?, own.tree.problem.text.as_str()), own)));
        Self {
            trees: trees.collect(),
        }
    }
}

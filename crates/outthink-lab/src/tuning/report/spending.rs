//! What stopping early and sharing a total over many problems save.

use std::fmt::{self, Write};

use outthink_core::AnyMethod;
use outthink_core::number::short;
use outthink_strategy::{Candidate, Unit};

use super::{Part, percent, points};
use crate::tuning::chooser::costs;
use crate::tuning::evaluation::{TuneError, difference, fixed};
use crate::tuning::evidence::Evidence;
use crate::tuning::sharing::Shared;
use crate::tuning::tune::{Entry, Outcome, Tuned, Tuning};

/// The uniform `N` that is compared with.
const N: usize = 64;

/// Every budget as one total over all problems of the test study, and as each problem's own.
pub(super) fn sharing(text: &mut String, part: &Part<'_>, unseen: &Evidence) -> fmt::Result {
    let unit = part.tuning.cost_model.unit();
    let Ok(cost_model) = unseen.cost_model(unit) else {
        return Ok(());
    };
    writeln!(
        text,
        "\n**One total over all problems**, in {unit} a problem; how it is spent was chosen on the tune problems\n\n| budget | each by itself | spent | one total | spent | how | one total − each by itself |\n|---|---|---|---|---|---|---|"
    )?;
    for (entry, own) in part.tuned.entries.iter().zip(&part.compared) {
        let Some(tested) = &own.tested else { continue };
        let alone = &tested.deployable;
        let shared = part.tuned.shared(entry, unseen, &cost_model, entry.budget);
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            short(entry.budget),
            percent(Some(alone)),
            short(alone.cost()),
            percent(Some(&shared)),
            short(shared.cost()),
            way(part.tuned, entry, &unseen.candidates),
            points(&difference(unseen, &shared.chances, &alone.chances))
        )?;
    }
    Ok(())
}

/// How an entry's total is spent, for people.
fn way(tuned: &Tuned, entry: &Entry, candidates: &[Candidate]) -> String {
    match &entry.shared {
        Some(Shared {
            candidate, order, ..
        }) => format!("{}, {order} first", candidates[*candidate]),
        None if tuned.predicts(entry) => "one price".into(),
        None => "evenly".into(),
    }
}

/// Stopping and allocation against a uniform `N`, in tokens: for majority, and for the best of whole solutions with a verifier and
/// of searches that may stop on the tune problems.
pub(super) fn spending(
    text: &mut String,
    part: &Part<'_>,
    unseen: &Evidence,
) -> Result<(), TuneError> {
    let tune = &part.split.tune;
    let (cost_model, priced) = (
        unseen.cost_model(Unit::Tokens)?,
        tune.cost_model(Unit::Tokens)?,
    );
    let (plain, fitted) = (costs(unseen, &cost_model, None), costs(tune, &priced, None));
    let mut lines = String::new();
    let mut line = |name: &str, own: &Outcome, uniform: &Outcome| {
        let _ = writeln!(
            lines,
            "| {name} | {} | {} | {:.0} % | {} |",
            percent(Some(own)),
            short(own.cost()),
            own.cost() / uniform.cost() * 100.0,
            points(&difference(unseen, &own.chances, &uniform.chances))
        );
    };
    let all = 0..tune.candidates.len();
    let mean = |place: usize| {
        let outcome = fixed(tune, &fitted, place);
        (outcome.accuracy(), outcome.cost())
    };
    // What may stop before its budget is spent.
    let mut methods: Vec<AnyMethod> = tune.candidates.iter().map(|own| own.method).collect();
    methods.retain(|own| own.takes_pool() || own.traits().nested);
    methods.sort();
    methods.dedup();
    for method in methods {
        let at = |place: &usize| {
            let own = &tune.candidates[*place];
            (own.method, own.budget) == (method, N) && own.stopping.is_none()
        };
        let uniform = all.clone().filter(at).map(|place| (place, mean(place)));
        let Some((place, (wanted, cost))) = uniform.max_by(|a, b| a.1.0.total_cmp(&b.1.0)) else {
            continue;
        };
        let own = &tune.candidates[place];
        let base = fixed(unseen, &plain, place);
        line(&format!("uniform {own}"), &base, &base);
        // The cheapest early stop that lost nothing on the tune problems.
        let kin = |other: &usize| {
            let other = &tune.candidates[*other];
            (other.method, &other.verifier) == (own.method, &own.verifier)
        };
        let stops = all.clone().filter(kin).filter(|&other| {
            let other = &tune.candidates[other];
            other.stopping.is_some() && other.selection == own.selection
        });
        let stops = stops.map(|other| (other, mean(other)));
        let enough = stops.filter(|(_, (accuracy, _))| *accuracy >= wanted);
        if let Some((stop, _)) = enough.min_by(|a, b| a.1.1.total_cmp(&b.1.1)) {
            let stopped = fixed(unseen, &plain, stop);
            line(&tune.candidates[stop].to_string(), &stopped, &base);
        }
        // Half of the tokens as one total: of this method and verifier, then of all that may be chosen.
        let total = base.cost() / 2.0;
        let tuning = Tuning::new(tune, &priced, all.clone().filter(kin).collect(), 5, 0);
        let mut tuned = tuning.fit(&[cost / 2.0]);
        tuning.share(&mut tuned);
        if let Some(entry) = tuned.entries.first() {
            let shared = tuned.shared(entry, unseen, &cost_model, total);
            let how = way(&tuned, entry, &tune.candidates);
            line(&format!("half over all problems: {how}"), &shared, &base);
        }
        let tuning = Tuning::new(tune, &priced, all.clone().collect(), 5, 0);
        let mut tuned = tuning.fit(&[cost / 2.0]);
        tuning.share(&mut tuned);
        if let Some(entry) = tuned.entries.first() {
            let alone = tuned.apply(entry, unseen, &cost_model);
            line("the strategy, fitted for half of the tokens", &alone, &base);
            let shared = tuned.shared(entry, unseen, &cost_model, total);
            let how = way(&tuned, entry, &tune.candidates);
            line(
                &format!("the strategy, half over all problems: {how}"),
                &shared,
                &base,
            );
        }
    }
    let _ = writeln!(
        text,
        "\n**Adaptive spending against a uniform N = {N}**, in tokens drawn and read a problem\n\n| how | % right | tokens | of uniform | minus uniform |\n|---|---|---|---|---|\n{lines}"
    );
    Ok(())
}

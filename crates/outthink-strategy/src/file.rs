//! `strategy.toml`: a fitted strategy as a small file that can be read, and checked against the models that it meets.

use outthink_core::identity::{canonical, sha256};
use outthink_core::number::{chance, short};
use outthink_core::{AnyMethod, ModelInfo};
use serde::Deserialize;

use crate::allocation::Order;
use crate::candidate::Candidate;
use crate::choice::{Bounds, Chosen};
use crate::confidence::Ended;
use crate::cost_model::Unit;
use crate::elimination::Elimination;
use crate::error::StrategyError;
use crate::features::{ProbeFeatures, WITHOUT_REWARDS};
use crate::fitted::Fitted;
use crate::numbers;
use crate::predictor::{Predicted, Predictor};
use crate::stopping::PROBE;
use crate::unlike::{Shown, outlier};
use crate::written::{Budgeted, Origin, VERSION, Written, predictor, read};

/// A fitted strategy, ready to choose.
#[derive(Clone, Debug)]
pub struct StrategyFile {
    written: Written,
    candidates: Vec<Candidate>,
    predictors: Vec<Predictor>,
}

impl StrategyFile {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, StrategyError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let whole: toml::Table = toml::from_str(text)?;
        let Ok(Version { version }) = Version::deserialize(whole) else {
            return Err(StrategyError::Foreign);
        };
        if version != VERSION {
            return Err(StrategyError::Version(version));
        }
        numbers::check(&toml::from_str(text)?).map_err(StrategyError::Damaged)?;
        Self::from_written(toml::from_str(text)?)
    }

    /// What is written, if it makes sense.
    pub fn from_written(written: Written) -> Result<Self, StrategyError> {
        let damaged = StrategyError::Damaged;
        if written.probe != PROBE {
            return Err(damaged(format!("a probe has {} samples", PROBE)));
        }
        if !(written.sample.is_finite() && written.sample > 0.0) {
            return Err(damaged("a sample costs nothing".into()));
        }
        let candidates: Vec<Candidate> = written
            .candidates
            .iter()
            .map(|option| {
                let candidate = read(option).map_err(damaged)?;
                let plan = candidate.plan().map_err(|error| damaged(error.to_string()));
                let known = |name: &String| written.verifiers.iter().any(|own| own.name == *name);
                match &candidate.verifier {
                    Some(name) if !known(name) => {
                        Err(damaged(format!("there is no verifier `{name}`")))
                    }
                    None if candidate.method.needs_verifier() => {
                        Err(damaged(format!("{candidate} has no verifier")))
                    }
                    _ if !candidate.is_sound() => {
                        Err(damaged(format!("{candidate} cannot stop like that")))
                    }
                    _ => plan.map(|_| candidate),
                }
            })
            .collect::<Result<_, _>>()?;
        let predictors = written
            .predictors
            .iter()
            .map(|own| predictor(own, &written.verifiers, candidates.len()).map_err(damaged))
            .collect::<Result<_, _>>()?;
        for entry in &written.budgets {
            let sound = match (entry.always, entry.predictor, entry.multiplier) {
                (Some(taken), None, None) => taken < candidates.len(),
                (None, Some(own), Some(price)) => {
                    own < written.predictors.len() && price.is_finite() && price >= 0.0
                }
                _ => false,
            };
            let shared = entry.shared.as_ref().is_none_or(|shared| {
                let own = candidates.get(shared.candidate);
                let stops = own.is_some_and(|own| own.stopping.is_some());
                stops && shared.order.parse::<Order>().is_ok() && shared.confidence.is_sound()
            });
            if !sound || !shared || !entry.confidence.is_sound() {
                let budget = entry.budget;
                return Err(damaged(format!("what is done for {budget} is not clear")));
            }
        }
        if written.seen.as_ref().is_some_and(|seen| !seen.is_sound()) {
            return Err(damaged("what its problems are like is not clear".into()));
        }
        if written.budgets.is_empty() {
            return Err(damaged("it has no budgets".into()));
        }
        Ok(Self {
            written,
            candidates,
            predictors,
        })
    }

    /// The file's text.
    pub fn text(&self) -> Result<String, StrategyError> {
        let about = "# What `outthink tune` found to be the best way to spend a budget; read by `outthink solve --strategy`.\n\n";
        Ok(about.to_owned() + &toml::to_string(&self.written)?)
    }

    /// The unit of its budgets.
    pub fn unit(&self) -> Unit {
        self.written.unit
    }

    /// What a sample costs in that unit on average, drawn alone.
    pub fn sample(&self) -> f64 {
        self.written.sample
    }

    /// The study it was fitted on.
    pub fn origin(&self) -> &Origin {
        &self.written.study
    }

    /// The policy it was fitted for.
    pub fn policy(&self) -> &Fitted {
        &self.written.policy
    }

    /// The verifiers it was fitted for.
    pub fn verifiers(&self) -> &[Fitted] {
        &self.written.verifiers
    }

    /// The verifiers that it may ask at a budget, for one problem or for many that share a total.
    pub fn asks(&self, budget: f64, together: bool) -> Result<Vec<&Fitted>, StrategyError> {
        let entry = self.entry(budget)?;
        let mut names: Vec<&str> = Vec::new();
        let mut add = |number: usize| names.extend(self.candidates[number].verifier.as_deref());
        match (&entry.shared, entry.predictor) {
            (Some(shared), _) if together => add(shared.candidate),
            (_, Some(predictor)) => {
                let own = &self.predictors[predictor];
                own.models.iter().for_each(|model| add(model.candidate));
                names.extend(self.written.predictors[predictor].verifier.as_deref());
            }
            _ => entry.always.into_iter().for_each(add),
        }
        let verifiers = self.written.verifiers.iter();
        Ok(verifiers
            .filter(|own| names.contains(&own.name.as_str()))
            .collect())
    }

    /// Is it for these models? Another policy or verifier is an error; another profile is a warning.
    pub fn check(
        &self,
        policy: &ModelInfo,
        verifiers: &[&ModelInfo],
    ) -> Result<Vec<String>, StrategyError> {
        let mut warnings: Vec<String> = Vec::new();
        warnings.extend(self.written.policy.check("policy", policy)?);
        for met in verifiers {
            let own = self
                .written
                .verifiers
                .iter()
                .find(|own| own.name == met.name);
            let own = own.or(self.written.verifiers.first());
            if let Some(own) = own {
                warnings.extend(own.check("verifier", met)?);
            }
        }
        Ok(warnings)
    }

    fn entry(&self, budget: f64) -> Result<&Budgeted, StrategyError> {
        let fits = |entry: &&Budgeted| entry.budget <= budget * (1.0 + 1e-9);
        let entries = &self.written.budgets;
        let smallest = entries
            .iter()
            .map(|entry| entry.budget)
            .fold(f64::INFINITY, f64::min);
        let largest = entries
            .iter()
            .filter(fits)
            .max_by(|a, b| a.budget.total_cmp(&b.budget));
        largest.ok_or(StrategyError::Budget {
            budget,
            unit: self.written.unit,
            smallest,
        })
    }

    /// Who reads the probe at a budget, if there is one: none for no probe, else the verifier's name or none.
    pub fn probe(&self, budget: f64) -> Result<Option<Option<&str>>, StrategyError> {
        let predictor = self.entry(budget)?.predictor;
        Ok(predictor.map(|own| self.written.predictors[own].verifier.as_deref()))
    }

    /// The budgets that it was fitted for, ascending.
    pub fn budgets(&self) -> Vec<f64> {
        let mut budgets: Vec<f64> = self.written.budgets.iter().map(|own| own.budget).collect();
        budgets.sort_by(f64::total_cmp);
        budgets
    }

    /// A hash of all that it does.
    pub fn fingerprint(&self) -> String {
        sha256(canonical(&self.written).as_bytes())
    }

    /// How sure one may be of an answer that was found for a budget.
    pub fn confidence(&self, budget: f64, ended: &Ended) -> Result<f64, StrategyError> {
        Ok(self.entry(budget)?.confidence.at(ended))
    }

    /// Why nothing is known of a problem's answer, if so: the fit tells no problems apart at this budget, or none was like it, by
    /// its length and by its solutions.
    pub fn unlike(
        &self,
        budget: f64,
        problem: &str,
        shown: &Shown,
    ) -> Result<Option<String>, StrategyError> {
        if let Some(average) = self.entry(budget)?.confidence.average() {
            return Ok(Some(format!(
                "for this budget the strategy only knows that it is right {:.0} % of the time, and nothing of a single problem",
                100.0 * average
            )));
        }
        if let Some(seen) = &self.written.seen {
            return Ok(seen.unlike(problem, shown));
        }
        let Shown::First(first) = shown else {
            return Ok(None);
        };
        let predictor = self.entry(budget)?.predictor;
        Ok(predictor.and_then(|number| {
            let own = &self.predictors[number];
            outlier(&own.scale, &own.probe.features_of(first))
        }))
    }

    /// Does the file say what the problems are like that it was fitted on?
    pub fn knows_problems(&self) -> bool {
        self.written.seen.is_some()
    }

    /// The methods of what may be taken.
    pub fn methods(&self) -> Vec<AnyMethod> {
        self.candidates.iter().map(|own| own.method).collect()
    }

    /// How a total of `budget` a problem is spent by what draws show, if it is.
    pub fn shared(&self, budget: f64) -> Result<Option<Elimination>, StrategyError> {
        let Some(shared) = &self.entry(budget)?.shared else {
            return Ok(None);
        };
        let order = shared.order.parse().map_err(StrategyError::Damaged)?;
        Ok(Some(Elimination {
            candidate: self.candidates[shared.candidate].clone(),
            order,
            accuracy: shared.accuracy,
            confidence: shared.confidence.clone(),
            seen: self.written.seen.clone(),
        }))
    }

    /// What is predicted of each candidate, if the budget is one for which the first samples are looked at.
    pub(crate) fn predicted(
        &self,
        budget: f64,
        glimpses: &[ProbeFeatures],
    ) -> Result<Option<Predicted>, StrategyError> {
        let predictor = self.entry(budget)?.predictor;
        Ok(predictor.map(|number| {
            let own = &self.predictors[number];
            own.predict(&own.probe.features_of(glimpses))
        }))
    }

    /// What a problem gets, by the first samples if the budget is one for which they are looked at.
    pub fn choose(
        &self,
        budget: f64,
        glimpses: &[ProbeFeatures],
        bounds: Bounds,
    ) -> Result<Chosen, StrategyError> {
        let entry = self.entry(budget)?;
        let unit = self.written.unit;
        let spent = short(entry.budget);
        match (entry.always, entry.predictor, entry.multiplier) {
            (None, Some(number), Some(multiplier)) => {
                let own = &self.predictors[number];
                let input = own.probe.features_of(glimpses);
                let predicted = own.predict(&input);
                let predicted = match bounds.most {
                    Some(most) => self.affordable(predicted, most),
                    None => predicted,
                };
                let (taken, said) = predicted.choose(bounds.price.unwrap_or(multiplier));
                let own = &self.candidates[taken];
                Ok(Chosen {
                    candidate: bounds
                        .most
                        .map_or_else(|| own.clone(), |most| own.after_probe(most)),
                    predicted: Some(said),
                    reason: reason(self, entry, number, &predicted, taken, &input),
                })
            }
            (always, ..) => {
                let taken = always.ok_or_else(|| {
                    StrategyError::Damaged(
                        "a budget with neither a candidate nor a predictor".into(),
                    )
                })?;
                let mean = self.written.candidates[taken].accuracy;
                let own = &self.candidates[taken];
                Ok(Chosen {
                    candidate: own.within(bounds.most.unwrap_or(own.budget)),
                    predicted: Some(entry.accuracy),
                    reason: format!(
                        "the same for every problem: {:.1} % right on the study `{}` within {spent} {unit}; looking at a problem first did not help there",
                        mean * 100.0,
                        self.written.study.name
                    ),
                })
            }
        }
    }
}

impl StrategyFile {
    /// What of a prediction draws no more than `most`, the probe's samples included; the cheapest if nothing does.
    fn affordable(&self, predicted: Predicted, most: usize) -> Predicted {
        let draws = |place: &usize| {
            let own = &self.candidates[predicted.candidates[*place]];
            let probe = if own.reuses_probe() { 0 } else { PROBE };
            own.budget + probe
        };
        let all = 0..predicted.candidates.len();
        let least = all.clone().map(|place| draws(&place)).min();
        let most = most.max(least.unwrap_or_default());
        let kept: Vec<usize> = all.filter(|place| draws(place) <= most).collect();
        Predicted {
            candidates: kept.iter().map(|&own| predicted.candidates[own]).collect(),
            chances: kept.iter().map(|&own| predicted.chances[own]).collect(),
            costs: kept.iter().map(|&own| predicted.costs[own]).collect(),
        }
    }
}

fn reason(
    strategy: &StrategyFile,
    entry: &Budgeted,
    predictor: usize,
    predicted: &Predicted,
    taken: usize,
    input: &[f64],
) -> String {
    let place = predicted.candidates.iter().position(|own| *own == taken);
    let place = place.expect("what is taken was predicted");
    let unit = strategy.written.unit;
    let reward = match (
        &strategy.written.predictors[predictor].verifier,
        input.get(WITHOUT_REWARDS),
    ) {
        (Some(verifier), Some(reward)) => {
            format!(", {verifier} gives the leading answer {reward:.2}")
        }
        _ => String::new(),
    };
    format!(
        "{:.0} % of the first {} samples agree{reward}: right with a predicted chance of {} for about {} {unit} (a budget of {} a problem on average)",
        input.first().copied().unwrap_or_default() * 100.0,
        PROBE,
        chance(predicted.chances[place]),
        short(predicted.costs[place]),
        short(entry.budget),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn another_policy_is_refused_and_another_profile_is_told() {
        let strategy = testing::strategy(true);
        let (policy, verifiers) = (testing::policy(), testing::verifiers());
        let good: Vec<&ModelInfo> = verifiers.iter().collect();
        assert_eq!(
            strategy.check(&policy, &good).unwrap(),
            Vec::<String>::new()
        );
        let mut other = policy.clone();
        other.identity["profile"] = "fancy".into();
        let warnings = strategy.check(&other, &good).unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].contains("plain"),
            "{warnings:?}"
        );
        other.identity["model"] = "another".into();
        let refused = strategy.check(&other, &good).unwrap_err();
        assert!(
            matches!(refused, StrategyError::Mismatch { role: "policy", .. }),
            "{refused}"
        );
        let mut verifier = verifiers[0].clone();
        verifier.identity["model"] = "another".into();
        let refused = strategy.check(&policy, &[&verifier]).unwrap_err();
        assert!(
            matches!(
                refused,
                StrategyError::Mismatch {
                    role: "verifier",
                    ..
                }
            ),
            "{refused}"
        );
    }

    #[test]
    fn a_damaged_or_foreign_file_is_told_as_such() {
        let text = testing::strategy(true).text().unwrap();
        let says = |text: &str| StrategyFile::parse(text).unwrap_err().to_string();
        let version = format!("version = {VERSION}");
        assert!(says(&text.replace(&version, "version = 9")).contains("version 9"));
        assert!(says(&text.replace("probe = 4", "probe = 5")).contains("damaged"));
        assert!(
            says(&text.replace("verifier = \"good\"", "verifier = \"none\""))
                .contains("no verifier `none`")
        );
        let votes = testing::strategy(false).text().unwrap();
        let order = votes.lines().find(|line| line.starts_with("order = "));
        for (text, sound, unsound) in [
            (
                &text,
                "method = \"best-of-n\"",
                "method = \"best-of-n\"\nwidth = 0",
            ),
            (
                &text,
                "stopping = \"rewarded 0.5\"",
                "stopping = \"rewarded 2\"",
            ),
            (&text, "sample = 1.0", "sample = 0.0"),
            (
                &votes,
                "method = \"majority\"",
                "method = \"majority\"\nrungs = [4]",
            ),
            (&votes, order.unwrap(), "order = \"most-certain\""),
        ] {
            assert!(text.contains(sound), "{sound}");
            assert!(
                says(&text.replace(sound, unsound)).contains("damaged"),
                "{unsound}"
            );
        }
        assert!(says("what?").contains("cannot be read"));
    }
}

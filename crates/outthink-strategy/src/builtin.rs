//! Fixed strategies of others, to compare with: in the report of `tune`, and by name wherever a strategy file can stand.

use std::fmt;
use std::str::FromStr;

use outthink_core::identity::{canonical, sha256};
use outthink_core::method::{BEAM, BEST_OF_N, DVTS};
use outthink_core::{AnyMethod, ModelInfo, Scoring, Selection, Voting};

use crate::candidate::Candidate;
use crate::choice::Chosen;
use crate::error::StrategyError;
use crate::features::{ProbeFeatures, features};
use crate::stopping::PROBE;

/// Whose recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// The table of the authors of arXiv 2502.06703.
    Paper,
    /// search-and-learn's default configuration.
    SearchAndLearn,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Paper, Self::SearchAndLearn];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::SearchAndLearn => "search-and-learn",
        }
    }

    /// Where it comes from.
    pub fn source(self) -> &'static str {
        match self {
            Self::Paper => "the fixed table of the authors of arXiv 2502.06703",
            Self::SearchAndLearn => "search-and-learn's default configuration",
        }
    }

    /// The method by the policy's size and the band of difficulty (easy, medium, hard).
    ///
    /// The authors' is what they tell users of their code (RyanLiu112/compute-optimal-tts) that they took on MATH-500: beam
    /// search below 7 billion parameters; DVTS, and beam search for the hard, up to 32; best-of-N above. search-and-learn's
    /// default is best-of-N.
    pub fn methods(self, parameters: u64) -> [AnyMethod; 3] {
        match (self, parameters) {
            (Self::SearchAndLearn, _) => [BEST_OF_N; 3],
            (Self::Paper, 0..7_000_000_000) => [BEAM; 3],
            (Self::Paper, 7_000_000_000..=32_999_999_999) => [DVTS, DVTS, BEAM],
            (Self::Paper, _) => [BEST_OF_N; 3],
        }
    }

    /// With a policy and a verifier.
    pub fn with(self, policy: &ModelInfo, verifier: &str) -> Result<Fixed, StrategyError> {
        let parameters = policy.cost.map(|cost| cost.parameters);
        if self == Self::Paper && parameters.is_none() {
            return Err(StrategyError::NoSize(policy.name.clone()));
        }
        Ok(Fixed {
            name: self,
            parameters: parameters.unwrap_or_default(),
            verifier: verifier.to_owned(),
        })
    }
}

impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Builtin {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|own| own.name() == name)
            .ok_or_else(|| format!("unknown strategy `{name}` (one of {known}, or a file)"))
    }
}

/// A fixed strategy with its models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    name: Builtin,
    parameters: u64,
    verifier: String,
}

impl Fixed {
    /// Which it is.
    pub fn name(&self) -> Builtin {
        self.name
    }

    /// The verifier that it asks.
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    pub(crate) fn fingerprint(&self) -> String {
        let methods = self.name.methods(self.parameters).map(AnyMethod::name);
        sha256(canonical(&(self.name.name(), methods, &self.verifier)).as_bytes())
    }

    /// The methods that it takes, by band.
    pub fn methods(&self) -> [AnyMethod; 3] {
        self.name.methods(self.parameters)
    }

    /// What it does with a problem of a band at a budget `N`: both vote by the last reward, and beams are four wide.
    pub fn candidate(&self, band: usize, n: usize) -> Candidate {
        let method = self.methods()[band];
        let width = (1..=4).rev().find(|width| n.is_multiple_of(*width));
        Candidate {
            method,
            budget: n,
            width: width.filter(|_| method.is_stepwise()),
            selection: Selection::Scored(Scoring::LAST, Voting::VOTE),
            verifier: Some(self.verifier.clone()),
            stopping: None,
            rungs: Vec::new(),
        }
    }

    /// Does it look at the first samples? Only where its methods depend on a difficulty.
    pub(crate) fn probes(&self) -> bool {
        let [easy, medium, hard] = self.methods();
        easy != medium || medium != hard
    }

    /// The authors know a problem's difficulty by its right answers; without these, a problem of whose first samples no two
    /// agree counts as hard.
    pub(crate) fn choose(&self, budget: f64, glimpses: &[ProbeFeatures]) -> Chosen {
        let agreement = features(glimpses, false).first().copied();
        let hard = self.probes() && agreement.unwrap_or_default() * (PROBE as f64) < 1.5;
        let candidate = self.candidate(if hard { 2 } else { 0 }, (budget as usize).max(1));
        let seen = match (self.probes(), hard) {
            (false, _) => "",
            (true, false) => "; of the first samples some agree, so the problem is not hard",
            (true, true) => "; no two of the first samples agree, so the problem is hard",
        };
        Chosen {
            candidate,
            predicted: None,
            reason: format!("{}{seen}", self.name.source()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;
    use crate::testing;

    fn glimpse(class: usize) -> ProbeFeatures {
        ProbeFeatures {
            class: Some(class),
            tokens: 10,
            logprob: -5.0,
            rewards: Vec::new(),
        }
    }

    fn of(parameters: u64) -> Fixed {
        let mut policy = testing::policy();
        policy.cost.as_mut().unwrap().parameters = parameters;
        Builtin::Paper.with(&policy, "good").unwrap()
    }

    #[test]
    fn the_authors_choose_by_size() {
        let taken = |parameters| of(parameters).choose(64.0, &[]).candidate;
        let small = taken(1_000_000_000);
        assert_eq!((small.method, small.width), (BEAM, Some(4)));
        assert_eq!(taken(72_000_000_000).method, BEST_OF_N);
        assert!(!of(32_999_999_999 + 1).probes() && of(7_600_000_000).probes());
    }

    #[test]
    fn between_the_sizes_the_first_samples_tell_the_hard_problems() {
        let middle = of(7_600_000_000);
        let seen = |classes: [usize; 4]| {
            let glimpses = classes.map(glimpse);
            middle.choose(64.0, &glimpses).candidate.method
        };
        assert_eq!(seen([0, 0, 1, 2]), DVTS);
        assert_eq!(seen([0, 1, 2, 3]), BEAM);
    }

    #[test]
    fn a_policy_of_unknown_size_has_no_place_in_the_table() {
        let mut policy = testing::policy();
        policy.cost = None;
        let told = Builtin::Paper.with(&policy, "good").unwrap_err();
        assert!(told.to_string().contains("parameters"), "{told}");
        let other = Builtin::SearchAndLearn.with(&policy, "good").unwrap();
        assert_eq!(other.choose(16.0, &[]).candidate.method, BEST_OF_N);
    }
}

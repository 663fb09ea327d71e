//! What tables and figures ask of an analysis.

use outthink_core::{Method, Selection};

use super::table::{TableCell, percent};
use crate::analysis::{Analysis, Choice, Entry, HEADLINE, Key, Rule};
use crate::bootstrap::Values;
use crate::estimate::Interval;
use crate::short::short;

/// Bootstrap draws for a part of the problems.
const PART_DRAWS: usize = 2_000;

impl Analysis {
    /// The verifier that the tables lead with: the first that does not know the answer.
    pub(super) fn main_verifier(&self) -> Option<usize> {
        let verifiers = &self.study.verifiers;
        verifiers
            .iter()
            .position(|verifier| !verifier.oracle)
            .or(if verifiers.is_empty() { None } else { Some(0) })
    }

    /// The largest budget.
    pub(crate) fn largest(&self) -> usize {
        self.study.budgets.last().copied().unwrap_or(1)
    }

    /// The policies, smallest first; those of unknown size stand as they are, after the others.
    pub(crate) fn by_size(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.study.policies.len()).collect();
        order.sort_by_key(|&policy| self.parameters(policy).unwrap_or(u64::MAX));
        order
    }

    pub(super) fn parameters(&self, policy: usize) -> Option<u64> {
        self.study.policies[policy].cost.map(|cost| cost.parameters)
    }

    /// The policy's name in the study.
    pub(crate) fn policy_name(&self, policy: usize) -> String {
        self.study.policies[policy].name.clone()
    }

    pub(crate) fn verifier_name(&self, verifier: usize) -> String {
        let verifier = &self.study.verifiers[verifier];
        match verifier.oracle {
            true => format!("{} (knows the answer)", verifier.name),
            false => verifier.name.clone(),
        }
    }

    fn width(&self, method: Method, budget: usize) -> Option<usize> {
        let first = self.study.recipe.widths.first().copied().unwrap_or(1);
        method.is_stepwise().then_some(first.min(budget))
    }

    /// The key of a method at its headline rule.
    pub(crate) fn key(
        &self,
        policy: usize,
        verifier: Option<usize>,
        method: Method,
        budget: usize,
    ) -> Key {
        let rule = match method {
            Method::Cot | Method::Majority => Selection::Majority,
            _ => HEADLINE,
        };
        self.key_by(policy, verifier, method, budget, rule)
    }

    pub(crate) fn key_by(
        &self,
        policy: usize,
        verifier: Option<usize>,
        method: Method,
        budget: usize,
        rule: Selection,
    ) -> Key {
        Key {
            policy,
            verifier: verifier.filter(|_| method.needs_verifier()),
            method,
            width: self.width(method, budget),
            budget: if method == Method::Cot { 1 } else { budget },
            rule: Rule::Chosen(Choice(rule)),
        }
    }

    pub(super) fn ceiling_key(&self, policy: usize, budget: usize) -> Key {
        Key {
            policy,
            verifier: None,
            method: Method::Majority,
            width: None,
            budget,
            rule: Rule::Ceiling,
        }
    }

    pub(super) fn optimal_key(&self, policy: usize, verifier: usize, budget: usize) -> Key {
        Key {
            policy,
            verifier: Some(verifier),
            method: Method::BestOfN,
            width: None,
            budget,
            rule: Rule::InSample,
        }
    }

    /// The best method of the study at a budget by its headline rule, with the verifier that knows nothing of the answer.
    pub(super) fn best(&self, policy: usize, verifier: usize, budget: usize) -> Option<&Entry> {
        let methods = [
            Method::Majority,
            Method::BestOfN,
            Method::Beam,
            Method::Dvts,
        ];
        let mut best: Option<&Entry> = None;
        for method in methods {
            let entry = self.entry(&self.key(policy, Some(verifier), method, budget));
            if let Some(entry) = entry
                && best.is_none_or(|before| entry.accuracy > before.accuracy)
            {
                best = Some(entry);
            }
        }
        best
    }

    /// An accuracy as a cell; a missing one says so.
    pub(super) fn cell(&self, key: &Key) -> TableCell {
        match self.entry(key) {
            Some(entry) if entry.problems > 0 => {
                TableCell::text(percent(entry.accuracy, entry.interval)).hint(self.hint(entry))
            }
            _ => TableCell::missing("not measured"),
        }
    }

    /// All that there is to say of an entry.
    pub(super) fn hint(&self, entry: &Entry) -> String {
        let Key {
            policy,
            verifier,
            method,
            budget,
            rule,
            width,
        } = entry.key;
        let name = match rule {
            Rule::Ceiling => format!("Pass@{budget}"),
            Rule::Chosen(Choice(rule)) => match method {
                Method::Cot => "one greedy solution".into(),
                Method::Majority => format!("majority at N = {budget}"),
                _ => format!("{} at N = {budget}, {rule}", method_name(method)),
            },
            Rule::InSample => format!("compute-optimal at N = {budget}, chosen on these problems"),
        };
        let width = width.map_or(String::new(), |width| format!(", M = {width}"));
        let verifier = verifier.map_or(String::new(), |v| {
            format!(" with {}", self.verifier_name(v))
        });
        let (paper, full) = self.flops(entry);
        let mut hint = format!(
            "{}{verifier}: {name}{width}\n{:.1} %, 95 % interval {:.1} to {:.1}, n = {}{}",
            self.policy_name(policy),
            100.0 * entry.accuracy,
            100.0 * entry.interval.low,
            100.0 * entry.interval.high,
            entry.problems,
            match self.study.seeds.len() {
                1 => String::new(),
                runs => format!(" × {runs} runs"),
            },
        );
        if entry.problems < self.study.problems.len() {
            let missing = self.study.problems.len() - entry.problems;
            hint.push_str(&format!(", {missing} problems missing"));
        }
        if entry.sampling_error > 0.0 {
            let error = 100.0 * entry.sampling_error;
            hint.push_str(&format!(
                "\nover random subsets, standard error {error:.2} points"
            ));
        }
        if let (Some(paper), Some(full)) = (paper, full) {
            hint.push_str(&format!(
                "\na problem: {} tokens drawn, {} FLOP by the paper's count, {} in full",
                short(entry.cost.policy.generated),
                short(paper),
                short(full)
            ));
        }
        hint
    }

    /// Mean and interval of an entry over some of the problems; how many of them have a value.
    pub(super) fn part(&self, place: usize, problems: &[usize]) -> (f64, Interval, usize) {
        let runs = self.study.seeds.len();
        let mut values = Values::new(problems.len(), runs, 1);
        for (row, &problem) in problems.iter().enumerate() {
            for run in 0..runs {
                values.set(row, run, 0, self.values.get(problem, run, place));
            }
        }
        let interval = values.intervals(PART_DRAWS, 0)[0];
        (values.mean(0), interval, values.present(0))
    }
}

/// A method as tables call it.
pub(super) fn method_name(method: Method) -> &'static str {
    match method {
        Method::Cot => "CoT",
        Method::Majority => "majority",
        Method::BestOfN => "best-of-N",
        Method::Beam => "beam search",
        Method::Dvts => "DVTS",
    }
}

/// The methods that spend a budget, in the colours that they have in all figures.
pub(super) const METHODS: [(Method, usize); 4] = [
    (Method::Majority, 6),
    (Method::BestOfN, 0),
    (Method::Beam, 1),
    (Method::Dvts, 2),
];

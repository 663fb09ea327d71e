//! What tables and figures ask of an analysis.

use outthink_core::method::{BEST_OF_N, COT, MAJORITY};
use outthink_core::number::short;
use outthink_core::{AnyMethod, Selection};

use super::table::{TableCell, percent};
use crate::analysis::{Analysis, Choice, Entry, Key, Rule, headline};
use crate::estimate::bootstrap::Values;
use crate::estimate::interval::Interval;

/// Bootstrap draws for a part of the problems.
const PART_DRAWS: usize = 2_000;

impl Analysis {
    /// The verifier that the tables lead with: the first that does not know the answer.
    pub(crate) fn main_verifier(&self) -> Option<usize> {
        let verifiers = &self.study.verifiers;
        verifiers
            .iter()
            .position(|verifier| !verifier.oracle)
            .or(if verifiers.is_empty() { None } else { Some(0) })
    }

    /// The largest budget.
    pub(crate) fn largest(&self) -> usize {
        let last = self.study.budgets.last().copied().unwrap_or(1);
        if self.study.source.is_none() {
            return last;
        }
        // Of other programs' samples, the largest that half of the problems reach.
        self.largest_where(|_| true).unwrap_or(last)
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

    fn width(&self, method: AnyMethod, budget: usize) -> Option<usize> {
        let first = self.study.recipe.widths.first().copied().unwrap_or(1);
        method.has_width().then_some(first.min(budget))
    }

    /// The methods that tables and figures compare, in the colours that they have in all figures.
    pub(super) fn methods(&self) -> Vec<(AnyMethod, usize)> {
        let mut methods = coloured(self.study.compared_methods());
        // Of other programs' samples only what is there: the rest will never be measured.
        if self.study.source.is_some() {
            let has = |method: AnyMethod| self.entries.iter().any(|own| own.key.method == method);
            methods.retain(|(method, _)| has(*method));
        }
        methods
    }

    /// Is it several policies together?
    pub(super) fn is_ensemble(&self, policy: usize) -> bool {
        let name = &self.study.policies[policy].name;
        let source = self.study.source.as_ref();
        source.is_some_and(|source| source.ensembles.contains(name))
    }

    /// The largest budget at which a policy was measured; of other programs' samples, on at least half of its problems.
    pub(super) fn largest_of(&self, policy: usize) -> usize {
        self.largest_where(|key| key.policy == policy)
            .unwrap_or_else(|| self.largest())
    }

    fn largest_where(&self, own: impl Fn(&Key) -> bool) -> Option<usize> {
        let reached = |budget: usize| {
            let own = self
                .entries
                .iter()
                .filter(|entry| entry.key.budget == budget && own(&entry.key));
            own.map(|entry| entry.problems).max().unwrap_or_default()
        };
        let budgets = || self.study.budgets.iter().copied();
        let least = match self.study.source {
            Some(_) => budgets().map(reached).max().unwrap_or_default().div_ceil(2),
            None => 1,
        };
        budgets().rev().find(|&n| reached(n) >= least.max(1))
    }

    /// The key of a method at its headline rule.
    pub(crate) fn key(
        &self,
        policy: usize,
        verifier: Option<usize>,
        method: AnyMethod,
        budget: usize,
    ) -> Key {
        self.key_by(policy, verifier, method, budget, headline(method))
    }

    pub(crate) fn key_by(
        &self,
        policy: usize,
        verifier: Option<usize>,
        method: AnyMethod,
        budget: usize,
        rule: Selection,
    ) -> Key {
        Key {
            policy,
            verifier: verifier.filter(|_| method.needs_verifier()),
            method,
            width: self.width(method, budget),
            budget: if method.is_greedy() { 1 } else { budget },
            rule: Rule::Chosen(Choice(rule)),
        }
    }

    pub(super) fn ceiling_key(&self, policy: usize, budget: usize) -> Key {
        Key {
            policy,
            verifier: None,
            method: MAJORITY,
            width: None,
            budget,
            rule: Rule::Ceiling,
        }
    }

    pub(super) fn optimal_key(&self, policy: usize, verifier: usize, budget: usize) -> Key {
        Key {
            policy,
            verifier: Some(verifier),
            method: BEST_OF_N,
            width: None,
            budget,
            rule: Rule::InSample,
        }
    }

    /// The best method of the study at a budget by its headline rule, with the verifier that knows nothing of the answer.
    pub(super) fn best(
        &self,
        policy: usize,
        verifier: Option<usize>,
        budget: usize,
    ) -> Option<&Entry> {
        let mut best: Option<&Entry> = None;
        for method in self.study.compared_methods() {
            let entry = self.entry(&self.key(policy, verifier, method, budget));
            if let Some(entry) = entry
                && best.is_none_or(|before| entry.accuracy > before.accuracy)
            {
                best = Some(entry);
            }
        }
        best
    }

    /// An accuracy as a cell; a missing one says so, and one that rests on few of the problems on how many.
    pub(super) fn cell(&self, key: &Key) -> TableCell {
        match self.entry(key) {
            Some(entry) if entry.problems > 0 => {
                let mut text = percent(entry.accuracy, entry.interval);
                if entry.problems < self.study.problems.len() {
                    text.push_str(&format!(", n = {}", entry.problems));
                }
                TableCell::text(text).hint(self.hint(entry))
            }
            _ => TableCell::missing("not measured"),
        }
    }

    /// A policy by itself: its greedy solution, or where none was drawn the mean of its single samples.
    pub(super) fn alone(&self, policy: usize) -> Key {
        let greedy = self.key(policy, None, COT, 1);
        match self.entry(&greedy) {
            Some(_) => greedy,
            None => self.key(policy, None, MAJORITY, 1),
        }
    }

    /// What a policy by itself is called in tables.
    pub(super) fn alone_title(&self) -> &'static str {
        let greedy = |policy| self.entry(&self.key(policy, None, COT, 1)).is_some();
        let policies = 0..self.study.policies.len();
        match policies.clone().all(greedy) {
            true => "CoT",
            false if policies.into_iter().any(greedy) => "CoT or single sample",
            false => "single sample",
        }
    }

    /// What a policy by itself is called in captions.
    pub(super) fn alone_in_words(&self) -> &'static str {
        match self.alone_title() {
            "CoT" => "one greedy solution",
            "single sample" => "one sample",
            _ => "one greedy solution (or one sample)",
        }
    }

    /// What is to be said of the column of policies by themselves.
    pub(super) fn alone_note(&self) -> &'static str {
        match self.alone_title() {
            "CoT" => "",
            _ => {
                " Where no greedy solution was drawn, the mean of single samples (N = 1) stands for it."
            }
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
            Rule::Chosen(_) if method.is_greedy() => "one greedy solution".into(),
            Rule::Chosen(_) if method == MAJORITY && budget == 1 => "single samples".into(),
            Rule::Chosen(Choice(rule)) => {
                let rule = match method.needs_verifier() {
                    true => format!(", {rule}"),
                    false => String::new(),
                };
                format!("{} at N = {budget}{rule}", method.title())
            }
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
        if let (Some(paper), Some(full), Some(cost)) = (paper, full, entry.cost) {
            hint.push_str(&format!(
                "\na problem: {} tokens drawn, {} FLOP by the paper's count, {} in full",
                short(cost.policy.generated),
                short(paper),
                short(full)
            ));
        }
        hint
    }

    /// Mean and interval of an entry over some of the problems; how many of them have a value.
    pub(crate) fn part(&self, place: usize, problems: &[usize]) -> (f64, Interval, usize) {
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

/// Each method with the number of its colour.
pub(super) fn coloured(methods: Vec<AnyMethod>) -> Vec<(AnyMethod, usize)> {
    // What needs no verifier is grey; the others begin with the first colour.
    const PLAIN: usize = 6;
    let mut scored = (0..PLAIN).cycle();
    let colour = |method: AnyMethod| match method.needs_verifier() {
        true => (method, scored.next().unwrap_or_default()),
        false => (method, PLAIN),
    };
    methods.into_iter().map(colour).collect()
}

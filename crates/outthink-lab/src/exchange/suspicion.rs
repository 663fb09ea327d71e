//! Samples that cannot be what they are said to be: answers of other problems, rewards of other steps, copies.
//!
//! Each check compares what is there with what chance would make of it, and speaks only where the difference is plain. Nothing is
//! repaired: whoever has the file knows how it was made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outthink_answer::extract;

use super::Line;
use crate::audit::WRONG_PROBLEM;

/// Fewer samples than this show nothing.
const LEAST: usize = 20;

/// Texts shorter than this may be equal by chance.
const LONG: usize = 400;

/// What makes samples doubtful, in sentences with their numbers.
pub(crate) fn suspicions(lines: &[Line]) -> Vec<String> {
    let mut policies: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        policies.entry(&line.policy).or_default().push(line);
    }
    let several = policies.len() > 1;
    let mut found = Vec::new();
    for (policy, lines) in policies {
        let own = [
            scrambled(&lines),
            other_rewards(&lines),
            copies(&lines),
            branches(&lines),
        ];
        let told = own.into_iter().flatten().map(|told| match several {
            true => format!("{policy}: {told}"),
            false => told,
        });
        found.extend(told);
    }
    found
}

/// The words and numbers of a text, each once.
fn words(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !c.is_alphanumeric());
    let kept = |part: &&str| part.len() >= 3 || part.parse::<u64>().is_ok();
    parts.filter(kept).map(str::to_owned).collect()
}

/// What rare words and numbers say of which problem a solution is of.
struct Words {
    /// The weight of each word that few problems have.
    weight: HashMap<String, f64>,
    /// The problems that have it.
    problems: HashMap<String, Vec<usize>>,
    /// The weight of all such words of each problem.
    total: Vec<f64>,
    /// Less than this may be chance.
    least: f64,
}

impl Words {
    fn of(problems: &[&str]) -> Self {
        let mut having: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, problem) in problems.iter().enumerate() {
            for word in words(problem) {
                having.entry(word).or_default().push(number);
            }
        }
        let count = problems.len();
        let most = (count / 20).max(2);
        having.retain(|_, problems| problems.len() <= most);
        let log = |own: usize| ((count + 1) as f64 / own as f64).ln();
        let mut total = vec![0.0; count];
        let mut weight = HashMap::new();
        for (word, problems) in &having {
            let own = log(problems.len());
            problems.iter().for_each(|&problem| total[problem] += own);
            weight.insert(word.clone(), own);
        }
        Self {
            weight,
            problems: having,
            total,
            least: 2.0 * log(1),
        }
    }

    /// Is a solution plainly of its own problem, plainly of another, or neither?
    fn belongs(&self, own: usize, text: &str) -> Option<bool> {
        if self.total[own] < self.least {
            return None;
        }
        let mut shared: HashMap<usize, f64> = HashMap::new();
        for word in words(text) {
            for &problem in self.problems.get(&word).into_iter().flatten() {
                *shared.entry(problem).or_default() += self.weight[&word];
            }
        }
        let mine = shared.get(&own).copied().unwrap_or_default() / self.total[own];
        let is_anothers = |(&problem, &weight): (&usize, &f64)| {
            problem != own && weight >= self.least && weight >= 0.5 * self.total[problem]
        };
        match mine {
            mine if mine >= 0.5 => Some(true),
            mine if mine <= 0.25 && shared.iter().any(is_anothers) => Some(false),
            _ => None,
        }
    }
}

/// An answer as a text that equal answers share as often as not; what is needed here is speed, not fairness.
fn plain(answer: &str) -> String {
    let mut plain = answer.replace("\\left", "").replace("\\right", "");
    for (was, is) in [
        ("\\dfrac", "\\frac"),
        ("\\tfrac", "\\frac"),
        ("\\!", ""),
        ("\\,", ""),
    ] {
        plain = plain.replace(was, is);
    }
    let kept = |c: &char| !c.is_whitespace() && !matches!(c, '$' | '{' | '}' | ',');
    plain.chars().filter(kept).collect()
}

/// How answers fit golds that a single problem has.
struct Fits {
    /// Answers that are their own problem's gold.
    own: usize,
    /// Answers that are another's.
    other: usize,
    /// How many would be their own problem's if samples and problems had nothing to do with each other.
    expected: f64,
    /// Of how many golds.
    golds: usize,
    /// How many of these are met in other rows.
    met: usize,
    /// All answers.
    answers: usize,
}

impl Fits {
    fn of(lines: &[&Line], order: &HashMap<&str, usize>) -> Self {
        let mut golds: BTreeMap<usize, String> = BTreeMap::new();
        for line in lines {
            golds
                .entry(order[line.problem.as_str()])
                .or_insert_with(|| plain(&line.gold));
        }
        let mut owners: HashMap<&str, Vec<usize>> = HashMap::new();
        for (problem, gold) in &golds {
            owners.entry(gold).or_default().push(*problem);
        }
        let unique: HashMap<&str, usize> = owners
            .iter()
            .filter(|(gold, owners)| owners.len() == 1 && !gold.is_empty())
            .map(|(gold, owners)| (*gold, owners[0]))
            .collect();
        let mut samples: HashMap<usize, usize> = HashMap::new();
        let mut fits = Self {
            own: 0,
            other: 0,
            expected: 0.0,
            golds: unique.len(),
            met: 0,
            answers: 0,
        };
        let mut hits: HashMap<usize, usize> = HashMap::new();
        let mut met: BTreeSet<usize> = BTreeSet::new();
        for line in lines {
            let Some(answer) = extract(&line.text()) else {
                continue;
            };
            fits.answers += 1;
            let row = order[line.problem.as_str()];
            *samples.entry(row).or_default() += 1;
            let Some(&gold) = unique.get(plain(&answer.text).as_str()) else {
                continue;
            };
            *hits.entry(gold).or_default() += 1;
            match gold == row {
                true => fits.own += 1,
                false => {
                    fits.other += 1;
                    met.insert(gold);
                }
            }
        }
        fits.met = met.len();
        for (gold, hits) in hits {
            let share = samples.get(&gold).copied().unwrap_or_default() as f64;
            fits.expected += hits as f64 * share / fits.answers.max(1) as f64;
        }
        fits
    }

    /// No more of their own problem's than chance makes, and many of many others'?
    fn are_scrambled(&self) -> bool {
        let chance = self.expected + 3.0 * self.expected.sqrt().max(1.0);
        self.golds >= 8
            && self.own as f64 <= chance
            && self.met * 5 >= self.golds * 2
            && self.other * 5 >= self.answers
    }
}

/// Do the solutions belong to the problems that they stand with?
fn scrambled(lines: &[&Line]) -> Option<String> {
    let mut order: HashMap<&str, usize> = HashMap::new();
    let mut problems: Vec<&str> = Vec::new();
    for line in lines {
        order.entry(&line.problem).or_insert_with(|| {
            problems.push(&line.problem);
            problems.len() - 1
        });
    }
    if problems.len() < 3 {
        return None;
    }
    let words = Words::of(&problems);
    let (mut own, mut other) = (0usize, 0usize);
    let mut rows: BTreeSet<usize> = BTreeSet::new();
    for line in lines {
        let row = order[line.problem.as_str()];
        match words.belongs(row, &line.text()) {
            Some(true) => own += 1,
            Some(false) => {
                other += 1;
                rows.insert(row);
            }
            None => {}
        }
    }
    let fits = Fits::of(lines, &order);
    let told = own + other;
    let fit = format!(
        "of {} answers, {} are the gold answer of their own problem and {} that of another ({} golds that no two problems share)",
        fits.answers, fits.own, fits.other, fits.golds
    );
    // Problems that resemble each other make up to 3 of 100 in sound pools, and one of them all samples of a row.
    let usual = 0.03 * told as f64;
    let plain = other as f64 > usual + 3.0 * usual.sqrt() && other * 20 >= told;
    if plain && rows.len() >= 2 {
        return Some(format!(
            "{other} of {told} solutions that can be told by their words and numbers are of another problem than the one they stand with; {fit}. Samples seem to be in the wrong rows"
        ));
    }
    // Where the words of many solutions were found in place, answers have nothing to add.
    if told * 4 >= lines.len() {
        return None;
    }
    fits.are_scrambled().then(|| {
        format!("the answers fit other problems better than their own: {fit}, no more than chance. Samples seem to be in the wrong rows")
    })
}

/// Do equal texts have unequal rewards? A verifier reads from the left: the same first steps of the same problem have the same
/// rewards, but for rounding.
fn other_rewards(lines: &[&Line]) -> Option<String> {
    /// What other batches and precisions change.
    const ROUNDING: f64 = 0.1;
    let mut known: HashMap<(&str, &str, Vec<&str>), f64> = HashMap::new();
    let (mut same, mut differ) = (0usize, 0usize);
    for line in lines {
        let own = line
            .rewards
            .iter()
            .filter(|(name, _)| !name.ends_with(WRONG_PROBLEM));
        for (verifier, rewards) in own {
            let mut path: Vec<&str> = Vec::new();
            // Paths part early; deeper ones are met too seldom to be worth their memory.
            for (step, reward) in line.steps.iter().zip(rewards).take(3) {
                path.push(step);
                let key = (line.problem.as_str(), verifier.as_str(), path.clone());
                match known.get(&key) {
                    None => {
                        known.insert(key, *reward);
                    }
                    Some(before) if (before - reward).abs() > ROUNDING => differ += 1,
                    Some(_) => same += 1,
                }
            }
        }
    }
    let all = same + differ;
    (all >= LEAST && differ * 4 > all).then(|| {
        format!(
            "the rewards do not belong to the steps: of {all} steps that begin several solutions of one problem with the same text, {differ} have rewards that differ by more than {ROUNDING}, and a verifier that reads from the left gives them the same"
        )
    })
}

/// Are there more copies than chance makes?
fn copies(lines: &[&Line]) -> Option<String> {
    let mut texts: HashMap<(&str, String), Vec<&Line>> = HashMap::new();
    let mut across: HashMap<String, (&str, bool)> = HashMap::new();
    let (mut long, mut copied, mut within) = (0usize, 0usize, 0usize);
    let mut drawn: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let text = line.text();
        *drawn.entry(&line.problem).or_default() += 1;
        if text.len() < LONG {
            continue;
        }
        long += 1;
        let (first, foreign) = across.entry(text.clone()).or_insert((&line.problem, false));
        *foreign |= *first != line.problem;
        let same = texts.entry((&line.problem, text)).or_default();
        if !same.is_empty() {
            copied += 1;
            within += usize::from(
                same.iter()
                    .any(|own| own.run == line.run && own.run.is_some()),
            );
        }
        same.push(line);
    }
    let greedy = lines
        .iter()
        .any(|line| line.sampling.is_some_and(|own| own.temperature == 0.0));
    // A text that a policy repeats everywhere counts once.
    let foreign = across.values().filter(|(_, foreign)| *foreign).count();
    if foreign >= 3 && foreign * 50 > across.len() {
        return Some(format!(
            "{foreign} of {} different solutions of {LONG} characters and more stand with several problems word for word",
            across.len()
        ));
    }
    // Long texts drawn at a temperature near 1 hardly ever repeat; a twentieth is no chance.
    if long < LEAST || copied * 20 < long || greedy || drawn.values().all(|&count| count < 2) {
        return None;
    }
    let runs = match within {
        0 => String::new(),
        _ => format!(", {within} of them in one run"),
    };
    Some(format!(
        "{copied} of {long} solutions of {LONG} characters and more repeat an earlier one of their problem word for word{runs}: more than draws at a temperature near 1 do. They count as often as they stand there"
    ))
}

/// Do the samples branch off each other as a search's do?
fn branches(lines: &[&Line]) -> Option<String> {
    let mut problems: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        // What a search is said to have kept is no surprise.
        if matches!(line.method.as_str(), "" | "pool") {
            problems.entry(&line.problem).or_default().push(line);
        }
    }
    let (mut pairs, mut shared) = (0usize, 0usize);
    for samples in problems.values() {
        for (place, one) in samples.iter().enumerate() {
            for other in &samples[..place] {
                // Two first steps that are the same are more than a common phrase.
                let (Some(a), Some(b)) = (one.steps.get(..2), other.steps.get(..2)) else {
                    continue;
                };
                pairs += 1;
                // Short steps repeat by themselves.
                let long = a.iter().map(String::len).sum::<usize>() >= LONG / 5;
                shared += usize::from(long && a == b && one.steps != other.steps);
            }
        }
    }
    (pairs >= LEAST && shared * 5 > pairs).then(|| {
        format!(
            "{:.0} % of the pairs of samples of one problem share their first two steps and then differ: what a search kept, it seems, and no independent draws. With --method beam (or another search) no smaller N is read off them",
            100.0 * shared as f64 / pairs as f64
        )
    })
}

/// A scored sample: the first and the last reward, and is it right?
pub(crate) type Outcome = (f64, f64, bool);

/// What the rewards of a verifier cannot be, beside what became of the solutions.
pub(crate) fn reward_suspicions(verifier: &str, outcomes: &[Outcome]) -> Vec<String> {
    let mut found = Vec::new();
    let outside = |own: &&Outcome| !(0.0..=1.0).contains(&own.0) || !(0.0..=1.0).contains(&own.1);
    let outside = outcomes.iter().filter(outside).count();
    if outside > 0 {
        let all = outcomes.iter().flat_map(|own| [own.0, own.1]);
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), own| {
            (low.min(own), high.max(own))
        });
        found.push(format!(
            "{outside} of {} samples have rewards of {verifier} outside of 0 to 1 (from {low:.3} to {high:.3}): products, votes and calibration mean nothing with them",
            outcomes.len()
        ));
    }
    let right = outcomes.iter().filter(|own| own.2).count();
    let wrong = outcomes.len() - right;
    if right < LEAST / 2 || wrong < LEAST / 2 {
        return found;
    }
    let (last, first) = (area(outcomes, |own| own.1), area(outcomes, |own| own.0));
    // Hanley and McNeil's standard error, near enough for a warning.
    let error = (last * (1.0 - last) / right.min(wrong) as f64).sqrt();
    let same = outcomes.iter().all(|own| own.1 == outcomes[0].1);
    if same {
        found.push(format!(
            "every last reward of {verifier} is {}",
            outcomes[0].1
        ));
    } else if last + 2.0 * error < 0.45 {
        found.push(format!(
            "the rewards of {verifier} seem to be upside down: a right solution has the higher last reward with probability {last:.3}"
        ));
    } else if last + 2.0 * error < 0.65 {
        found.push(format!(
            "the rewards of {verifier} say next to nothing of the outcomes: a right solution of any problem has the higher last reward with probability {last:.3}, where verifiers that read the right solution to the right problem reach 0.8 and more. They may belong to other solutions or problems"
        ));
    } else if first > last + 0.02 + 2.0 * error {
        found.push(format!(
            "the rewards of {verifier} may be in the wrong order: the first tells right from wrong better than the last ({first:.3} and {last:.3} of pairs)"
        ));
    }
    found
}

/// The chance that a right sample has more than a wrong one.
fn area(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    let mut order: Vec<&Outcome> = outcomes.iter().collect();
    order.sort_by(|a, b| of(a).total_cmp(&of(b)));
    let (mut below, mut won, mut right) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|a, b| of(a) == of(b)) {
        let up = tied.iter().filter(|own| own.2).count() as f64;
        let down = tied.len() as f64 - up;
        won += up * (below + 0.5 * down);
        below += down;
        right += up;
    }
    won / (right * below)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Twelve problems with six samples each; two of three are right, the others wrong in their own way.
    fn sound() -> Vec<Line> {
        const THINGS: [&str; 12] = [
            "apples", "wagons", "candles", "rivers", "lanterns", "buttons", "marbles", "ladders",
            "feathers", "kettles", "anchors", "violins",
        ];
        let problem = |number: usize| {
            (0..6).map(move |index| {
                let gold = 101 + 7 * number;
                let answer = if index % 3 < 2 {
                    gold
                } else {
                    900 + number * 6 + index
                };
                let things = THINGS[number];
                let asked = 3000 + 17 * number;
                let step = format!(
                    "There are {asked} {things}, way {index}: {}",
                    "so it goes on ".repeat(30)
                );
                Line {
                    problem_id: format!("p{number}"),
                    problem: format!("Somebody has {asked} {things}. How many are left?"),
                    gold: gold.to_string(),
                    index,
                    steps: vec![step, format!("It is \\boxed{{{answer}}}.")],
                    rewards: BTreeMap::from([("prm".into(), vec![0.9, 0.1 * index as f64])]),
                    ..Line::default()
                }
            })
        };
        (0..12).flat_map(problem).collect()
    }

    /// Solutions that say no more than an answer.
    fn terse() -> Vec<Line> {
        let mut lines = sound();
        for line in &mut lines {
            line.steps.remove(0);
        }
        lines
    }

    #[test]
    fn a_sound_pool_raises_no_suspicion_and_neither_does_a_weak_policys() {
        for lines in [sound(), terse()] {
            assert_eq!(suspicions(&lines), Vec::<String>::new());
            let mut weak = lines;
            for (number, line) in weak.iter_mut().enumerate() {
                let wrong = 101 + 7 * (number % 3);
                // One of ten is right; the others are what some other problem has, as small numbers often are.
                if number % 10 > 0 {
                    let last = line.steps.len() - 1;
                    line.steps[last] = format!("It is \\boxed{{{wrong}}}.");
                }
            }
            assert_eq!(suspicions(&weak), Vec::<String>::new());
        }
    }

    #[test]
    fn samples_in_other_rows_are_noticed_however_they_were_mixed_up() {
        for lines in [sound(), terse()] {
            let count = lines.len();
            let mixes: [Box<dyn Fn(usize) -> usize>; 3] = [
                // Sample-major replies that were cut problem-major, rows that slid, and rows that were turned around.
                Box::new(|at| (at % 12) * 6 + at / 12),
                Box::new(move |at| (at + 6) % count),
                Box::new(move |at| count - 1 - at),
            ];
            for mix in mixes {
                let mut mixed = lines.clone();
                for (at, line) in mixed.iter_mut().enumerate() {
                    line.steps.clone_from(&lines[mix(at)].steps);
                }
                let told = suspicions(&mixed);
                assert!(told[0].contains("wrong rows"), "{told:?}");
            }
        }
    }

    #[test]
    fn a_few_rows_that_were_mixed_up_are_noticed_by_their_words() {
        let lines = sound();
        let mut mixed = lines.clone();
        for at in 0..6 {
            mixed[at].steps.clone_from(&lines[at + 6].steps);
            mixed[at + 6].steps.clone_from(&lines[at].steps);
        }
        let told = suspicions(&mixed);
        assert!(told[0].starts_with("12 of 72 solutions"), "{told:?}");
    }

    #[test]
    fn rewards_of_other_solutions_and_copies_are_noticed() {
        let mut lines = sound();
        for line in &mut lines {
            line.steps[0] = format!("The same beginning of this: {}", line.problem);
        }
        assert_eq!(suspicions(&lines), Vec::<String>::new());
        for (number, line) in lines.iter_mut().enumerate() {
            let first = 0.2 * (number % 5) as f64;
            line.rewards.insert("prm".into(), vec![first, 0.5]);
        }
        let told = suspicions(&lines);
        assert!(told[0].starts_with("the rewards do not belong"), "{told:?}");

        let mut lines = sound();
        for at in (0..lines.len()).step_by(3) {
            lines[at + 1].steps = lines[at].steps.clone();
            lines[at + 1].rewards = lines[at].rewards.clone();
        }
        let told = suspicions(&lines);
        assert!(told[0].contains("24 of 72 solutions"), "{told:?}");
    }

    #[test]
    fn rewards_are_held_against_the_outcomes() {
        let outcome = |at: usize| at.is_multiple_of(3);
        let told = |reward: &dyn Fn(usize) -> (f64, f64)| {
            let outcomes: Vec<Outcome> = (0..300)
                .map(|at| {
                    let (first, last) = reward(at);
                    (first, last, outcome(at))
                })
                .collect();
            reward_suspicions("prm", &outcomes).join("; ")
        };
        let noise = |at: usize| ((at * 7919) % 101) as f64 / 100.0;
        let good = |at: usize| 0.5 * noise(at) + 0.4 * f64::from(u8::from(outcome(at)));
        assert_eq!(told(&|at| (noise(at), good(at))), "");
        assert!(told(&|at| (noise(at), noise(at))).contains("next to nothing"));
        assert!(told(&|at| (noise(at), 1.0 - good(at))).contains("upside down"));
        assert!(told(&|at| (good(at), 0.7 * noise(at) + 0.2 * good(at))).contains("wrong order"));
        assert!(told(&|_| (0.5, 0.5)).contains("every last reward"));
        assert!(told(&|at| (noise(at), 10.0 * good(at))).contains("outside of 0 to 1"));
    }
}

//! Samples that cannot be what they are said to be: answers of other problems, rewards of other steps, copies.
//!
//! Each check compares what is there with what chance would make of it, and speaks only where the difference is plain. Nothing is
//! repaired: whoever has the file knows how it was made.

use std::collections::{BTreeMap, HashMap};

use outthink_answer::extract;

use super::Line;

/// Fewer samples than this show nothing.
const LEAST: usize = 20;

/// Texts shorter than this may be equal by chance.
const LONG: usize = 160;

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

/// Do the answers fit other problems' golds better than their own?
///
/// Only golds that a single problem has are looked at. In a sound file, such a gold is met in its own row as often as the policy is
/// right, and in other rows by coincidence. Where rows and samples were mixed up, it is met in other rows.
fn scrambled(lines: &[&Line]) -> Option<String> {
    let mut golds: BTreeMap<&str, String> = BTreeMap::new();
    for line in lines {
        golds
            .entry(&line.problem)
            .or_insert_with(|| plain(&line.gold));
    }
    let mut owners: HashMap<&str, Vec<&str>> = HashMap::new();
    for (problem, gold) in &golds {
        owners.entry(gold).or_default().push(problem);
    }
    let order: HashMap<&str, usize> = golds
        .keys()
        .enumerate()
        .map(|(at, own)| (*own, at))
        .collect();
    let unique: HashMap<&str, usize> = owners
        .iter()
        .filter(|(gold, owners)| owners.len() == 1 && !gold.is_empty())
        .map(|(gold, owners)| (*gold, order[owners[0]]))
        .collect();
    if golds.len() < 3 || unique.len() < 3 {
        return None;
    }
    let (mut own, mut other) = (0usize, 0usize);
    // How often each gold is met elsewhere, and by how many rows.
    let mut met: HashMap<usize, std::collections::BTreeSet<usize>> = HashMap::new();
    let mut answered = 0;
    for line in lines {
        let Some(answer) = extract(&line.text()) else {
            continue;
        };
        answered += 1;
        let row = order[line.problem.as_str()];
        match unique.get(plain(&answer.text).as_str()) {
            Some(&gold) if gold == row => own += 1,
            Some(&gold) => {
                other += 1;
                met.entry(gold).or_default().insert(row);
            }
            None => {}
        }
    }
    // A weak policy meets few golds anywhere; one whose rows were mixed up meets many, and nearly all of them elsewhere.
    let share = other as f64 / answered.max(1) as f64;
    if other < LEAST.min(answered / 4).max(5) || share < 0.1 || other < 2 * own {
        return None;
    }
    Some(format!(
        "the answers fit other problems better than their own: of {answered} answers {own} are their own problem's gold answer and {other} are another's ({} of {} problems with a gold answer that no other has are solved in other rows). The samples seem to be in the wrong rows; search-and-learn wrote such files before it mended its issue 28",
        met.len(),
        unique.len(),
    ))
}

/// Do equal texts have unequal rewards? A verifier reads from the left: the same first steps of the same problem have the same
/// rewards, but for rounding.
fn other_rewards(lines: &[&Line]) -> Option<String> {
    /// What other batches and precisions change.
    const ROUNDING: f64 = 0.1;
    let mut known: HashMap<(&str, &str, Vec<&str>), f64> = HashMap::new();
    let (mut same, mut differ) = (0usize, 0usize);
    for line in lines {
        for (verifier, rewards) in &line.rewards {
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
    let mut across: HashMap<String, &str> = HashMap::new();
    let (mut long, mut copied, mut foreign) = (0usize, 0usize, 0usize);
    let mut within = 0usize;
    let mut drawn: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let text = line.text();
        *drawn.entry(&line.problem).or_default() += 1;
        if text.len() < LONG {
            continue;
        }
        long += 1;
        match across.get(&text) {
            Some(problem) if *problem != line.problem => foreign += 1,
            Some(_) => {}
            None => {
                across.insert(text.clone(), &line.problem);
            }
        }
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
    if foreign >= 3 && foreign * 50 > long {
        return Some(format!(
            "{foreign} of {long} solutions are word for word those of another problem"
        ));
    }
    // Long texts drawn at a temperature hardly ever repeat; a twentieth is no chance.
    if long < LEAST || copied * 20 < long || greedy || drawn.values().all(|&count| count < 2) {
        return None;
    }
    let runs = match within {
        0 => String::new(),
        _ => format!(", {within} of them in one run"),
    };
    Some(format!(
        "{copied} of {long} solutions of {LONG} characters and more repeat an earlier one of their problem word for word{runs}: more than draws at a temperature do. They count as often as they stand there"
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
                shared += usize::from(a == b && one.steps != other.steps);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Twelve problems with six samples each; two of three are right, the others wrong in their own way.
    fn sound() -> Vec<Line> {
        let problem = |number: usize| {
            (0..6).map(move |index| {
                let gold = 101 + 7 * number;
                let answer = if index % 3 < 2 {
                    gold
                } else {
                    900 + number * 6 + index
                };
                let step = format!(
                    "Problem {number}, way {index}: {}",
                    "so it goes on ".repeat(9)
                );
                Line {
                    problem_id: format!("p{number}"),
                    problem: format!("What is number {number}?"),
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

    #[test]
    fn a_sound_pool_raises_no_suspicion_and_neither_does_a_weak_policys() {
        assert_eq!(suspicions(&sound()), Vec::<String>::new());
        let mut weak = sound();
        for (number, line) in weak.iter_mut().enumerate() {
            line.steps[1] = format!("It is \\boxed{{{}}}.", 2 + number % 5);
        }
        assert_eq!(suspicions(&weak), Vec::<String>::new());
    }

    #[test]
    fn samples_in_other_rows_are_noticed_however_they_were_mixed_up() {
        let lines = sound();
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
            assert!(
                told[0].starts_with("the answers fit other problems"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn rewards_of_other_solutions_and_copies_are_noticed() {
        let mut lines = sound();
        for line in &mut lines {
            line.steps[0] = format!("The same beginning of {}, word for word.", line.problem);
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
}

//! The problems that samples are of, told apart.

use std::collections::HashMap;

use outthink_core::identity::sha256;

use super::{ImportOptions, Verdicts, counted};
use crate::exchange::dataset::gold_of;
use crate::exchange::{ExchangeError, Line};
use crate::study::Problem;

/// The problems of the samples, and which of them each is of.
pub(super) fn problems(
    lines: &mut [Line],
    options: &ImportOptions<'_>,
    doubts: &mut Vec<String>,
) -> Result<(Vec<Problem>, Vec<usize>), ExchangeError> {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let known: HashMap<String, &Problem> = options
        .known
        .iter()
        .map(|problem| (plain(&problem.text), problem))
        .collect();
    let mut found: Vec<Problem> = Vec::new();
    let mut numbers: HashMap<(String, String), usize> = HashMap::new();
    let mut of = Vec::with_capacity(lines.len());
    let mut twice = Twice::default();
    for line in lines {
        let asked = (line.problem_id.clone(), line.problem.clone());
        let number = match numbers.get(&asked) {
            Some(number) => *number,
            None => {
                let problem = match known.get(&plain(&line.problem)) {
                    Some(problem) => Problem {
                        text: line.problem.clone(),
                        ..(*problem).clone()
                    },
                    None => Problem {
                        id: match line.problem_id.is_empty() {
                            true => format!("problem-{}", sha256(line.problem.as_bytes())),
                            false => line.problem_id.clone(),
                        },
                        text: line.problem.clone(),
                        gold: gold(&line.gold),
                        level: line.level,
                        subject: line.subject.clone(),
                    },
                };
                // A problem may stand there under several ids.
                let same = found
                    .iter()
                    .position(|own| own.id == problem.id && own.text == problem.text);
                let number = same.unwrap_or_else(|| {
                    found.push(twice.told_apart(problem, &found));
                    found.len() - 1
                });
                numbers.insert(asked, number);
                number
            }
        };
        found[number].id.clone_into(&mut line.problem_id);
        found[number].gold.clone_into(&mut line.gold);
        of.push(number);
    }
    let blank: Vec<&Problem> = found
        .iter()
        .filter(|problem| problem.gold.trim().is_empty())
        .collect();
    doubts.extend(twice.told());
    match blank.first() {
        Some(example) if options.verdicts == Verdicts::Ours && blank.len() == found.len() => {
            Err(ExchangeError::NoGold {
                count: blank.len(),
                all: found.len(),
                example: example.id.clone(),
            })
        }
        _ => Ok((found, of)),
    }
}

/// Problems that share an id or a text.
#[derive(Default)]
struct Twice {
    ids: Vec<String>,
    golds: Vec<String>,
}

impl Twice {
    /// The problem, under another id if its own is taken.
    fn told_apart(&mut self, mut problem: Problem, known: &[Problem]) -> Problem {
        let other = |own: &Problem| own.text == problem.text && own.gold != problem.gold;
        if known.iter().any(other) {
            self.golds.push(problem.id.clone());
        }
        let id = problem.id.clone();
        let mut count = 1;
        while known.iter().any(|own| own.id == problem.id) {
            count += 1;
            problem.id = format!("{id}#{count}");
        }
        if count > 1 {
            self.ids.push(id);
        }
        problem
    }

    fn told(self) -> Vec<String> {
        let mut told = Vec::new();
        if let Some(first) = self.ids.first() {
            told.push(format!(
                "{} problems have the id of another one and are told apart by a number, for example {first}",
                self.ids.len()
            ));
        }
        if let Some(first) = self.golds.first() {
            told.push(format!(
                "{} problems ask what another one asks and have another gold answer, for example {first}; not both can be right",
                self.golds.len()
            ));
        }
        told
    }
}

/// Leaves out samples of problems without a gold answer, where others have one; says how many.
pub(super) fn golden(
    lines: &mut Vec<Line>,
    of: &mut Vec<usize>,
    problems: &[Problem],
) -> Option<String> {
    let blank = |number: &usize| problems[*number].gold.trim().is_empty();
    let count = of.iter().filter(|own| blank(own)).count();
    if count == 0 {
        return None;
    }
    let both = std::mem::take(lines).into_iter().zip(std::mem::take(of));
    (*lines, *of) = both.filter(|(_, number)| !blank(number)).unzip();
    let without = problems.iter().filter(|own| own.gold.trim().is_empty());
    Some(format!(
        "{} of {} without a gold answer",
        counted(count, "sample"),
        counted(without.count(), "problem")
    ))
}

/// The answer that a worked solution ends with; what is none stays as it is.
fn gold(text: &str) -> String {
    match text.contains("\\boxed") || text.contains("####") {
        true => gold_of(text, true),
        false => text.to_owned(),
    }
}

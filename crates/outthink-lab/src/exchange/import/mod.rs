//! Samples into a store, as a study of their own that is graded anew.

mod layout;
mod problems;
mod roster;
mod units;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outthink_core::identity::sha256;
use outthink_core::{AnyMethod, Domain};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::layout::study;
use self::problems::{golden, problems};
use self::roster::{Grown, Roster};
use self::units::{Judged, disagreement, units};
use super::formats::Samples;
use super::line::fingerprint;
use super::suspicion::{Outcome, reward_suspicions, suspicions};
use super::{ExchangeError, Line};
use crate::audit::WRONG_PROBLEM;
use crate::store::{Store, Write as StoreWrite};
use crate::study::{Problem, Study};

/// Units written in one transaction.
const BATCH: usize = 256;

/// What stands for a grader where the file's verdicts count.
pub(crate) const BY_FILE: &str = "the file's own verdicts";

/// Whose verdicts count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdicts {
    /// Every answer is graded anew.
    #[default]
    Ours,
    /// What the file says is right is right, and answers of the same text are the same.
    File,
}

/// How samples are taken in.
pub struct ImportOptions<'a> {
    /// What the study is called.
    pub name: &'a str,
    /// How answers are found, told apart and graded.
    pub domain: &'a dyn Domain,
    /// The domain's name, if it is not the usual one.
    pub domain_name: Option<&'a str>,
    /// The policy of samples whose file does not tell it.
    pub policy: Option<&'a str>,
    /// The verifier of rewards whose file does not tell it.
    pub verifier: Option<&'a str>,
    /// What drew them, instead of what the file says.
    pub method: Option<AnyMethod>,
    /// Whose verdicts count.
    pub verdicts: Verdicts,
    /// Problems that samples of the same text are of: their ids, golds and levels count.
    pub known: &'a [Problem],
    /// Policies that are several others together, by name: their samples are those of the members, in order.
    pub ensembles: &'a [(String, Vec<String>)],
    /// Budgets to look at besides powers of two.
    pub budgets: &'a [usize],
}

impl<'a> ImportOptions<'a> {
    /// As the file has them, graded by a domain.
    pub fn new(name: &'a str, domain: &'a dyn Domain) -> Self {
        Self {
            name,
            domain,
            domain_name: None,
            policy: None,
            verifier: None,
            method: None,
            verdicts: Verdicts::Ours,
            known: &[],
            ensembles: &[],
            budgets: &[],
        }
    }
}

/// Where a study's samples come from, if another program drew them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolSource {
    /// In which formats they were written.
    pub formats: Vec<String>,
    /// How many files.
    pub files: usize,
    /// What they are called, folders left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// A hash of all samples, as the files have them.
    pub file: String,
    /// And with the names and golds that they were taken in with.
    pub samples: String,
    /// Policies that are several others together: one of their samples by itself is one member's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ensembles: Vec<String>,
    /// What should be known before anything is concluded from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A sample that the file judged otherwise than our grader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherVerdict {
    /// Its problem.
    pub problem_id: String,
    /// Its policy.
    pub policy: String,
    /// Its number among the samples of its problem.
    pub index: usize,
    /// The right answer.
    pub gold: String,
    /// What we read as its answer.
    pub answer: Option<String>,
    /// What the file has as its answer.
    pub their_answer: Option<String>,
    /// Is it right, by our grader? By the file it is not, or the other way round.
    pub correct: bool,
}

/// What came of an import.
pub struct Imported {
    /// The study.
    pub study: Study,
    /// How many samples it has.
    pub samples: usize,
    /// The fewest and the most that a policy, or a search, has of one problem: 0 where it lacks one.
    pub of_a_problem: (usize, usize),
    /// How many of them each verifier scored.
    pub scored: Vec<(String, usize)>,
    /// Samples that were left out, and why.
    pub left_out: Vec<String>,
    /// What makes the samples doubtful.
    pub warnings: Vec<String>,
    /// Of how many samples the file has a verdict.
    pub judged: usize,
    /// The samples whose verdict differs from the file's.
    pub other_verdicts: Vec<OtherVerdict>,
}

/// What a group of samples was drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// One greedy solution.
    Greedy,
    /// Whole solutions to choose from.
    Pool,
    /// What a search kept: method, budget.
    Search(AnyMethod, usize),
}

/// The samples of one policy, kind, seed and problem.
type GroupId = (usize, Kind, u64, usize);

/// Puts samples into a store as a study of their own, graded anew, with what rewards they have. Without a store they are only
/// looked at.
///
/// # Errors
///
/// A problem has no gold answer, the domain or the store failed, or an ensemble has a member that is not there.
pub fn import(
    samples: Samples,
    options: &ImportOptions<'_>,
    mut store: Option<&mut Store>,
) -> Result<Imported, ExchangeError> {
    let Samples {
        mut lines,
        trees,
        formats,
        files,
        misfits,
        fingerprint: file,
        names,
        empty,
        ..
    } = samples;
    let mut left_out = Vec::new();
    let unknown = |line: &Line| {
        !matches!(line.method.as_str(), "" | "pool" | "cot")
            && line.method.parse::<AnyMethod>().is_err()
    };
    let before = lines.len();
    lines.retain(|line| !unknown(line));
    if lines.len() < before {
        left_out.push(format!(
            "{} samples of methods that are unknown here or no search",
            before - lines.len()
        ));
    }
    let mut doubts = Vec::new();
    let misfit: usize = misfits.samples.values().sum();
    for (verifier, &count) in &misfits.samples {
        let kept = lines
            .iter()
            .filter(|line| line.rewards.contains_key(verifier));
        let kept = kept.count();
        // Those that fit then fit by chance.
        if count > kept {
            lines
                .iter_mut()
                .for_each(|line| drop(line.rewards.remove(verifier)));
            let name = if verifier.is_empty() {
                "the verifier"
            } else {
                verifier
            };
            doubts.push(format!(
                "the rewards of {name} do not belong to the steps: {count} of {} samples have another number of rewards than of steps; none of them is used",
                count + kept
            ));
        }
    }
    if empty > 0 {
        left_out.push(format!("{} without any sample", counted(empty, "problem")));
    }
    if let Some((problem, rewards, steps)) = &misfits.first {
        left_out.push(format!(
            "the rewards of {}: there is not one number for each step (for example {rewards} for {steps} steps of {problem})",
            counted(misfit, "sample")
        ));
    }
    named(&mut lines, options);
    let (problems, mut of) = problems(&mut lines, options, &mut doubts)?;
    if options.verdicts == Verdicts::Ours {
        left_out.extend(golden(&mut lines, &mut of, &problems));
    }
    if lines.is_empty() {
        return Err(ExchangeError::Empty);
    }
    if let Some(method) = options.method {
        for line in &mut lines {
            line.method = match method.is_stepwise() {
                true => method.to_string(),
                false => "pool".into(),
            };
        }
    }
    greedy(&mut lines);
    doubts.extend(suspicions(&lines));
    let mut warnings = doubts;
    let samples = lines.len();
    ensembles(&mut lines, &mut of, options)?;
    let mut roster = Roster::of(&lines, options.name);
    let grown = Grown::of(&trees, &mut roster, options);
    let mut groups: BTreeMap<GroupId, Vec<Line>> = BTreeMap::new();
    let judge = match options.verdicts {
        Verdicts::Ours => options.domain.identity(),
        Verdicts::File => BY_FILE.into(),
    };
    // Other verdicts of the same samples are other units.
    let fingerprint = sha256(format!("{} {judge}", fingerprint(&lines)).as_bytes());
    let searched: BTreeSet<(String, String)> = lines
        .iter()
        .filter(|line| !line.rewards.is_empty())
        .map(|line| (line.policy.clone(), line.method.clone()))
        .collect();
    for (line, number) in lines.into_iter().zip(of) {
        let policy = roster.policy(&line);
        let kind = kind(&line, &searched);
        groups
            .entry((policy, kind, line.seed, number))
            .or_default()
            .push(line);
    }
    for group in groups.values_mut() {
        group.sort_by_key(|line| line.index);
    }
    let source = PoolSource {
        formats: formats.iter().map(|name| (*name).to_owned()).collect(),
        files,
        names,
        file,
        samples: fingerprint,
        ensembles: options
            .ensembles
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        warnings: warnings.clone(),
    };
    let of_a_problem = spread(&groups, problems.len());
    let (mut study, pools) = study(options, problems, &roster, &groups, source);
    let finished: Vec<(Vec<StoreWrite>, Judged)> = groups
        .into_iter()
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|(id, lines)| units((&study, &pools), id, lines, &grown, options))
        .collect::<Result<_, _>>()?;
    let (mut judged, mut other_verdicts) = (0, Vec::new());
    let mut batch = Vec::new();
    let mut outcomes: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    for (_, own) in &finished {
        for (verifier, outcome) in &own.outcomes {
            outcomes.entry(verifier.clone()).or_default().push(*outcome);
        }
    }
    for (verifier, outcomes) in &outcomes {
        warnings.extend(reward_suspicions(verifier, outcomes));
    }
    warnings.extend(disagreement(&finished, samples));
    let scored = outcomes.into_iter().map(|(name, own)| (name, own.len()));
    let scored = scored.collect();
    if let Some(source) = &mut study.source {
        source.warnings.clone_from(&warnings);
    }
    if let Some(store) = &mut store {
        let made = finished.iter().flat_map(|(writes, _)| writes);
        let units = made.filter_map(|write| match write {
            StoreWrite::Finish(unit) => Some(unit.unit),
            _ => None,
        });
        store.put_imported(&study, &units.collect())?;
    }
    for (writes, own) in finished {
        judged += own.judged;
        other_verdicts.extend(own.others);
        batch.extend(writes);
        if batch.len() >= BATCH
            && let Some(store) = &mut store
        {
            store.write(std::mem::take(&mut batch))?;
        }
    }
    if let Some(store) = &mut store {
        store.write(batch)?;
    }
    Ok(Imported {
        study,
        samples,
        of_a_problem,
        scored,
        left_out,
        warnings,
        judged,
        other_verdicts,
    })
}

/// The fewest and the most samples that one policy, drawn in one way, has of a problem.
fn spread(groups: &BTreeMap<GroupId, Vec<Line>>, problems: usize) -> (usize, usize) {
    let mut counts: BTreeMap<(usize, Kind), BTreeMap<usize, usize>> = BTreeMap::new();
    for ((policy, kind, _, number), lines) in groups {
        let own = counts.entry((*policy, *kind)).or_default();
        *own.entry(*number).or_default() += lines.len();
    }
    let lacks = counts.values().any(|own| own.len() < problems);
    let each = || counts.values().flat_map(BTreeMap::values).copied();
    let fewest = if lacks { 0 } else { each().min().unwrap_or(0) };
    (fewest, each().max().unwrap_or(0))
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// Names policies and verifiers that the file does not.
fn named(lines: &mut [Line], options: &ImportOptions<'_>) {
    for line in lines {
        if let (true, Some(policy)) = (line.policy.is_empty(), options.policy) {
            policy.clone_into(&mut line.policy);
        }
        if let Some(verifier) = options.verifier
            && let Some(own) = line.rewards.remove("")
        {
            line.rewards.insert(verifier.to_owned(), own);
        }
        if let Some(own) = line.rewards.remove(WRONG_PROBLEM) {
            let verifier = options.verifier.unwrap_or("verifier");
            line.rewards
                .insert(format!("{verifier}{WRONG_PROBLEM}"), own);
        }
    }
}

/// One sample of a problem at temperature 0 is a greedy solution.
fn greedy(lines: &mut [Line]) {
    let is_greedy = |line: &Line| line.sampling.is_some_and(|own| own.temperature == 0.0);
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    for line in lines.iter().filter(|line| is_greedy(line)) {
        let of = (line.policy.clone(), line.problem_id.clone());
        *counts.entry(of).or_default() += 1;
    }
    let several: BTreeSet<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|((policy, _), _)| policy)
        .collect();
    for line in lines.iter_mut().filter(|line| is_greedy(line)) {
        if line.method == "pool" && !several.contains(&line.policy) {
            line.method = "cot".into();
        }
    }
}

/// Adds the samples of each ensemble: those of its members, in their order.
fn ensembles(
    lines: &mut Vec<Line>,
    of: &mut Vec<usize>,
    options: &ImportOptions<'_>,
) -> Result<(), ExchangeError> {
    let known: BTreeSet<&str> = lines.iter().map(|line| line.policy.as_str()).collect();
    let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
    let mut added = Vec::new();
    for (name, members) in options.ensembles {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        let size = |member: &String| {
            let mut own = lines.iter().filter(|line| line.policy == *member);
            own.next()?.parameters
        };
        // A size to be ordered by. Where tokens are known it would be taken for what each of them costs, which differs.
        let size: Option<u64> = match lines.iter().any(|line| line.tokens > 0) {
            true => None,
            false => members.iter().map(size).sum(),
        };
        for member in members {
            if !known.contains(member) {
                return Err(ExchangeError::NoMember {
                    name: name.clone(),
                    member: member.clone(),
                    known: known.join(", "),
                });
            }
            for (line, &number) in lines.iter().zip(of.iter()) {
                if line.policy != *member || !matches!(line.method.as_str(), "pool" | "cot") {
                    continue;
                }
                let count = counts.entry(number).or_default();
                let own = Line {
                    policy: name.clone(),
                    method: "pool".into(),
                    sampling: None,
                    parameters: size,
                    // A member is no run of one policy: the ensemble is these members and no others.
                    run: None,
                    index: *count,
                    ..line.clone()
                };
                added.push((own, number));
                *count += 1;
            }
        }
    }
    for (line, number) in added {
        lines.push(line);
        of.push(number);
    }
    Ok(())
}

fn kind(line: &Line, scored: &BTreeSet<(String, String)>) -> Kind {
    match line.method.parse::<AnyMethod>().ok() {
        // A search without any rewards was none that could be laid out again.
        Some(method)
            if method.is_stepwise()
                && scored.contains(&(line.policy.clone(), line.method.clone())) =>
        {
            Kind::Search(method, line.n.max(1))
        }
        Some(method) if method.is_greedy() => Kind::Greedy,
        _ => Kind::Pool,
    }
}

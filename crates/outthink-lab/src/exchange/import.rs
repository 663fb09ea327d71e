//! Samples into a store, as a study of their own that is graded anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::executor::block_on;
use outthink_core::identity::sha256;
use outthink_core::method::{BEST_OF_N, MAJORITY};
use outthink_core::{
    AnyMethod, Domain, Finished, Limits, ModelCost, ModelInfo, Plan, Sampling, Stop, Usage,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::formats::Samples;
use super::line::fingerprint;
use super::suspicion::{Outcome, reward_suspicions, suspicions};
use super::{ExchangeError, GrownTree, Line};
use crate::audit::WRONG_PROBLEM;
use crate::estimate::spent::{Spent, Work};
use crate::exchange::dataset::gold_of;
use crate::store::{Drawn, FinishedUnit, Store, Told, Write as StoreWrite};
use crate::study::recipe::{ModelEntry, Recipe};
use crate::study::unit_runner::grade;
use crate::study::{Cell, Config, Problem, Study, unit_id};

/// Units written in one transaction.
const BATCH: usize = 256;

/// What stands for a grader where the file's verdicts count.
pub(crate) const BY_FILE: &str = "the file's own verdicts";

/// The beam width of searches that do not tell theirs: the paper's.
const WIDTH: usize = 4;

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

/// The hashes of pools by policy and kind.
type Pools = HashMap<(usize, Kind), String>;

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
    for (line, number) in lines.into_iter().zip(of) {
        let policy = roster.policy(&line);
        let kind = kind(&line);
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
        file,
        samples: fingerprint,
        ensembles: options
            .ensembles
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        warnings: warnings.clone(),
    };
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
        scored,
        left_out,
        warnings,
        judged,
        other_verdicts,
    })
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

/// The problems of the samples, and which of them each is of.
fn problems(
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
fn golden(lines: &mut Vec<Line>, of: &mut Vec<usize>, problems: &[Problem]) -> Option<String> {
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

fn kind(line: &Line) -> Kind {
    match line.method.parse::<AnyMethod>().ok() {
        // A search without rewards was none that could be laid out again.
        Some(method) if method.is_stepwise() && !line.rewards.is_empty() => {
            Kind::Search(method, line.n.max(1))
        }
        Some(method) if method.is_greedy() => Kind::Greedy,
        _ => Kind::Pool,
    }
}

/// Who drew and who scored.
struct Roster {
    policies: Vec<ModelInfo>,
    verifiers: Vec<ModelInfo>,
    sampling: Vec<Option<Sampling>>,
    /// By the name in the lines, and how it drew.
    places: HashMap<(String, String), usize>,
}

impl Roster {
    fn of(lines: &[Line], study: &str) -> Self {
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

    fn policy(&self, line: &Line) -> usize {
        let place = self.places.get(&(line.policy.clone(), written(line)));
        *place.expect("the roster is of these lines")
    }

    /// The place of a verifier by its name in the lines.
    fn verifier(&self, name: &str) -> Option<usize> {
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
struct Grown<'t> {
    trees: HashMap<(usize, &'t str), &'t GrownTree>,
}

impl<'t> Grown<'t> {
    fn of(trees: &'t [GrownTree], roster: &mut Roster, options: &ImportOptions<'_>) -> Self {
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

fn study(
    options: &ImportOptions<'_>,
    problems: Vec<Problem>,
    roster: &Roster,
    groups: &BTreeMap<GroupId, Vec<Line>>,
    source: PoolSource,
) -> (Study, Pools) {
    let mut largest: BTreeMap<(usize, Kind), usize> = BTreeMap::new();
    let mut scored: BTreeSet<(usize, Kind, usize)> = BTreeSet::new();
    let mut seeds: BTreeSet<u64> = BTreeSet::new();
    for ((policy, kind, seed, _), lines) in groups {
        let own = largest.entry((*policy, *kind)).or_default();
        *own = (*own).max(lines.len());
        for name in lines.iter().flat_map(|line| line.rewards.keys()) {
            if let Some(verifier) = roster.verifier(name) {
                scored.insert((*policy, *kind, verifier));
            }
        }
        seeds.insert(*seed);
    }
    let (mut pools, mut scores, mut searches) = (Vec::new(), Vec::new(), Vec::new());
    let mut hashes = Pools::new();
    for (&(policy, kind), &draws) in &largest {
        let identity = roster.policies[policy].identity.clone();
        // Where the sampling settings are unknown, these are placeholders.
        let sampling = roster.sampling[policy].unwrap_or(Sampling::at(1.0));
        let limits = Limits {
            draw_tokens: usize::MAX >> 12,
            solution_tokens: usize::MAX >> 12,
            steps: usize::MAX >> 12,
        };
        let own = scored
            .iter()
            .filter(|own| (own.0, own.1) == (policy, kind))
            .map(|own| own.2);
        match kind {
            Kind::Greedy | Kind::Pool => {
                let (sampling, draws) = match kind {
                    Kind::Greedy => (Sampling::GREEDY, 1),
                    _ => (sampling, draws),
                };
                let pool = Cell::new(
                    policy,
                    None,
                    Config::Pool {
                        policy: identity,
                        sampling,
                        limits,
                        draws,
                        imported: Some(source.samples.clone()),
                    },
                );
                for verifier in own {
                    let config = Config::Score {
                        pool: pool.hash().to_owned(),
                        verifier: roster.verifiers[verifier].identity.clone(),
                    };
                    scores.push(Cell::new(policy, Some(verifier), config));
                }
                hashes.insert((policy, kind), pool.hash().to_owned());
                pools.push(pool);
            }
            Kind::Search(method, budget) => {
                let width = WIDTH.min(budget);
                let Ok(plan) = Plan::new(method, budget, width, Finished::default()) else {
                    continue;
                };
                for verifier in own {
                    let config = Config::Search {
                        policy: identity.clone(),
                        verifier: roster.verifiers[verifier].identity.clone(),
                        sampling,
                        limits,
                        plan,
                        imported: Some(source.samples.clone()),
                    };
                    searches.push(Cell::new(policy, Some(verifier), config));
                }
            }
        }
    }
    let budgets = budgets(largest.iter().map(|((_, kind), draws)| match kind {
        Kind::Search(_, budget) => *budget,
        _ => *draws,
    }));
    let mut methods = vec![MAJORITY];
    if !scores.is_empty() {
        methods.push(BEST_OF_N);
    }
    let searched = largest.keys().filter_map(|(_, kind)| match kind {
        Kind::Search(method, _) => Some(*method),
        _ => None,
    });
    methods.extend(searched);
    methods.sort();
    methods.dedup();
    let names = |models: &[ModelInfo]| -> Vec<ModelEntry> {
        models
            .iter()
            .map(|own| ModelEntry::Name(own.name.clone()))
            .collect()
    };
    let dataset = format!("import:{}", options.name);
    let study = Study {
        name: options.name.to_owned(),
        dataset: dataset.clone(),
        problems,
        policies: roster.policies.clone(),
        verifiers: roster.verifiers.clone(),
        strategies: Vec::new(),
        cells: pools.into_iter().chain(scores).chain(searches).collect(),
        budgets: budgets.clone(),
        seeds: seeds.into_iter().collect(),
        source: Some(source),
        recipe: Recipe {
            name: options.name.to_owned(),
            dataset,
            domain: options.domain_name.map(str::to_owned),
            problems: None,
            policies: names(&roster.policies),
            verifiers: names(&roster.verifiers),
            methods,
            strategies: Vec::new(),
            budgets,
            widths: vec![WIDTH],
            finished: Finished::default(),
            seed: 0,
            seeds: 1,
            store: None,
        },
    };
    (study, hashes)
}

/// Powers of two up to the largest number of samples, and the policies' own.
fn budgets(draws: impl Iterator<Item = usize>) -> Vec<usize> {
    let all: BTreeSet<usize> = draws.collect();
    let largest = all.last().copied().unwrap_or(1);
    let powers = (0..usize::BITS).map(|power| 1usize << power);
    // A few sizes of their own are looked at; of many, the largest.
    let own = if all.len() <= 4 {
        all
    } else {
        BTreeSet::from([largest])
    };
    let budgets: BTreeSet<usize> = powers.take_while(|&n| n < largest).chain(own).collect();
    budgets.into_iter().collect()
}

/// How the file's verdicts compare.
#[derive(Default)]
struct Judged {
    judged: usize,
    others: Vec<OtherVerdict>,
    /// Of each verifier's samples, what it said and what became of them.
    outcomes: Vec<(String, Outcome)>,
}

/// Where the file judges otherwise too often, nothing here can grade such answers.
fn disagreement(finished: &[(Vec<StoreWrite>, Judged)], samples: usize) -> Option<String> {
    let judged: usize = finished.iter().map(|(_, own)| own.judged).sum();
    let others: usize = finished.iter().map(|(_, own)| own.others.len()).sum();
    (judged >= 20 && others * 20 > judged).then(|| {
        let all = match judged == samples {
            true => String::new(),
            false => format!(" of {samples} samples"),
        };
        format!(
            "{others} of the file's {judged} verdicts{all} differ from ours: these answers may not be what this domain grades. The file's own count with --verdicts file"
        )
    })
}

/// A group of samples as finished units: the pool, and what each verifier said of it; or the search.
fn units(
    (study, pools): (&Study, &Pools),
    (policy, kind, seed, number): GroupId,
    lines: Vec<Line>,
    grown: &Grown<'_>,
    options: &ImportOptions<'_>,
) -> Result<(Vec<StoreWrite>, Judged), ExchangeError> {
    let problem = &study.problems[number];
    let key = problem.key();
    let mut samples: Vec<Drawn> = lines.iter().map(drawn).collect();
    let question = problem.question();
    let mut grader = options.domain.identity();
    match options.verdicts {
        Verdicts::Ours => block_on(grade(
            &mut samples,
            &question,
            &problem.gold,
            options.domain,
        ))?,
        Verdicts::File => {
            as_told(&mut samples, &lines)?;
            grader = BY_FILE.into();
        }
    }
    let mut judged = Judged::default();
    // The members of an ensemble are compared as what they are.
    let name = &study.policies[policy].name;
    let is_ensemble = options.ensembles.iter().any(|(own, _)| own == name);
    let compared = lines.iter().zip(&samples).enumerate();
    for (index, (line, sample)) in compared.filter(|_| !is_ensemble) {
        let Some(theirs) = line.correct else { continue };
        judged.judged += 1;
        if theirs != sample.correct {
            judged.others.push(OtherVerdict {
                problem_id: problem.id.clone(),
                policy: study.policies[policy].name.clone(),
                index,
                gold: problem.gold.clone(),
                answer: sample.answer.clone(),
                their_answer: line.answer.clone(),
                correct: sample.correct,
            });
        }
    }
    for (line, sample) in lines.iter().zip(&samples) {
        for (verifier, rewards) in &line.rewards {
            if let (Some(&first), Some(&last)) = (rewards.first(), rewards.last())
                && !verifier.ends_with(WRONG_PROBLEM)
                && !is_ensemble
            {
                let name = if verifier.is_empty() {
                    "verifier"
                } else {
                    verifier
                };
                judged
                    .outcomes
                    .push((name.to_owned(), (first, last, sample.correct)));
            }
        }
    }
    let grown = grown.trees.get(&(policy, problem.text.as_str()));
    let mut told = told(&lines);
    if let Some(grown) = grown {
        let labels = grown.labels.clone();
        told.push((
            Told::TREE,
            Told {
                labels,
                ..Told::default()
            },
        ));
    }
    let draws = match kind {
        Kind::Search(..) => samples.iter().map(|sample| sample.draws as u64).sum(),
        Kind::Greedy | Kind::Pool => samples.len() as u64,
    };
    // Some that are unknown leave the sum unknown.
    let known = samples.iter().all(|sample| sample.tokens > 0);
    let sum: u64 = samples.iter().map(|sample| sample.tokens as u64).sum();
    let generated = if known { sum } else { 0 };
    let usage = Usage {
        generated,
        ..Usage::default()
    };
    let empty = |unit: i64| FinishedUnit {
        unit,
        seconds: 0.0,
        policy: Usage::default(),
        verifier: Usage::default(),
        spent: Spent {
            draws,
            policy: Work::default(),
            verifier: Work::default(),
        },
        grader: grader.clone(),
        tree: None,
        choice: None,
        samples: Vec::new(),
        rewards: Vec::new(),
        stats: Vec::new(),
        told: Vec::new(),
    };
    let rewards = |verifier: usize| -> Vec<(usize, Vec<f64>)> {
        let shown = &study.verifiers[verifier].name;
        let own = |line: &Line| {
            let own = line.rewards.get(shown);
            own.or_else(|| line.rewards.get("").filter(|_| shown == "verifier"))
                .cloned()
        };
        let numbered = lines.iter().enumerate();
        numbered
            .filter_map(|(index, line)| Some((index, own(line)?)))
            .collect()
    };
    let drawn = || FinishedUnit {
        policy: usage,
        spent: Spent {
            draws,
            policy: Work {
                generated,
                shared: vec![(1, generated, 0)],
            },
            verifier: Work::default(),
        },
        samples: samples.clone(),
        told: told.clone(),
        tree: grown.map(|grown| grown.tree.clone()),
        ..empty(0)
    };
    let mut writes = Vec::new();
    let mut finish = |unit| writes.push(StoreWrite::Finish(Box::new(unit)));
    let pool = pools.get(&(policy, kind)).map(String::as_str);
    for cell in study.cells.iter().filter(|cell| cell.policy == policy) {
        let unit = unit_id(cell.hash(), key, seed);
        let own = cell.verifier.unwrap_or_default();
        match (cell.config(), kind) {
            (Config::Pool { .. }, _) if pool == Some(cell.hash()) => {
                finish(FinishedUnit { unit, ..drawn() });
            }
            (Config::Score { pool: of, .. }, _) if pool == Some(of) => finish(FinishedUnit {
                rewards: rewards(own),
                ..empty(unit)
            }),
            (Config::Search { plan, .. }, Kind::Search(method, budget))
                if (plan.method(), plan.budget()) == (method, budget) =>
            {
                finish(FinishedUnit {
                    unit,
                    rewards: rewards(own),
                    ..drawn()
                });
            }
            _ => {}
        }
    }
    Ok((writes, judged))
}

fn drawn(line: &Line) -> Drawn {
    Drawn {
        seed: line.draw_seed,
        draws: line.draws.max(1),
        steps: line.steps.clone(),
        tokens: line.tokens,
        token_ids: line.token_ids.clone(),
        stop: match line.finish.as_str() {
            "length" => Stop::Length,
            _ => Stop::Answer,
        },
        logprob: line.logprob.unwrap_or_default(),
        answer: None,
        class: None,
        correct: false,
    }
}

/// Answers and verdicts as the file has them; where it has no answer, a whole text is one.
fn as_told(samples: &mut [Drawn], lines: &[Line]) -> Result<(), ExchangeError> {
    let without = lines.iter().filter(|line| line.correct.is_none());
    if let Some(example) = without.clone().next() {
        return Err(ExchangeError::NoVerdict {
            count: without.count(),
            all: lines.len(),
            example: example.problem_id.clone(),
        });
    }
    let tells = lines.iter().any(|line| line.answer.is_some());
    let mut classes: HashMap<String, usize> = HashMap::new();
    for (sample, line) in samples.iter_mut().zip(lines) {
        let answer = match tells {
            true => line.answer.clone(),
            false => Some(line.text()),
        };
        let answer = answer.filter(|own| !own.trim().is_empty());
        let next = classes.len();
        sample.class = answer
            .as_ref()
            .map(|own| *classes.entry(own.trim().to_owned()).or_insert(next));
        sample.answer = answer.map(|own| own.trim().to_owned());
        sample.correct = line.correct == Some(true);
    }
    Ok(())
}

/// What the file says of the samples beside their text.
fn told(lines: &[Line]) -> Vec<(i64, Told)> {
    let one = |(index, line): (usize, &Line)| {
        let told = Told {
            run: line.run.clone(),
            labels: line.step_labels.iter().map(|&right| Some(right)).collect(),
            correct: line.correct,
        };
        (told != Told::default()).then_some((index as i64, told))
    };
    lines.iter().enumerate().filter_map(one).collect()
}

//! What asks again with earlier solutions in the prompt: methods of populations.
//!
//! 1. Draw a population of whole solutions.
//! 2. Make prompts that quote some of them, each with so many samples to draw.
//! 3. Fold what is drawn into the next population, and repeat from 2 until there is nothing more to ask.
//!
//! The last population is kept, for a vote. A method is a [`Folding`]: what it asks, and what it makes of the samples. All samples
//! of all rounds count in the budget.
//!
//! A quoted solution is without its thoughts and no longer than the method says; its end is kept. Solutions that were cut off are
//! quoted only where there is no whole one. A round of which nothing can be quoted leaves the population as it was.

use std::collections::HashSet;

use super::{Allocator, Branch, Grown, Question};
use crate::parameters::at_least_one;
use crate::template::{filled, last_of, without_thoughts};
use crate::{NodeId, Stop, Tree};

/// Most characters of a solution in a prompt, unless a method says otherwise: some 2,000 tokens.
pub(super) const CHARACTERS: usize = 8000;

/// A sample of the population.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Where it ended.
    pub(super) node: NodeId,
    /// As prompts quote it; blank where there is nothing to quote.
    pub(super) text: String,
    /// Did it end with an answer?
    whole: bool,
}

#[cfg(test)]
impl Member {
    /// A whole one.
    pub(super) fn quoted(node: NodeId, text: &str) -> Self {
        Self {
            node,
            text: text.to_owned(),
            whole: true,
        }
    }
}

/// What a method makes of a population.
pub(super) trait Folding: Send {
    /// The next prompts, made of the samples that can be quoted, at least one; none where the search is over.
    fn ask(&mut self, problem: &str, quoted: &[Member]) -> Vec<Question>;

    /// The next population, given what was quoted and what was drawn: a list for each prompt, in order.
    fn fold(&mut self, quoted: Vec<Member>, drawn: Vec<Vec<Member>>) -> Vec<Member>;
}

/// A prompt that quotes solutions, one sample of it. The template has the places `{problem}`, `{count}` and `{solutions}`.
pub(super) fn quoting<'m>(
    template: &str,
    problem: &str,
    solutions: impl IntoIterator<Item = &'m Member>,
) -> Question {
    let mut quoted = String::new();
    let mut count = 0;
    for Member { text, .. } in solutions {
        count += 1;
        quoted.push_str(&format!("### Solution {count}\n\n{text}\n\n"));
    }
    let (count, quoted) = (count.to_string(), quoted.trim_end());
    let values = [
        ("problem", problem),
        ("count", &count),
        ("solutions", quoted),
    ];
    Question {
        text: filled(template, &values),
        draws: 1,
    }
}

/// The same without those that ended where an earlier one did: equal solutions.
pub(super) fn distinct(members: &[Member]) -> Vec<Member> {
    let mut seen = HashSet::new();
    let new = |own: &&Member| seen.insert(own.node);
    members.iter().filter(new).cloned().collect()
}

/// Refuses a window that is no choice, and solutions of which nothing is quoted.
pub(super) fn checked_window(window: usize, characters: usize) -> Result<(), String> {
    if window < 2 {
        return Err("`window` is at least 2".to_owned());
    }
    at_least_one("characters", characters)
}

/// The allocator of all of them.
pub(super) struct Population<F> {
    first: usize,
    characters: usize,
    folding: F,
    begun: bool,
    members: Vec<Member>,
    questions: Vec<Question>,
}

impl<F: Folding> Population<F> {
    /// Begins with so many solutions; prompts quote so many characters of each.
    pub(super) fn new(first: usize, characters: usize, folding: F) -> Self {
        Self {
            first,
            characters,
            folding,
            begun: false,
            members: Vec::new(),
            questions: Vec::new(),
        }
    }

    fn member(&self, tree: &Tree, node: NodeId) -> Member {
        let text = without_thoughts(&tree.solution(node).text());
        let ended = tree.nodes()[node].finished;
        Member {
            node,
            text: last_of(&text, self.characters).to_owned(),
            whole: ended.is_some_and(|(stop, _)| stop == Stop::Answer),
        }
    }

    /// The samples that can be quoted: those with an answer, or else those that say something.
    fn quoted(&self) -> Vec<Member> {
        let says = |own: &&Member| !own.text.is_empty();
        let whole: Vec<Member> = {
            let own = self.members.iter().filter(says);
            own.filter(|own| own.whole).cloned().collect()
        };
        match whole.is_empty() {
            true => self.members.iter().filter(says).cloned().collect(),
            false => whole,
        }
    }
}

impl<F: Folding> Allocator for Population<F> {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.first,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let of = |own: &Grown| -> Vec<Member> {
            let nodes = own.children.iter();
            nodes.map(|&node| self.member(tree, node)).collect()
        };
        let drawn: Vec<Vec<Member>> = grown.iter().map(of).collect();
        let next = match self.begun {
            false => drawn.concat(),
            true => self.folding.fold(self.quoted(), drawn),
        };
        if !self.begun || next.iter().any(|own| own.whole && !own.text.is_empty()) {
            self.members = next;
        }
        self.begun = true;
        let quoted = self.quoted();
        self.questions = match quoted.is_empty() {
            true => Vec::new(),
            false => self.folding.ask(&tree.problem.text, &quoted),
        };
        Vec::new()
    }

    fn questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }

    fn kept(&self) -> Vec<NodeId> {
        let mut kept = Vec::new();
        for &Member { node, .. } in &self.members {
            if !kept.contains(&node) {
                kept.push(node);
            }
        }
        kept
    }
}

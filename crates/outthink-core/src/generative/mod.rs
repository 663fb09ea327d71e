//! Any policy as a verifier: it is asked whether a solution is right, and what it says is the reward.

mod prompt;
mod verdict;

use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::{BoxFuture, FutureExt};

pub use prompt::{JudgePrompt, Reading};
pub use verdict::verdict;

use crate::template::without_thoughts;
use crate::{
    Extension, Judgement, Limits, ModelError, Policy, Prefix, Problem, Reply, Sampling, Step,
    Until, Usage, Verifier, draw_seed, problem_seed, question_seed,
};

/// The run seed of all verdicts: the same solution is judged the same in every search.
const RUN: u64 = 0;

/// After so many verdicts of which none can be read, a verifier is none.
const TRIED: u64 = 16;

/// A verifier that asks a policy for its verdict (self-verification; GenPRM, arXiv 2504.00891; ThinkPRM, arXiv 2504.16828).
///
/// A prefix is one question, drawn as often as there are votes: is this solution right, or if it goes on, are its steps right so far?
/// The mean of the verdicts is the reward of each of its steps. (A search step by step asks at each step anyway, and
/// earlier steps keep the rewards that they have.) Under [`JudgePrompt::each_step`] every step is a question, with the steps before it.
///
/// What a reply says is read as [`Reading`] says. One that cannot be read does not count; where none of the votes can be read, the
/// reward is 0.5, and where nothing could be read of the first 16, that is an error: such a model is no verifier. All tokens that are
/// read and drawn are the verifier's [`Usage`].
pub struct Generative<P> {
    policy: P,
    prompt: JudgePrompt,
    sampling: Sampling,
    limits: Limits,
    heard: Box<Unreadable>,
    asked: AtomicU64,
    unread: AtomicU64,
}

/// Hears of replies that cannot be read: how many of how many, and the last.
type Unreadable = dyn Fn(u64, u64, &str) + Send + Sync;

impl<P: Policy> Generative<P> {
    /// A policy that is asked by a prompt, and draws its verdicts so, each of at most the tokens of a solution.
    pub fn new(policy: P, prompt: JudgePrompt, sampling: Sampling, limits: Limits) -> Self {
        Self {
            policy,
            prompt,
            sampling,
            limits,
            heard: Box::new(|_, _, _| {}),
            asked: AtomicU64::new(0),
            unread: AtomicU64::new(0),
        }
    }

    /// Tells of replies that cannot be read: of the first, the second, the fourth and so on.
    pub fn telling(self, heard: impl Fn(u64, u64, &str) + Send + Sync + 'static) -> Self {
        let heard = Box::new(heard);
        Self { heard, ..self }
    }

    /// How it asks and reads.
    pub fn prompt(&self) -> &JudgePrompt {
        &self.prompt
    }

    /// How its critiques are drawn.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// How long they may be.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How many replies could not be read, and how many there were.
    pub fn unreadable(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.unread), load(&self.asked))
    }

    fn question(&self, prefix: &Prefix, steps: usize) -> Extension {
        let whole = prefix.complete && steps == prefix.steps.len();
        let text = self
            .prompt
            .about(&prefix.problem.text, &prefix.steps[..steps], whole);
        let seed = question_seed(problem_seed(RUN, &prefix.problem.id), 0, &text);
        let word = self.prompt.reading == Reading::PYes;
        // A word that is always the likeliest is drawn once.
        let votes = if word { 1 } else { self.prompt.votes.max(1) };
        Extension {
            problem: Problem {
                id: prefix.problem.id.clone(),
                text,
            }
            .into(),
            steps: Vec::new(),
            seeds: (0..votes).map(|vote| draw_seed(seed, [], vote)).collect(),
            offset: 0,
            until: Until::Answer,
            sampling: if word {
                Sampling::GREEDY
            } else {
                self.sampling
            },
            max_tokens: if word { 1 } else { self.limits.solution_tokens },
        }
    }

    /// The mean verdict of a reply's votes that can be read.
    fn read(&self, (continuations, _): &Reply) -> Result<f64, ModelError> {
        let mut read = Vec::new();
        for continuation in continuations {
            let texts: Vec<&str> = continuation
                .steps
                .iter()
                .map(|own| own.text.as_str())
                .collect();
            let text = texts.join("\n\n");
            let chance = match self.prompt.reading {
                Reading::Verdict => {
                    verdict(&without_thoughts(&text)).map(|yes| f64::from(u8::from(yes)))
                }
                Reading::PYes => p_yes(&text, &continuation.steps),
            };
            self.count(chance.is_none(), &text)?;
            read.extend(chance);
        }
        Ok(match read.len() {
            0 => 0.5,
            votes => (read.iter().sum::<f64>() / votes as f64).clamp(0.0, 1.0),
        })
    }

    fn count(&self, unreadable: bool, text: &str) -> Result<(), ModelError> {
        let asked = 1 + self.asked.fetch_add(1, Ordering::Relaxed);
        if !unreadable {
            return Ok(());
        }
        let unread = 1 + self.unread.fetch_add(1, Ordering::Relaxed);
        if unread.is_power_of_two() {
            (self.heard)(unread, asked, text);
        }
        if asked == unread && unread >= TRIED {
            return Err(format!(
                "none of its first {asked} verdicts can be read, the last of which is `{}`; ask it by another prompt",
                crate::visible_line(crate::template::last_of(text, 200))
            )
            .into());
        }
        Ok(())
    }
}

/// The probability of yes, where one word is drawn greedily: its own, or what it leaves. Where the policy does not tell
/// probabilities, the word is sure.
fn p_yes(text: &str, steps: &[Step]) -> Option<f64> {
    let yes = verdict(text)?;
    let mut drawn = steps.iter().flat_map(|step| &step.stats.logprobs);
    let own = match (drawn.next(), drawn.next()) {
        (Some(&logprob), None) => f64::from(logprob).exp(),
        _ => 1.0,
    };
    let own = if own.is_nan() {
        0.5
    } else {
        own.clamp(0.0, 1.0)
    };
    Some(if yes { own } else { 1.0 - own })
}

impl<P: Policy> Verifier for Generative<P> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let asked = |prefix: &Prefix| match self.prompt.each_step {
                true => (1..=prefix.steps.len()).collect::<Vec<usize>>(),
                false => vec![prefix.steps.len()],
            };
            let questions: Vec<Vec<Extension>> = prefixes
                .iter()
                .map(|prefix| {
                    let asked = asked(prefix).into_iter();
                    asked.map(|steps| self.question(prefix, steps)).collect()
                })
                .collect();
            let expected = questions.iter().map(Vec::len).sum::<usize>();
            let replies = self.policy.extend(questions.concat()).await?;
            if replies.len() != expected {
                let got = replies.len();
                return Err(format!("it gave {got} replies to {expected} questions").into());
            }
            let mut replies = replies.into_iter();
            let mut judgements = Vec::with_capacity(prefixes.len());
            for (prefix, questions) in prefixes.iter().zip(questions) {
                let mut rewards = Vec::with_capacity(prefix.steps.len());
                let mut usage = Usage::default();
                for reply in replies.by_ref().take(questions.len()) {
                    rewards.push(self.read(&reply)?);
                    usage += reply.1;
                }
                // One verdict is that of every step.
                let last = rewards.last().copied().unwrap_or(0.5);
                rewards.resize(prefix.steps.len(), last);
                judgements.push(Judgement { rewards, usage });
            }
            Ok(judgements)
        }
        .boxed()
    }
}

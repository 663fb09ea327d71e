//! What a probe reads at the end of each step of a solution: the policy's state there, and what it thought of the tokens.

use std::sync::Arc;

use futures::future::try_join_all;
use outthink_core::{Prefix, ProbeLayout, Statistic, TokenStats, Usage};

use crate::engine::Reading;
use crate::readout::Readout;
use crate::{EmbeddedPolicy, Error};

/// Reads what probes read, on a policy's engine.
///
/// A step is read at its last token; the token that ends an answer is not read, nor computed: the policy decided on it in the state
/// before it. So a solution that the policy has just drawn is read without computing anything, but for what ended in other ways.
#[derive(Clone)]
pub struct StateReader {
    policy: EmbeddedPolicy,
    layout: ProbeLayout,
}

/// A solution's tokens as a probe reads them.
pub(super) struct Path {
    /// The prompt and the steps, without the token that ends the answer.
    pub(super) tokens: Vec<u32>,
    /// How many of them are the prompt's.
    prompt: usize,
    /// The end of each step: how many tokens there are up to it.
    ends: Vec<usize>,
    /// How many at the beginning the policy has computed to draw the whole.
    pub(super) drawn: usize,
}

impl StateReader {
    /// A reader of a policy's states and of these statistics.
    pub fn new(policy: &EmbeddedPolicy, statistics: Vec<Statistic>) -> Self {
        let layout = ProbeLayout {
            hidden: policy.engine().hidden_size(),
            statistics,
        };
        Self {
            policy: policy.clone(),
            layout,
        }
    }

    /// What is read at the end of each step.
    pub fn layout(&self) -> &ProbeLayout {
        &self.layout
    }

    pub(super) fn policy(&self) -> &EmbeddedPolicy {
        &self.policy
    }

    /// The tokens of a solution: the policy's own where it drew them, else those of the steps' texts.
    pub(super) fn path(&self, prefix: &Prefix) -> Result<Path, Error> {
        let mut tokens = self.policy.prompt(&prefix.problem)?;
        let prompt = tokens.len();
        let separator = &self.policy.profile().step_separator;
        let mut ends = Vec::with_capacity(prefix.steps.len());
        for (step, number) in prefix.steps.iter().zip(1..) {
            if step.tokens.is_empty() {
                let ended = number == prefix.steps.len() && prefix.complete;
                let separator = if ended { "" } else { separator.as_str() };
                let text = format!("{}{separator}", step.text);
                tokens.extend(self.policy.tokenizer().encode(&text)?);
            } else {
                tokens.extend(&step.tokens);
            }
            ends.push(tokens.len());
        }
        let whole = tokens.len();
        while tokens.len() > prompt
            && tokens
                .last()
                .is_some_and(|last| self.policy.ends().contains(last))
        {
            tokens.pop();
        }
        ends.iter_mut()
            .for_each(|end| *end = (*end).min(tokens.len()));
        // Nothing was drawn after the last token, so it was never computed.
        let drawn = tokens.len().min(whole.saturating_sub(1));
        Ok(Path {
            tokens,
            prompt,
            ends,
            drawn,
        })
    }

    /// For each solution one row of [`ProbeLayout::width`] numbers a step, and what it cost. Statistics are taken from the steps where
    /// the policy told them, and else read, which takes its output layer at every token.
    ///
    /// # Errors
    ///
    /// A text that the policy cannot read, or a solution beyond its context.
    pub async fn read(
        &self,
        prefixes: &[Prefix],
    ) -> Result<Vec<(Vec<Vec<f32>>, Usage)>, Arc<Error>> {
        try_join_all(prefixes.iter().map(|prefix| self.one(prefix))).await
    }

    async fn one(&self, prefix: &Prefix) -> Result<(Vec<Vec<f32>>, Usage), Arc<Error>> {
        let path = self.path(prefix)?;
        let places = path.ends.iter().map(|end| end.saturating_sub(1)).collect();
        let engine = self.policy.engine();
        let (mut rows, usage) = engine.hidden(path.tokens.clone(), places).await?;
        if self.layout.statistics.is_empty() {
            return Ok((rows, usage));
        }
        let stats = self.stats(prefix, &path).await?;
        for statistic in &self.layout.statistics {
            for (row, value) in rows.iter_mut().zip(statistic.of(&stats)) {
                // A step without a token says nothing against it.
                row.push(value.unwrap_or_default());
            }
        }
        Ok((rows, usage))
    }

    /// What the policy thinks of each step's tokens.
    async fn stats(&self, prefix: &Prefix, path: &Path) -> Result<Vec<TokenStats>, Arc<Error>> {
        let entropies = self.layout.statistics.iter().any(|own| own.is_entropy());
        let starts = std::iter::once(path.prompt).chain(path.ends.iter().copied());
        let steps = starts.zip(&path.ends).zip(&prefix.steps);
        let told = steps.clone().all(|((start, &end), step)| {
            let (told, own) = (&step.stats, end - start);
            let enough = |values: &[f32]| values.len() >= own;
            enough(&told.logprobs) && (!entropies || enough(&told.entropies))
        });
        let first = |values: &[f32], count: usize| values[..count.min(values.len())].to_vec();
        if told {
            let own =
                |((start, &end), step): ((usize, &usize), &Arc<outthink_core::Step>)| TokenStats {
                    logprobs: first(&step.stats.logprobs, end - start),
                    entropies: first(&step.stats.entropies, end - start),
                };
            return Ok(steps.map(own).collect());
        }
        let reading = || Reading {
            tokens: path.tokens.clone(),
            places: (path.prompt..path.tokens.len()).collect(),
        };
        let engine = self.policy.engine();
        let read = async |readout: Readout| {
            let mut values = engine.reading_as(readout)?.read(vec![reading()]).await?;
            Ok::<_, Arc<Error>>(values.pop().map(|(values, _)| values).unwrap_or_default())
        };
        let logprobs = read(Readout::Likelihood).await?;
        let nats = match entropies {
            true => read(Readout::Entropy).await?,
            false => Vec::new(),
        };
        let part = |values: &[f32], start: usize, end: usize| {
            let own = values.get(start - path.prompt..end - path.prompt);
            own.map_or_else(Vec::new, <[f32]>::to_vec)
        };
        let own = |((start, &end), _)| {
            // As the policy tells them when it draws.
            TokenStats::of(
                end - start,
                part(&logprobs, start, end),
                part(&nats, start, end),
            )
        };
        Ok(steps.map(own).collect())
    }
}

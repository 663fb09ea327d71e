//! A checkpoint as a verifier: a process reward head, or the likelihood of a language model (an implicit PRM).

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{Judgement, ModelCost, ModelError, Prefix, Usage, Verifier};
use outthink_prompt::{ChatTemplate, Profile, Rendered, RewardLayout, Tokenizer};

use crate::checkpoint::Head;
use crate::engine::{Counts, Engine, Reading};
use crate::policy::prompt;
use crate::{Checkpoint, Error};

/// A model that scores steps.
pub struct EmbeddedVerifier {
    engine: Engine,
    /// Subtracted from the verifier's own log-probabilities, if there is one.
    reference: Option<Engine>,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    layout: RewardLayout,
}

impl EmbeddedVerifier {
    /// Loads a checkpoint under the profile that fits it. A process reward model is read at its markers. A causal LM is
    /// an implicit PRM: a step's reward is the smallest token probability of the solution so far, that is, the
    /// likelihood of its weakest token.
    pub fn load(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let tokenizer = Arc::new(Tokenizer::from_bytes(&checkpoint.tokenizer)?);
        let profile = Profile::detect(&tokenizer)?;
        let layout = match checkpoint.config()?.head()? {
            Head::LanguageModel => RewardLayout::likelihood(&profile, &tokenizer)?,
            Head::ProcessReward(_) => RewardLayout::process_reward(&profile, &tokenizer)?,
        };
        let marker = match layout {
            RewardLayout::Marker { marker, label } => Some((marker, label)),
            RewardLayout::Likelihood { .. } => None,
        };
        let template = ChatTemplate::new(checkpoint.template.to_string())?;
        let engine = Engine::load(checkpoint, Arc::clone(&tokenizer), marker)?;
        Ok(Self {
            engine,
            reference: None,
            tokenizer,
            template,
            layout,
        })
    }

    /// An implicit PRM against a reference policy: each token counts by how much likelier the verifier finds it than
    /// the reference does (at most 1), so that what is hard to guess is not held against a step.
    pub fn with_reference(mut self, reference: &Checkpoint) -> Result<Self, Error> {
        if let RewardLayout::Marker { .. } = self.layout {
            return Err(Error::Role {
                architecture: "process reward model".into(),
                role: "likelihood verifier with a reference",
            });
        }
        let engine = Engine::load(reference, Arc::clone(&self.tokenizer), None)?;
        self.reference = Some(engine);
        Ok(self)
    }

    /// The model's shape.
    pub fn cost(&self) -> ModelCost {
        self.engine.cost()
    }

    /// What the model has done so far.
    pub fn counts(&self) -> Counts {
        self.engine.counts()
    }

    /// Forgets cached prefixes; see [`Engine::forget`].
    pub async fn forget(&self) -> Result<(), Arc<Error>> {
        self.engine.forget().await
    }

    /// The token ids that a prefix is scored as.
    pub fn render(&self, prefix: &Prefix) -> Result<Rendered, Error> {
        let prompt = prompt(&self.tokenizer, &self.template, &prefix.problem)?;
        let steps = prefix.steps.iter().map(|step| step.text.as_str());
        Ok(self
            .layout
            .render(&self.tokenizer, &prompt, steps, prefix.complete)?)
    }

    async fn judge(&self, prefixes: Vec<Prefix>) -> Result<Vec<Judgement>, Arc<Error>> {
        let rendered: Vec<Rendered> = prefixes
            .iter()
            .map(|prefix| self.render(prefix))
            .collect::<Result<_, _>>()?;
        let readings: Vec<Reading> = rendered
            .iter()
            .map(|r| Reading {
                tokens: r.tokens.clone(),
                from: r.steps.first().map_or(1, |s| s.start),
            })
            .collect();
        let mut values = self.engine.read(readings.clone()).await?;
        if let Some(reference) = &self.reference {
            for ((values, usage), (subtracted, cost)) in
                values.iter_mut().zip(reference.read(readings).await?)
            {
                values
                    .iter_mut()
                    .zip(subtracted)
                    .for_each(|(value, other)| *value -= other);
                *usage += cost;
            }
        }
        Ok(rendered
            .iter()
            .zip(values)
            .map(|(r, (values, usage))| self.rewards(r, &values, usage))
            .collect())
    }

    fn rewards(&self, rendered: &Rendered, values: &[f32], usage: Usage) -> Judgement {
        let from = rendered.steps.first().map_or(0, |step| step.start);
        let mut lowest = 0.0f32;
        let rewards = rendered.steps.iter().map(|step| {
            let values = &values[step.start - from..step.end - from];
            match self.layout {
                RewardLayout::Marker { .. } => f64::from(values[0]),
                RewardLayout::Likelihood { .. } => {
                    // A running minimum: after a slip, whatever follows consistently is likely again.
                    lowest = values.iter().copied().fold(lowest, f32::min);
                    f64::from(lowest).exp()
                }
            }
        });
        Judgement {
            rewards: rewards.collect(),
            usage,
        }
    }
}

impl Verifier for EmbeddedVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move { Ok(self.judge(prefixes).await?) }.boxed()
    }
}

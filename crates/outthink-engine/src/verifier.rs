//! A checkpoint as a verifier: a process reward head, or the likelihood of a language model (an implicit PRM).

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{Judgement, ModelCost, ModelError, Prefix, Usage, Verifier};
use outthink_prompt::{ChatTemplate, Profile, Rendered, Reward, RewardLayout, Role, Tokenizer};

use crate::decoder::Readout;
use crate::engine::{Counts, Engine, Reading};
use crate::{Checkpoint, Error};

/// A model that scores steps.
pub struct EmbeddedVerifier {
    engine: Engine,
    /// Subtracted from the verifier's own log-probabilities, if there is one.
    reference: Option<Engine>,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    name: String,
    layout: RewardLayout,
}

impl EmbeddedVerifier {
    /// Loads a checkpoint under a profile, or the one that fits it.
    pub fn load(checkpoint: &Checkpoint, profile: Option<Profile>) -> Result<Self, Error> {
        let tokenizer = Arc::new(checkpoint.tokenizer()?);
        let config = checkpoint.config()?;
        let profile = match profile {
            Some(profile) => profile,
            None => Profile::detect(Role::Verifier, config.architecture(), &tokenizer)?,
        };
        let role = || Error::Role {
            architecture: format!(
                "{} under the profile {}",
                config.architecture(),
                profile.name
            ),
            role: "verifier",
        };
        let shown = profile.verifier.as_ref().ok_or_else(role)?;
        let layout = RewardLayout::new(shown, &tokenizer)?;
        let readout = match layout.reward() {
            Reward::Likelihood => Readout::Likelihood,
            Reward::Label(label) => Readout::Label(label),
            Reward::Value => Readout::Value,
            Reward::Tokens(right, wrong) => Readout::Tokens(right, wrong),
        };
        let template = ChatTemplate::new(checkpoint.template.to_string())?;
        let engine = Engine::load(checkpoint, Arc::clone(&tokenizer), readout)?;
        Ok(Self {
            engine,
            reference: None,
            tokenizer,
            template,
            name: profile.name,
            layout,
        })
    }

    /// The name of the profile in force.
    pub fn profile_name(&self) -> &str {
        &self.name
    }

    /// Most tokens of a question with its solution.
    pub fn context(&self) -> usize {
        self.engine.context()
    }

    /// An implicit PRM against a reference policy: each token counts by how much likelier the verifier finds it than
    /// the reference does (at most 1), so that what is hard to guess is not held against a step.
    pub fn with_reference(mut self, reference: &Checkpoint) -> Result<Self, Error> {
        if self.layout.reward() != Reward::Likelihood {
            return Err(Error::Role {
                architecture: "process reward model".into(),
                role: "likelihood verifier with a reference",
            });
        }
        let engine = Engine::load(reference, Arc::clone(&self.tokenizer), Readout::Likelihood)?;
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
        let steps: Vec<&str> = prefix.steps.iter().map(|step| step.text.as_str()).collect();
        let question = &prefix.problem.text;
        Ok(self.layout.render(
            &self.tokenizer,
            &self.template,
            question,
            &steps,
            prefix.complete,
        )?)
    }

    async fn judge(&self, prefixes: Vec<Prefix>) -> Result<Vec<Judgement>, Arc<Error>> {
        let rendered: Vec<Rendered> = prefixes
            .iter()
            .map(|prefix| self.render(prefix))
            .collect::<Result<_, _>>()?;
        let readings: Vec<Reading> = rendered
            .iter()
            .map(|rendered| Reading {
                tokens: rendered.tokens.clone(),
                places: rendered.steps.iter().cloned().flatten().collect(),
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
        rendered
            .iter()
            .zip(values)
            .map(|(r, (values, usage))| self.rewards(r, &values, usage))
            .map(|judgement| {
                let known = judgement.rewards.iter().all(|reward| reward.is_finite());
                known
                    .then_some(judgement)
                    .ok_or(Arc::new(Error::NotANumber))
            })
            .collect()
    }

    fn rewards(&self, rendered: &Rendered, values: &[f32], usage: Usage) -> Judgement {
        let mut rest = values;
        let mut lowest = 0.0f32;
        let rewards = rendered.steps.iter().map(|step| {
            let (values, after) = rest.split_at(step.len().min(rest.len()));
            rest = after;
            if self.layout.reward() == Reward::Likelihood {
                // A running minimum: after a slip, whatever follows consistently is likely again.
                lowest = values.iter().copied().fold(lowest, f32::min);
                f64::from(lowest).exp()
            } else {
                values.first().map_or(f64::NAN, |value| f64::from(*value))
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

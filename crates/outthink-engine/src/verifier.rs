//! A checkpoint as a verifier: a process reward head, or the likelihood of a language model (an implicit PRM).

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{Judgement, ModelCost, ModelError, Prefix, Usage, Verifier};
use outthink_prompt::{ChatTemplate, Profile, Rendered, Reward, RewardLayout, Role, Tokenizer};

use crate::engine::{Engine, EngineCounts, Reading};
use crate::readout::Readout;
use crate::{Checkpoint, EmbeddedPolicy, Error};

/// A model that scores steps.
pub struct EmbeddedVerifier {
    engine: Engine,
    /// The reference model of an implicit PRM: its log-probabilities are subtracted from the verifier's.
    reference: Option<Engine>,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    name: String,
    layout: RewardLayout,
    windows: bool,
}

impl EmbeddedVerifier {
    /// Loads a checkpoint under `profile`, or under the one detected from its architecture and tokens. With a reference it is
    /// an implicit PRM: a token counts by its log-probability ratio to the reference, so that tokens which are hard to
    /// predict for any model do not lower a reward. With a reference and no profile given or detected, `eurus-prm` is used.
    pub fn load(
        checkpoint: &Checkpoint,
        reference: Option<&Checkpoint>,
        profile: Option<Profile>,
    ) -> Result<Self, Error> {
        let tokenizer = Arc::new(checkpoint.tokenizer()?);
        let class = checkpoint.spec()?.class;
        let (name, layout) = layout(profile, &class, &tokenizer, reference.is_some())?;
        let template = ChatTemplate::new(&checkpoint.template)?;
        let readout = readout(&layout);
        let load = |checkpoint| Engine::load(checkpoint, Arc::clone(&tokenizer), readout);
        Ok(Self {
            engine: load(checkpoint)?,
            reference: reference.map(load).transpose()?,
            tokenizer,
            template,
            name,
            layout,
            windows: false,
        })
    }

    /// Uses the policy's own model as the verifier, on the same engine. There is one copy of the weights and one tree of
    /// computed tokens, so scoring a solution computes only the tokens that the policy has not. Otherwise like
    /// [`Self::load`].
    pub fn sharing(
        policy: &EmbeddedPolicy,
        reference: Option<&Checkpoint>,
        profile: Option<Profile>,
    ) -> Result<Self, Error> {
        let tokenizer = Arc::clone(policy.tokenizer());
        let (name, layout) = layout(profile, policy.class(), &tokenizer, reference.is_some())?;
        let readout = readout(&layout);
        let load = |checkpoint| Engine::load(checkpoint, Arc::clone(&tokenizer), readout);
        Ok(Self {
            engine: policy.engine().reading_as(readout)?,
            reference: reference.map(load).transpose()?,
            template: ChatTemplate::new(policy.template_source())?,
            tokenizer,
            name,
            layout,
            windows: false,
        })
    }

    /// Scores a solution that exceeds the context in overlapping windows, each with the question and about half of the
    /// previous window, instead of refusing it.
    pub fn with_windows(mut self) -> Self {
        self.windows = true;
        self
    }

    /// Name of the profile in use.
    pub fn profile_name(&self) -> &str {
        &self.name
    }

    /// Context length in tokens, for a question with its solution.
    pub fn context(&self) -> usize {
        self.engine.context()
    }

    /// Number of tokens of a text.
    pub fn tokens(&self, text: &str) -> Result<usize, Error> {
        Ok(self.tokenizer.encode(text)?.len())
    }

    /// Parameters, layers and attention width, for counting FLOPs.
    pub fn cost(&self) -> ModelCost {
        self.engine.cost()
    }

    /// Work done by the model so far; the policy's too if they share an engine.
    pub fn counts(&self) -> EngineCounts {
        self.engine.counts()
    }

    /// Empties the cache; see [`Engine::forget`].
    pub async fn forget(&self) -> Result<(), Arc<Error>> {
        self.engine.forget().await
    }

    /// The token ids that a prefix is scored as.
    pub fn render(&self, prefix: &Prefix) -> Result<Rendered, Error> {
        self.render_from(prefix, 0)
    }

    /// The same without the first steps.
    fn render_from(&self, prefix: &Prefix, first: usize) -> Result<Rendered, Error> {
        let steps: Vec<&str> = prefix.steps[first..]
            .iter()
            .map(|step| step.text.as_str())
            .collect();
        Ok(self.layout.render(
            &self.tokenizer,
            &self.template,
            &prefix.problem.text,
            &steps,
            prefix.complete,
        )?)
    }

    /// What is to be read for a prefix, and the steps that each piece is read for: one piece, or several windows.
    fn pieces(&self, prefix: &Prefix) -> Result<Vec<Rendered>, Error> {
        let whole = self.render(prefix)?;
        let limit = self.engine.context();
        if whole.tokens.len() <= limit || !self.windows {
            return Ok(vec![whole]);
        }
        let mut pieces = Vec::new();
        let (mut first, mut read) = (0, 0);
        let mut window = whole;
        loop {
            let fitting = window
                .steps
                .iter()
                .take_while(|step| step.end <= limit)
                .count();
            if first + fitting <= read {
                // Not even one more step fits beside the question and its half of the window.
                let step = window.steps.get(read - first);
                let tokens = step.map_or(window.tokens.len(), |step| step.end);
                return Err(Error::TooLong { tokens, limit });
            }
            let end = window.steps[fitting - 1].end;
            let start = window.steps[0].start;
            let half = start + (end - start) / 2;
            let kept = window
                .steps
                .iter()
                .take(fitting)
                .filter(|step| step.start >= half)
                .count();
            window.tokens.truncate(end);
            window.steps.truncate(fitting);
            window.steps.drain(..read - first);
            pieces.push(window);
            read = first + fitting;
            if read == prefix.steps.len() {
                return Ok(pieces);
            }
            first = (read - kept).max(first + 1);
            window = self.render_from(prefix, first)?;
        }
    }

    async fn judge(&self, prefixes: Vec<Prefix>) -> Result<Vec<Judgement>, Arc<Error>> {
        let mut pieces = Vec::with_capacity(prefixes.len());
        for prefix in &prefixes {
            pieces.push(self.pieces(prefix)?);
        }
        let readings: Vec<Reading> = pieces
            .iter()
            .flatten()
            .map(|rendered| Reading {
                tokens: rendered.tokens.clone(),
                places: rendered.steps.iter().cloned().flatten().collect(),
            })
            .collect();
        let mut values = self.values(readings).await?.into_iter();
        let mut judgements = Vec::with_capacity(prefixes.len());
        for pieces in pieces {
            let mut usage = Usage::default();
            let mut steps = Vec::new();
            for (piece, (values, cost)) in pieces.iter().zip(&mut values) {
                usage += cost;
                let mut rest = values.as_slice();
                for step in &piece.steps {
                    let (own, after) = rest.split_at(step.len().min(rest.len()));
                    steps.push(own.to_vec());
                    rest = after;
                }
            }
            // Requests are counted by prefix, however many windows it took.
            usage.requests = 1;
            let rewards = self.layout.reward().of_steps(&steps);
            if !rewards.iter().all(|reward| reward.is_finite()) {
                return Err(Arc::new(Error::NotANumber));
            }
            judgements.push(Judgement { rewards, usage });
        }
        Ok(judgements)
    }

    /// What the model says at places of token ids, for whoever lays solutions out himself: log-probabilities of the tokens there,
    /// less the reference's if there is one, or the probability that the reward head or the two words give.
    pub async fn read(
        &self,
        tokens: Vec<u32>,
        places: Vec<usize>,
    ) -> Result<(Vec<f32>, Usage), Arc<Error>> {
        let mut values = self.values(vec![Reading { tokens, places }]).await?;
        values.pop().ok_or_else(|| Arc::new(Error::Stopped))
    }

    /// How rewards are laid out.
    pub fn layout(&self) -> &RewardLayout {
        &self.layout
    }

    /// Token ids of a text, without any that the text does not hold.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        Ok(self.tokenizer.encode(text)?)
    }

    async fn values(&self, readings: Vec<Reading>) -> Result<Vec<(Vec<f32>, Usage)>, Arc<Error>> {
        let Some(reference) = &self.reference else {
            return self.engine.read(readings).await;
        };
        let mut values = self.engine.read(readings.clone()).await?;
        for ((values, usage), (subtracted, cost)) in
            values.iter_mut().zip(reference.read(readings).await?)
        {
            values
                .iter_mut()
                .zip(subtracted)
                .for_each(|(value, other)| *value -= other);
            *usage += cost;
        }
        Ok(values)
    }
}

/// The name of the profile of a verifier, and how its rewards are laid out.
fn layout(
    profile: Option<Profile>,
    class: &str,
    tokenizer: &Tokenizer,
    has_reference: bool,
) -> Result<(String, RewardLayout), Error> {
    let profile = match profile {
        Some(profile) => profile,
        None => match Profile::detect(Role::Verifier, class, tokenizer) {
            Err(_) if has_reference => Profile::named("eurus-prm")?,
            detected => detected?,
        },
    };
    let role = || Error::Role {
        architecture: format!("{class} under the profile {}", profile.name),
        role: "verifier",
    };
    let shown = profile.verifier.as_ref().ok_or_else(role)?;
    let layout = RewardLayout::new(shown, tokenizer)?;
    match (layout.reward(), has_reference) {
        (Reward::Ratio(_), false) => Err(Error::NoReference(profile.name)),
        (Reward::Likelihood | Reward::Ratio(_), _) | (_, false) => Ok((profile.name, layout)),
        (_, true) => Err(Error::NeedsNoReference(profile.name)),
    }
}

/// How the engine reads tokens for a layout.
fn readout(layout: &RewardLayout) -> Readout {
    match layout.reward() {
        Reward::Likelihood | Reward::Ratio(_) => Readout::Likelihood,
        Reward::NextLabel => Readout::NextLabel,
        Reward::Label(label) => Readout::Label(label),
        Reward::Value => Readout::Value,
        Reward::Tokens(right, wrong) => Readout::Tokens(right, wrong),
    }
}

impl Verifier for EmbeddedVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move { Ok(self.judge(prefixes).await?) }.boxed()
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        Some(self.render(prefix).ok()?.tokens)
    }
}

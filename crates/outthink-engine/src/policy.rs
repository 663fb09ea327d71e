//! A checkpoint as a policy.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{
    Continuation, Extension, ModelCost, ModelError, Policy, Problem, Sampling, Step, Usage,
};
use outthink_prompt::{ChatTemplate, PolicyProfile, Profile, Segmenter, Tokenizer};

use crate::engine::{Counts, Drawing, Engine};
use crate::{Checkpoint, Error};

/// A causal LM that answers questions.
pub struct EmbeddedPolicy {
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    profile: PolicyProfile,
    segmenter: Segmenter,
}

impl EmbeddedPolicy {
    /// Loads a checkpoint under the profile that fits it.
    pub fn load(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let tokenizer = Arc::new(Tokenizer::from_bytes(&checkpoint.tokenizer)?);
        let profile = Profile::detect(&tokenizer)?.policy;
        let template = ChatTemplate::new(checkpoint.template.to_string())?;
        let engine = Engine::load(checkpoint, Arc::clone(&tokenizer), None)?;
        let segmenter = Segmenter::new(&profile, checkpoint.end_tokens()?);
        Ok(Self {
            engine,
            tokenizer,
            template,
            profile,
            segmenter,
        })
    }

    /// The profile in force.
    pub fn profile(&self) -> &PolicyProfile {
        &self.profile
    }

    /// The profile's way of drawing.
    pub fn sampling(&self) -> Sampling {
        let PolicyProfile {
            temperature,
            top_p,
            top_k,
            min_p,
            ..
        } = self.profile;
        Sampling {
            temperature,
            top_p,
            top_k,
            min_p,
        }
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

    /// Token ids that ask a question. Fails if they leave no room for an answer.
    pub fn prompt(&self, problem: &Problem) -> Result<Vec<u32>, Error> {
        let prompt = prompt(&self.tokenizer, &self.template, problem)?;
        let limit = self.engine.context();
        if prompt.len() >= limit {
            let tokens = prompt.len() + 1;
            return Err(Error::TooLong { tokens, limit });
        }
        Ok(prompt)
    }
}

pub(crate) fn prompt(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    problem: &Problem,
) -> Result<Vec<u32>, outthink_prompt::Error> {
    tokenizer.check(&problem.text)?;
    tokenizer.encode(&template.question(&problem.text)?)
}

impl Policy for EmbeddedPolicy {
    fn extend(
        &self,
        requests: Vec<Extension>,
    ) -> BoxFuture<'_, Result<Vec<(Vec<Continuation>, Usage)>, ModelError>> {
        async move {
            let mut drawings = Vec::with_capacity(requests.len());
            for Extension {
                problem,
                steps,
                seeds,
                until,
                sampling,
                max_tokens,
            } in requests
            {
                let mut prefix = self.prompt(&problem)?;
                prefix.extend(steps.iter().flat_map(|step| &step.tokens));
                let segmenter = self.segmenter.clone();
                drawings.push(Drawing {
                    prefix,
                    seeds,
                    until,
                    sampling,
                    max_tokens,
                    segmenter,
                });
            }
            let replies = self.engine.draw(drawings).await?;
            let continuation = |draw: crate::Draw| Continuation {
                steps: draw
                    .steps
                    .into_iter()
                    .map(|segment| Step {
                        text: segment.text,
                        tokens: segment.tokens,
                        logprob: segment.logprob,
                    })
                    .collect(),
                stop: draw.stop,
            };
            Ok(replies
                .into_iter()
                .map(|(draws, usage)| (draws.into_iter().map(continuation).collect(), usage))
                .collect())
        }
        .boxed()
    }
}

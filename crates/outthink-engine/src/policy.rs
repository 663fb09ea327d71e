//! A checkpoint as a policy.

use std::borrow::Cow;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};
use outthink_core::{
    Continuation, Extension, Halt, ModelCost, ModelError, Policy, Problem, Reply, Sampling, Step,
    Thinking, Thoughts, TokenStats, Until, Usage,
};
use outthink_prompt::{ChatTemplate, Message, PolicyProfile, Profile, Role, Segmenter, Tokenizer};

use crate::engine::{DrawRequest, DrawnText, Engine, EngineCounts, Reading};
use crate::readout::Readout;
use crate::{Checkpoint, Error};

/// A causal language model that samples solutions. A clone is another handle on the same engine.
#[derive(Clone)]
pub struct EmbeddedPolicy {
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    /// The template as the checkpoint has it, for a verifier on the same engine.
    template_source: Cow<'static, str>,
    /// As `config.json` names it.
    class: String,
    name: String,
    profile: PolicyProfile,
    segmenter: Segmenter,
    thoughts: Thoughts,
    /// Tokens that end an answer.
    ends: Arc<[u32]>,
    /// Bytes of the longest token.
    longest: usize,
}

impl EmbeddedPolicy {
    /// Loads a checkpoint under `profile`, or under the one detected from its architecture and tokens.
    pub fn load(checkpoint: &Checkpoint, profile: Option<Profile>) -> Result<Self, Error> {
        let tokenizer = Arc::new(checkpoint.tokenizer()?);
        let class = checkpoint.spec()?.class;
        let profile = match profile {
            Some(profile) => profile,
            None => Profile::detect(Role::Policy, &class, &tokenizer)?,
        };
        let role = || Error::Role {
            architecture: format!("{class} under the profile {}", profile.name),
            role: "policy",
        };
        let asked = profile.policy.clone().ok_or_else(role)?;
        let template = ChatTemplate::new(&checkpoint.template)?
            .required()?
            .with_thinking(asked.thinking);
        let engine = Engine::load(checkpoint, Arc::clone(&tokenizer), Readout::Likelihood)?;
        let mut ends = checkpoint.end_tokens(&tokenizer)?;
        ends.extend(
            asked
                .end_tokens
                .iter()
                .filter_map(|token| tokenizer.id(token).ok()),
        );
        if ends.is_empty() {
            return Err(Error::Malformed {
                file: "config.json",
                reason: "no eos_token_id, and none of the profile's end tokens".into(),
            });
        }
        let segmenter = Segmenter::new(&asked, ends.clone());
        let opened = template.opens_thought(&tokenizer, asked.system.as_deref());
        let thoughts = thoughts(&asked, opened, engine.context());
        let spelled = (0..tokenizer.size() as u32).map(|id| tokenizer.bytes(id).len());
        Ok(Self {
            longest: spelled.max().unwrap_or(1).max(1),
            engine,
            tokenizer,
            template,
            template_source: checkpoint.template.clone(),
            class,
            name: profile.name,
            profile: asked,
            segmenter,
            thoughts,
            ends: ends.into(),
        })
    }

    /// The same policy with its thoughts under a control. A template that can turn thinking off or on is told to.
    pub fn with_thinking(mut self, thinking: Thinking) -> Self {
        let system = self.profile.system.as_deref();
        let heeds = self.template.heeds_thinking(&self.tokenizer, system);
        self.profile.thinking = Some(thinking.control().thinks());
        self.template = self.template.with_thinking(self.profile.thinking);
        let opened = self.template.opens_thought(&self.tokenizer, system);
        if opened && self.profile.think_end.is_none() {
            self.profile.think_end = Some(Thoughts::END.to_owned());
        }
        self.segmenter = Segmenter::new(&self.profile, self.ends.to_vec());
        self.thoughts = Thoughts {
            thinking: thinking.beside(heeds),
            ..thoughts(&self.profile, opened, self.engine.context())
        };
        self
    }

    /// Name of the profile in use.
    pub fn profile_name(&self) -> &str {
        &self.name
    }

    /// The profile in use.
    pub fn profile(&self) -> &PolicyProfile {
        &self.profile
    }

    /// The profile's sampling settings.
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

    /// The engine that the policy runs on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    pub(crate) fn template_source(&self) -> &str {
        &self.template_source
    }

    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    pub(crate) fn class(&self) -> &str {
        &self.class
    }

    /// Parameters, layers and attention width, for counting FLOPs.
    pub fn cost(&self) -> ModelCost {
        self.engine.cost()
    }

    /// Work done by the model so far.
    pub fn counts(&self) -> EngineCounts {
        self.engine.counts()
    }

    /// Empties the cache; see [`Engine::forget`].
    pub async fn forget(&self) -> Result<(), Arc<Error>> {
        self.engine.forget().await
    }

    /// Context length in tokens.
    pub fn context(&self) -> usize {
        self.engine.context()
    }

    /// Token ids of the prompt for a problem. Fails if they leave no room for an answer.
    pub fn prompt(&self, problem: &Problem) -> Result<Vec<u32>, Error> {
        let PolicyProfile {
            system,
            after_question,
            ..
        } = &self.profile;
        self.check(&problem.text)?;
        let question = format!("{}{after_question}", problem.text);
        self.chat(&Message::question(system.as_deref(), &question))
    }

    /// The profile's end tokens and separators, for text that is no answer to a problem: a box ends nothing.
    pub fn free_segmenter(&self) -> Segmenter {
        self.segmenter.clone().without_box()
    }

    /// Draws continuations of a prompt that may be any text, in order, with what they cost.
    pub async fn draw(&self, drawing: DrawRequest) -> Result<(Vec<DrawnText>, Usage), Arc<Error>> {
        let mut replies = self.engine.draw(vec![drawing]).await?;
        replies.pop().ok_or_else(|| Arc::new(Error::Stopped))
    }

    /// The log-probability of each of some tokens after a prompt.
    pub async fn logprobs(&self, prompt: &[u32], tokens: &[u32]) -> Result<Vec<f32>, Arc<Error>> {
        let reading = Reading {
            tokens: [prompt, tokens].concat(),
            places: (prompt.len()..prompt.len() + tokens.len()).collect(),
        };
        let mut values = self.engine.read(vec![reading]).await?;
        Ok(values.pop().map(|(values, _)| values).unwrap_or_default())
    }

    /// The token that begins a text, by name, and does the tokenizer itself put it there?
    pub fn bos(&self) -> Option<(u32, bool)> {
        let named = self.tokenizer.special("bos_token");
        let named = named.and_then(|token| self.tokenizer.id(token).ok());
        let put = self.tokenizer.bos();
        put.or(named).map(|token| (token, put.is_some()))
    }

    /// The text of some tokens; what is no whole character is `U+FFFD`.
    pub fn text(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens)
    }

    /// The text of one token, as far as it is whole characters.
    pub fn token_text(&self, token: u32) -> String {
        self.tokenizer.decode(&[token])
    }

    /// Can the model read what a person wrote, and is none of it a control token?
    pub fn check(&self, text: &str) -> Result<(), Error> {
        self.fits(text.len())?;
        Ok(self.tokenizer.check(text)?)
    }

    /// Is a text short enough to be worth looking at? What is too long even in the longest tokens is not tokenized first.
    fn fits(&self, bytes: usize) -> Result<(), Error> {
        let (tokens, limit) = (bytes / self.longest, self.engine.context());
        match tokens < limit {
            true => Ok(()),
            false => Err(Error::TooLong { tokens, limit }),
        }
    }

    /// Token ids of a conversation that the model is to go on with.
    pub fn chat(&self, messages: &[Message]) -> Result<Vec<u32>, Error> {
        self.fits(messages.iter().map(|message| message.content.len()).sum())?;
        let text = self.template.render_chat(&self.tokenizer, messages, true)?;
        let prompt = self.tokenizer.encode(&text)?;
        if prompt.is_empty() {
            return Err(outthink_prompt::Error::EmptyPrompt.into());
        }
        let limit = self.engine.context();
        if prompt.len() >= limit {
            let tokens = prompt.len() + 1;
            return Err(Error::TooLong { tokens, limit });
        }
        Ok(prompt)
    }
}

impl EmbeddedPolicy {
    fn drawings(&self, requests: Vec<Extension>) -> Result<Vec<DrawRequest>, Error> {
        let drawing = |request| {
            let Extension {
                problem,
                steps,
                seeds,
                until,
                sampling,
                max_tokens,
                offset,
            } = request;
            let mut prefix = self.prompt(&problem)?;
            prefix.extend(steps.iter().flat_map(|step| &step.tokens));
            let texts: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
            let segmenter = self.segmenter.clone();
            let segmenter = match steps.last() {
                Some(last) if offset > 0 => {
                    let tokens = last.tokens.iter();
                    let bytes = tokens.flat_map(|&token| self.tokenizer.bytes(token));
                    segmenter.within(&texts, &bytes.copied().collect::<Vec<u8>>())
                }
                _ => segmenter.after(texts),
            };
            Ok(DrawRequest {
                prefix,
                seeds,
                until,
                sampling,
                max_tokens,
                offset,
                segmenter: match until {
                    Until::Step => segmenter,
                    Until::Answer => segmenter.whole(),
                },
            })
        };
        requests.into_iter().map(drawing).collect()
    }
}

fn thoughts(profile: &PolicyProfile, opened: bool, context: usize) -> Thoughts {
    let end = profile.think_end.as_deref();
    Thoughts {
        context: Some(context),
        ..Thoughts::marked(opened, end, &profile.step_separator)
    }
}

fn replies(drawn: Vec<(Vec<DrawnText>, Usage)>) -> Vec<Reply> {
    let continuation = |draw: DrawnText| Continuation {
        steps: draw
            .steps
            .into_iter()
            .map(|segment| Step {
                stats: TokenStats::of(segment.tokens.len(), segment.logprobs, segment.entropies),
                text: segment.text,
                tokens: segment.tokens,
                logprob: segment.logprob,
            })
            .collect(),
        stop: draw.stop,
    };
    drawn
        .into_iter()
        .map(|(draws, usage)| (draws.into_iter().map(continuation).collect(), usage))
        .collect()
}

impl Policy for EmbeddedPolicy {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let drawings = self.drawings(requests)?;
            Ok(replies(self.engine.draw(drawings).await?))
        }
        .boxed()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        async move {
            let drawings = self.drawings(requests)?;
            Ok(replies(self.engine.draw_until(drawings, halt).await?))
        }
        .boxed()
    }

    fn written<'a>(
        &'a self,
        _: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        let tokens = self.tokenizer.encode(text);
        let step = tokens.map(|tokens| Step {
            tokens,
            ..Step::written(text)
        });
        ready(step.map_err(ModelError::from)).boxed()
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        Some(&self.thoughts)
    }
}

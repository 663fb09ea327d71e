//! How a model that runs in Python is asked and read: with its own tokenizer and chat template, and as the embedded engine asks and
//! reads the same checkpoint. What is left to Python is to compute the model.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use outthink::core::{Continuation, Stop, Thinking, Thoughts, TokenStats, Until};
use outthink::prompt::{
    ChatTemplate, End, Likelihood, Message, PolicyProfile, Profile, Reward, RewardLayout, Role,
    Segmenter, Tokenizer,
};
use outthink::{Failure, Limits, Sampling, Step};
use pyo3::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::errors;
use crate::policy::{PyContinuation, PyRequest};
use crate::rows::from_python;
use crate::verifier::PyPrefix;

/// For each step, from which place of the tokens to which (exclusive).
type Places = Vec<(usize, usize)>;

/// What a checkpoint in Python tells of itself.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Files<'py> {
    /// A `tokenizer.json`.
    tokenizer: String,
    /// The special tokens by name, as `tokenizer_config.json` has them.
    special: Bound<'py, PyAny>,
    /// The chat template; empty where there is none.
    template: String,
    /// The first architecture of `config.json`.
    architecture: String,
    /// A profile's name or file, if not the one that fits.
    profile: Option<String>,
}

impl Files<'_> {
    fn read(&self) -> PyResult<(Tokenizer, ChatTemplate)> {
        let py = self.special.py();
        let special = from_python(&self.special)?.to_string();
        let tokenizer = Tokenizer::from_bytes(self.tokenizer.as_bytes())
            .and_then(|own| own.with_config(special.as_bytes()));
        let told = |error: outthink::prompt::Error| errors::input(py, error.to_string());
        Ok((
            tokenizer.map_err(told)?,
            ChatTemplate::new(&self.template).map_err(told)?,
        ))
    }

    fn profile(&self, role: Role, tokenizer: &Tokenizer) -> Result<Profile, Failure> {
        match &self.profile {
            None => Profile::detect(role, &self.architecture, tokenizer).map_err(Failure::input),
            Some(name) if name.ends_with(".toml") => {
                let text = std::fs::read_to_string(Path::new(name));
                let text = text.with_context(|| format!("cannot read {name}"));
                let parsed = Profile::parse(&text.map_err(Failure::Input)?);
                let parsed = parsed.with_context(|| name.clone());
                parsed.map_err(Failure::Input)
            }
            Some(name) => Profile::named(name).map_err(Failure::input),
        }
    }
}

/// How a policy that runs in Python is asked, and how its draws are cut into steps.
#[pyclass(frozen, name = "PolicyReader", module = "outthink._native")]
pub(crate) struct PolicyReader {
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    /// Has it a chat template? Else a problem is asked as plain text.
    chats: bool,
    profile: PolicyProfile,
    profile_name: String,
    ends: Vec<u32>,
    segmenter: Segmenter,
    thoughts: Thoughts,
    /// Most tokens of a prompt and what is drawn after it, if they are limited.
    context: usize,
}

impl PolicyReader {
    pub(crate) fn profile_name(&self) -> &str {
        &self.profile_name
    }

    pub(crate) fn sampling(&self) -> Sampling {
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

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            draw_tokens: self.profile.draw_tokens,
            solution_tokens: self.profile.solution_tokens,
            steps: self.profile.steps,
        }
    }

    pub(crate) fn thoughts(&self) -> &Thoughts {
        &self.thoughts
    }

    /// A text that somebody wrote, as a step.
    pub(crate) fn written(&self, text: &str) -> Result<Step, outthink::prompt::Error> {
        Ok(Step {
            tokens: self.tokenizer.encode(text)?,
            ..Step::written(text)
        })
    }

    fn prompt(&self, problem: &str) -> Result<Vec<u32>, outthink::prompt::Error> {
        let PolicyProfile {
            system,
            after_question,
            ..
        } = &self.profile;
        self.tokenizer.check(problem)?;
        let question = format!("{problem}{after_question}");
        if self.chats {
            let messages = Message::question(system.as_deref(), &question);
            let text = self
                .template
                .render_chat(&self.tokenizer, &messages, true)?;
            return self.tokenizer.encode(&text);
        }
        let parts = system.iter().map(String::as_str).chain([&*question, ""]);
        let text = parts.collect::<Vec<_>>().join("\n\n");
        let mut tokens: Vec<u32> = self.tokenizer.bos().into_iter().collect();
        tokens.extend(self.tokenizer.encode(&text)?);
        Ok(tokens)
    }

    /// The tokens of the prompt and of the steps so far; of a step whose tokens nobody told, those of its text.
    fn prefix(&self, request: &PyRequest) -> Result<Vec<u32>, outthink::prompt::Error> {
        let mut prefix = self.prompt(&request.problem.text)?;
        for step in &request.steps {
            match step.tokens.is_empty() && !step.text.is_empty() {
                false => prefix.extend(&step.tokens),
                true => {
                    let text = format!("{}{}", step.text, self.profile.step_separator);
                    prefix.extend(self.tokenizer.encode(&text)?);
                }
            }
        }
        Ok(prefix)
    }

    /// Cuts a draw of a request: after its steps, or within the last one where that was cut off.
    fn segmenter(&self, request: &PyRequest) -> Segmenter {
        let texts: Vec<&str> = request.steps.iter().map(|own| own.text.as_str()).collect();
        let segmenter = self.segmenter.clone();
        let segmenter = match request.steps.last() {
            Some(last) if request.offset > 0 => {
                let tokens = last.tokens.iter();
                let bytes = tokens.flat_map(|&token| self.tokenizer.bytes(token));
                segmenter.within(&texts, &bytes.copied().collect::<Vec<u8>>())
            }
            _ => segmenter.after(texts),
        };
        match request.until {
            Until::Step => segmenter,
            Until::Answer => segmenter.whole(),
        }
    }
}

#[pymethods]
impl PolicyReader {
    #[new]
    #[pyo3(signature = (files, ends, context, system, thinking))]
    fn new(
        py: Python<'_>,
        files: Files<'_>,
        mut ends: Vec<u32>,
        context: Option<usize>,
        system: Option<String>,
        thinking: Option<&str>,
    ) -> PyResult<Self> {
        let raised = |failure: Failure| errors::raised(py, &failure);
        let (tokenizer, template) = files.read()?;
        let profile = files.profile(Role::Policy, &tokenizer).map_err(raised)?;
        let profile_name = profile.name;
        let Some(mut asked) = profile.policy else {
            let told = format!("the profile {profile_name} is no policy's");
            return Err(errors::input(py, told));
        };
        if let Some(system) = system {
            asked.system = Some(system).filter(|own| !own.is_empty());
        }
        let named = asked.end_tokens.iter();
        ends.extend(named.filter_map(|token| tokenizer.id(token).ok()));
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            let told = "the model has no token that ends an answer: set eos_token_id in its generation_config";
            return Err(errors::input(py, told));
        }
        let system = asked.system.as_deref();
        let control = thinking.map(str::parse::<Thinking>).transpose();
        let control = control.map_err(|error| errors::input(py, error))?;
        let heeds = template.heeds_thinking(&tokenizer, system);
        if let Some(control) = control {
            asked.thinking = Some(control.control().thinks());
        }
        let template = template.with_thinking(asked.thinking);
        let opened = template.opens_thought(&tokenizer, system);
        if control.is_some() && opened && asked.think_end.is_none() {
            asked.think_end = Some(Thoughts::END.to_owned());
        }
        let marked = Thoughts::marked(opened, asked.think_end.as_deref(), &asked.step_separator);
        let thoughts = Thoughts {
            context,
            thinking: control.map_or(Thinking::ON, |own| own.beside(heeds)),
            ..marked
        };
        Ok(Self {
            segmenter: Segmenter::new(&asked, ends.clone()),
            chats: !files.template.trim().is_empty(),
            tokenizer: Arc::new(tokenizer),
            template,
            profile: asked,
            profile_name,
            ends,
            thoughts,
            context: context.unwrap_or(usize::MAX),
        })
    }

    /// The name of the profile that it is asked by.
    #[getter]
    fn profile(&self) -> &str {
        &self.profile_name
    }

    /// Text between two steps.
    #[getter]
    fn separator(&self) -> &str {
        &self.profile.step_separator
    }

    /// Tokens that end an answer.
    #[getter]
    fn ends(&self) -> Vec<u32> {
        self.ends.clone()
    }

    /// How many tokens there are; what a model has beyond them is padding.
    #[getter]
    fn size(&self) -> usize {
        self.tokenizer.size()
    }

    /// The token ids that a request goes on from, and a draw for each of its seeds.
    fn draws(&self, py: Python<'_>, request: &PyRequest) -> PyResult<(Vec<u32>, Vec<PyDraw>)> {
        let prefix = self.prefix(request);
        let prefix = prefix.map_err(|error| errors::input(py, error.to_string()))?;
        let is_begun = request.steps.iter().any(|step| !step.text.is_empty());
        let room = self.context.saturating_sub(prefix.len());
        if prefix.len() > self.context || room == 0 && !is_begun {
            let told = anyhow!(
                "{} tokens exceed the model's context of {}",
                prefix.len() + usize::from(room == 0),
                self.context
            );
            return Err(errors::raised(py, &Failure::Input(told)));
        }
        let segmenter = self.segmenter(request);
        let draw = |&seed: &u64| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            // As the embedded engine: each token takes a number of 64 bits, two words.
            random.set_word_pos(2 * request.offset as u128);
            PyDraw {
                tokenizer: Arc::clone(&self.tokenizer),
                segmenter: segmenter.clone(),
                until: request.until,
                left: request.max_tokens.min(room),
                random,
                next: None,
                stop: None,
            }
        };
        Ok((prefix, request.own_seeds.iter().map(draw).collect()))
    }
}

/// One draw, token by token.
#[pyclass(name = "Draw", module = "outthink._native")]
pub(crate) struct PyDraw {
    tokenizer: Arc<Tokenizer>,
    segmenter: Segmenter,
    until: Until,
    left: usize,
    random: ChaCha8Rng,
    /// The number that the next token is drawn at, once it was asked for.
    next: Option<f64>,
    stop: Option<Stop>,
}

#[pymethods]
impl PyDraw {
    /// The number in [0, 1) that the next token is to be drawn at.
    fn random(&mut self) -> f64 {
        let random = &mut self.random;
        *self.next.get_or_insert_with(|| random.random())
    }

    /// Takes the next token with its log-probability and the entropy of its distribution in nats, where they are known. What
    /// comes after the end is left out.
    #[pyo3(signature = (token, logprob=None, entropy=None))]
    fn push(&mut self, token: u32, logprob: Option<f64>, entropy: Option<f64>) {
        if self.is_over() {
            return;
        }
        self.left -= 1;
        self.next = None;
        let likelihood = Likelihood { logprob, entropy };
        self.stop = match self.segmenter.push(&self.tokenizer, token, likelihood) {
            End::Answer => Some(Stop::Answer),
            End::Step if self.until == Until::Step => Some(Stop::Step),
            End::Step | End::Nothing => None,
        };
    }

    /// Is nothing left to draw?
    #[getter]
    fn is_over(&self) -> bool {
        self.stop.is_some() || self.left == 0
    }

    /// How many tokens it may still have.
    #[getter]
    fn left(&self) -> usize {
        self.left
    }

    /// What was drawn.
    fn continuation(&self) -> PyContinuation {
        let steps = self.segmenter.clone().into_segments().into_iter();
        let steps = steps.map(|segment| Step {
            stats: TokenStats::of(segment.tokens.len(), segment.logprobs, segment.entropies),
            text: segment.text,
            tokens: segment.tokens,
            logprob: segment.logprob,
        });
        PyContinuation(Continuation {
            steps: steps.collect(),
            stop: self.stop.unwrap_or(Stop::Length),
        })
    }
}

/// How solutions are laid out for a verifier that runs in Python, and what its numbers mean.
#[pyclass(frozen, name = "VerifierReader", module = "outthink._native")]
pub(crate) struct VerifierReader {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    layout: RewardLayout,
    profile_name: String,
}

impl VerifierReader {
    pub(crate) fn profile_name(&self) -> &str {
        &self.profile_name
    }
}

#[pymethods]
impl VerifierReader {
    #[new]
    fn new(py: Python<'_>, files: Files<'_>) -> PyResult<Self> {
        let raised = |failure: Failure| errors::raised(py, &failure);
        let (tokenizer, template) = files.read()?;
        let profile = files.profile(Role::Verifier, &tokenizer).map_err(raised)?;
        let profile_name = profile.name;
        let Some(shown) = profile.verifier else {
            let told = format!("the profile {profile_name} is no verifier's");
            return Err(errors::input(py, told));
        };
        let layout = RewardLayout::new(&shown, &tokenizer);
        Ok(Self {
            layout: layout.map_err(|error| errors::input(py, error.to_string()))?,
            tokenizer,
            template,
            profile_name,
        })
    }

    /// The name of the profile that it is read by.
    #[getter]
    fn profile(&self) -> &str {
        &self.profile_name
    }

    /// What is read at a token, and of which labels or tokens: `likelihood`, `ratio`, `label`, `next-label`, `value` or `tokens`.
    #[getter]
    fn reads(&self) -> (&'static str, Vec<usize>) {
        match self.layout.reward() {
            Reward::Likelihood => ("likelihood", vec![]),
            Reward::Ratio(_) => ("ratio", vec![]),
            Reward::Label(label) => ("label", vec![label]),
            Reward::NextLabel => ("next-label", vec![]),
            Reward::Value => ("value", vec![]),
            Reward::Tokens(right, wrong) => ("tokens", vec![right as usize, wrong as usize]),
        }
    }

    /// The token ids of a prefix, and for each step from which place to which (exclusive) it is read.
    fn render(&self, py: Python<'_>, prefix: &PyPrefix) -> PyResult<(Vec<u32>, Places)> {
        let steps: Vec<&str> = prefix.steps.iter().map(|own| own.text.as_str()).collect();
        let (question, complete) = (&prefix.problem.text, prefix.complete);
        let layout =
            self.layout
                .render(&self.tokenizer, &self.template, question, &steps, complete);
        let rendered = layout.map_err(|error| errors::input(py, error.to_string()))?;
        let places = rendered.steps.iter().map(|own| (own.start, own.end));
        Ok((rendered.tokens, places.collect()))
    }

    /// A reward in [0, 1] a step, from the numbers that were read of each step's tokens.
    #[expect(clippy::needless_pass_by_value, reason = "as Python hands it")]
    fn rewards(&self, values: Vec<Vec<f32>>) -> Vec<f64> {
        self.layout.reward().of_steps(&values)
    }
}

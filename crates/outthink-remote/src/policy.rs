//! Servers as a policy.

use std::hash::Hasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, Either, FutureExt, select, try_join_all};
use outthink_core::{
    Continuation, Extension, Halt, ModelError, Policy, Problem, Reply, Sampling, Stop, Until, Usage,
};
use outthink_prompt::{Message, PolicyProfile, Profile, PromptFiles, Segmenter};
use siphasher::sip::SipHasher13;

use crate::dialect::{Dialect, DrawPrefix, DrawRequest, FinishReason, ReportedUsage};
use crate::http::TransportError;
use crate::pool::{ApiRequest, EndpointStats, Pool, ResponseReader};
use crate::probe::{Facts, Fleet, Wanted, probe};
use crate::prompt::{Prompter, unsendable};
use crate::segment::PartialDraw;
use crate::server_error::beginning;
use crate::{Error, Notice, Role, Servers, background};

/// Replicas of a language model that answer questions.
pub struct RemotePolicy(Arc<Inner>);

struct Inner {
    pool: Arc<Pool>,
    fleet: Fleet,
    prompter: Prompter,
    segmenter: Segmenter,
    end_tokens: Vec<u32>,
    profile: String,
    stream: bool,
}

impl RemotePolicy {
    /// Finds out what the servers are; waits for them as long as their configuration says. `profile`: or the one that
    /// fits the tokenizer's folder, or `chat`. `notice` is called when all servers are gone and when one is back.
    pub fn connect(
        servers: &Servers,
        profile: Option<Profile>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let folder = servers.tokenizer.as_deref();
        let files = folder.map(PromptFiles::read).transpose()?;
        Self::connect_with(servers, files, profile, notice)
    }

    /// The same with the model's files at hand.
    pub fn connect_with(
        servers: &Servers,
        files: Option<PromptFiles>,
        profile: Option<Profile>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let pool = Arc::new(Pool::new(Role::Policy, servers, notice)?);
        let probing = Arc::clone(&pool);
        let wanted = Wanted::of(servers);
        let fleet = background::wait_for(async move { probe(&probing, &wanted).await })?;
        if fleet.dialect == Dialect::Sglang && files.is_none() {
            return Err(Error::NoTokenizer("SGLang takes token ids and makes none"));
        }
        let profile = match (profile, &files) {
            (Some(profile), _) => profile,
            (None, Some(files)) => Profile::detect(
                outthink_prompt::Role::Policy,
                &files.architecture,
                &files.tokenizer,
            )?,
            // Another outthink says how its policy is asked.
            (None, None) => match fleet.profile().map(Profile::named) {
                Some(Ok(profile)) if profile.policy.is_some() => profile,
                _ => Profile::named("chat")?,
            },
        };
        let name = profile.name;
        let no_policy = || Error::Unsendable(format!("the profile {name} is no policy's"));
        let asked = profile.policy.ok_or_else(no_policy)?;
        let mut end_tokens = files
            .as_ref()
            .map(|f| f.end_tokens.clone())
            .unwrap_or_default();
        if let Some(files) = &files {
            let named = asked.end_tokens.iter();
            end_tokens.extend(named.filter_map(|token| files.tokenizer.id(token).ok()));
            end_tokens.sort_unstable();
            end_tokens.dedup();
        }
        let segmenter = Segmenter::new(&asked, end_tokens.clone());
        let local = files
            .map(|files| {
                let template = files.chat_template()?.with_thinking(asked.thinking);
                Ok::<_, Error>((Arc::new(files.tokenizer), template))
            })
            .transpose()?;
        Ok(Self(Arc::new(Inner {
            pool,
            fleet,
            prompter: Prompter::new(asked, local),
            segmenter,
            end_tokens,
            profile: name,
            stream: servers.stream,
        })))
    }

    /// The name of the profile in force.
    pub fn profile_name(&self) -> &str {
        &self.0.profile
    }

    /// The profile in force.
    pub fn profile(&self) -> &PolicyProfile {
        self.0.prompter.profile()
    }

    /// The profile's way of drawing.
    pub fn sampling(&self) -> Sampling {
        let PolicyProfile {
            temperature,
            top_p,
            top_k,
            min_p,
            ..
        } = *self.profile();
        Sampling {
            temperature,
            top_p,
            top_k,
            min_p,
        }
    }

    /// What the servers said they are.
    pub fn facts(&self) -> &[Facts] {
        &self.0.fleet.facts
    }

    /// The model's name at the servers.
    pub fn model(&self) -> &str {
        &self.0.fleet.model
    }

    /// What to call the policy: the model's name, or of a path at the server, as llama.cpp has it, the last part.
    pub fn name(&self) -> &str {
        let model = self.model();
        let path = model.starts_with(['/', '.', '\\']) || model.ends_with(".gguf");
        let last = model.rsplit(['/', '\\']).find(|part| !part.is_empty());
        match (path, last) {
            (true, Some(last)) => last.strip_suffix(".gguf").unwrap_or(last),
            _ => model,
        }
    }

    /// Host and port of its first server: what tells two policies apart that serve models of one name.
    pub fn host(&self) -> String {
        let first = self.0.pool.endpoints().first();
        first
            .map(crate::endpoint::Endpoint::host)
            .unwrap_or_default()
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.0.pool)
    }

    /// Can it draw step by step? A chat-only server cannot.
    pub fn takes_steps(&self) -> bool {
        self.0.fleet.dialect.continues()
    }

    /// What happened at each server so far.
    pub fn stats(&self) -> Vec<EndpointStats> {
        self.0.pool.stats()
    }

    /// Token ids that ask a question. Fails where they leave no room for an answer, or the server takes no token ids.
    pub fn prompt(&self, problem: &Problem) -> Result<Vec<u32>, Error> {
        let inner = Arc::clone(&self.0);
        let problem = problem.clone();
        background::wait_for(async move {
            let key = key(&problem.id);
            let ids = inner.ids(key, &problem).await?;
            inner.fleet.room(ids.len())?;
            Ok(ids.to_vec())
        })
    }

    /// Draws answers to a conversation, one a seed, and says what its token ids were, if it had any.
    pub fn converse(
        &self,
        messages: Vec<Message>,
        seeds: Vec<u64>,
        sampling: Sampling,
        max_tokens: usize,
    ) -> Result<(Vec<u32>, Vec<Continuation>, Usage), Error> {
        let inner = Arc::clone(&self.0);
        background::wait_for(async move {
            // A box in a free conversation ends nothing.
            let shape = DrawSettings {
                sampling,
                max_tokens,
                until: Until::Answer,
                segmenter: inner.segmenter.clone().without_box(),
                halt: None,
            };
            let key = key(&messages
                .last()
                .map(|m| m.content.clone())
                .unwrap_or_default());
            if !inner.fleet.dialect.continues() {
                let (continuations, usage) = inner.chat(key, &messages, &seeds, &shape).await?;
                return Ok((Vec::new(), continuations, usage));
            }
            let prompt = match inner.prompter.tokenizer() {
                Some(_) => inner.prompter.chat(&messages)?,
                None => {
                    let Fleet { dialect, model, .. } = &inner.fleet;
                    let served =
                        inner
                            .prompter
                            .served(&inner.pool, *dialect, model, key, &messages);
                    served.await?
                }
            };
            let (continuations, usage) = inner.draws(key, &prompt, &seeds, &shape).await?;
            Ok((prompt, continuations, usage))
        })
    }
}

impl Policy for RemotePolicy {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        self.replies(requests, None).boxed()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        self.replies(requests, Some(halt.clone())).boxed()
    }
}

impl RemotePolicy {
    async fn replies(
        &self,
        requests: Vec<Extension>,
        halt: Option<Halt>,
    ) -> Result<Vec<Reply>, ModelError> {
        let inner = Arc::clone(&self.0);
        let work = async move {
            let replies = requests
                .into_iter()
                .map(|request| inner.extension(request, halt.clone()));
            try_join_all(replies).await
        };
        Ok(background::start(work)?.await?)
    }
}

/// Where questions that begin alike are cached: by problem.
pub(crate) fn key(problem: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(problem.as_bytes());
    hasher.finish()
}

/// What all draws of a request have in common.
struct DrawSettings {
    sampling: Sampling,
    max_tokens: usize,
    until: Until,
    segmenter: Segmenter,
    halt: Option<Halt>,
}

impl Inner {
    async fn ids(&self, key: u64, problem: &Problem) -> Result<Arc<[u32]>, Error> {
        let Fleet { dialect, model, .. } = &self.fleet;
        self.prompter
            .ids(&self.pool, *dialect, model, key, problem)
            .await
    }

    async fn extension(&self, request: Extension, halt: Option<Halt>) -> Result<Reply, Error> {
        let Extension {
            problem,
            steps,
            seeds,
            until,
            sampling,
            max_tokens,
        } = request;
        let key = key(&problem.id);
        let texts = steps.iter().map(|step| step.text.as_str());
        let segmenter = self.segmenter.clone().after(texts);
        let shape = DrawSettings {
            sampling,
            max_tokens,
            until,
            segmenter: match until {
                Until::Step => segmenter,
                Until::Answer => segmenter.whole(),
            },
            halt,
        };
        if !self.fleet.dialect.continues() {
            if until == Until::Step || !steps.is_empty() {
                return Err(Error::WholeAnswersOnly {
                    server: self.fleet.name(),
                });
            }
            let messages = self.prompter.messages(&problem);
            return self.chat(key, &messages, &seeds, &shape).await;
        }
        let prompt = self.ids(key, &problem).await?;
        let mut prefix = prompt.to_vec();
        prefix.extend(steps.iter().flat_map(|step| &step.tokens));
        self.draws(key, &prefix, &seeds, &shape).await
    }

    /// A request for each seed: no server takes seeds of our own for several choices.
    async fn draws(
        &self,
        key: u64,
        prefix: &[u32],
        seeds: &[u64],
        shape: &DrawSettings,
    ) -> Result<Reply, Error> {
        let max_tokens = shape.max_tokens.min(self.fleet.room(prefix.len())?);
        let Fleet { dialect, model, .. } = &self.fleet;
        let tokenizer = self.prompter.tokenizer();
        // A stream is worth its events where the server may go on after what is wanted, and tells all of its tokens.
        let stream = self.stream && shape.until == Until::Answer && *dialect == Dialect::Vllm;
        let draw = |seed: u64| async move {
            let separator = &self.prompter.profile().step_separator;
            let asked = DrawRequest {
                model,
                prefix: DrawPrefix::Tokens(prefix),
                seed,
                sampling: shape.sampling,
                max_tokens,
                stop: (shape.until == Until::Step).then_some(separator.as_str()),
                end_tokens: &self.end_tokens,
                stream,
                n: 1,
            };
            let question = dialect.question(&asked).map_err(unsendable)?;
            let reader = || DrawReader {
                dialect: *dialect,
                spelled: tokenizer.is_none(),
                draws: Arc::new(Mutex::new(vec![PartialDraw::new(
                    shape.segmenter.clone(),
                    tokenizer.cloned(),
                    shape.until,
                )])),
                told: None,
                prompt: prefix.len() as u64,
                stream,
                done: false,
                empty: String::new(),
                halt: shape.halt.clone(),
                heard: 0,
            };
            self.ask(key, &question, shape, 1, reader).await
        };
        let draws = try_join_all(seeds.iter().map(|&seed| draw(seed))).await?;
        let usage = draws.iter().map(|(_, usage)| *usage).sum();
        let continuations = draws
            .into_iter()
            .flat_map(|(continuations, _)| continuations);
        Ok((continuations.collect(), usage))
    }

    /// Asks for all in one request (`n`). If the provider returns fewer, the rest is asked for in parallel requests of that
    /// size. Without token ids a sample cannot be repeated exactly anyway, and providers charge the prompt of a request once.
    ///
    /// A request that is halted is lost with all of its samples. So under a cap, one asks for no more than is sure to come
    /// whole, and what may be cut off comes by itself.
    async fn chat(
        &self,
        key: u64,
        messages: &[Message],
        seeds: &[u64],
        shape: &DrawSettings,
    ) -> Result<Reply, Error> {
        let mut drawn: Vec<Continuation> = Vec::with_capacity(seeds.len());
        let mut usage = Usage::default();
        let mut at_once = self.pool.answers().max(1);
        while drawn.len() < seeds.len() {
            let open = &seeds[drawn.len()..];
            let sure = shape.halt.as_ref().map_or(open.len(), |halt| {
                let whole = halt.room().unwrap_or(0) / (shape.max_tokens as u64).max(1);
                usize::try_from(whole).unwrap_or(usize::MAX)
            });
            let (now, most) = match sure {
                0 | 1 => (open, 1),
                sure => (&open[..sure.min(open.len())], at_once),
            };
            let parts = now.chunks(most);
            let asked = parts.map(|seeds| self.choices(key, messages, seeds, shape));
            for (continuations, cost) in try_join_all(asked).await? {
                at_once = at_once.min(continuations.len().max(1));
                drawn.extend(continuations);
                usage += cost;
            }
        }
        Ok((drawn, usage))
    }

    /// One request for as many answers as there are seeds, of which a provider takes the first, if any. There may be fewer.
    async fn choices(
        &self,
        key: u64,
        messages: &[Message],
        seeds: &[u64],
        shape: &DrawSettings,
    ) -> Result<Reply, Error> {
        let Fleet { dialect, model, .. } = &self.fleet;
        let n = seeds.len();
        let asked = DrawRequest {
            model,
            prefix: DrawPrefix::Chat(messages),
            seed: seeds.first().copied().unwrap_or_default(),
            sampling: shape.sampling,
            max_tokens: shape.max_tokens,
            stop: None,
            end_tokens: &[],
            stream: false,
            n,
        };
        let question = dialect.question(&asked).map_err(unsendable)?;
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let reader = || DrawReader {
            dialect: *dialect,
            spelled: true,
            // What is here whole is not cut short: the model ended it.
            draws: Arc::new(Mutex::new(vec![
                PartialDraw::new(
                    shape.segmenter.clone().without_box(),
                    None,
                    shape.until
                );
                n
            ])),
            told: None,
            prompt: bytes.div_ceil(4) as u64,
            stream: false,
            done: false,
            empty: String::new(),
            halt: shape.halt.clone(),
            heard: 0,
        };
        self.ask(key, &question, shape, n, reader).await
    }

    /// Asks for `n` draws. When they are halted, what has come is handed over.
    async fn ask(
        &self,
        key: u64,
        question: &ApiRequest,
        shape: &DrawSettings,
        n: usize,
        reader: impl Fn() -> DrawReader,
    ) -> Result<Reply, Error> {
        let Some(halt) = &shape.halt else {
            return self.pool.ask(key, question, reader).await;
        };
        // Of the last try: what is not sent yet costs nothing.
        let sent: Mutex<Option<(SharedDraws, u64)>> = Mutex::default();
        let noted = || {
            let own = reader();
            *open(&sent) = Some((Arc::clone(&own.draws), own.prompt));
            own
        };
        let asking = Box::pin(self.pool.ask(key, question, noted));
        match select(asking, halt.stopped()).await {
            Either::Left((reply, _)) => return reply,
            Either::Right(((), asking)) => drop(asking),
        }
        let nothing = Continuation {
            steps: Vec::new(),
            stop: Stop::Length,
        };
        let Some((draws, prompt)) = open(&sent).take() else {
            return Ok((vec![nothing; n], Usage::default()));
        };
        let draws = std::mem::take(&mut *open(&draws));
        let usage = usage(None, prompt, counted(&draws));
        let draws = draws.into_iter().map(PartialDraw::into_continuation);
        let draws = draws.map(|draw| draw.unwrap_or_else(|| nothing.clone()));
        Ok((draws.collect(), usage))
    }
}

fn open<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The draws of a request as they come.
pub(crate) type SharedDraws = Arc<Mutex<Vec<PartialDraw>>>;

/// Reads draws.
pub(crate) struct DrawReader {
    pub(crate) dialect: Dialect,
    pub(crate) spelled: bool,
    /// Shared with whoever hands them over when they are halted.
    pub(crate) draws: SharedDraws,
    pub(crate) told: Option<ReportedUsage>,
    /// Tokens sent, as counted here.
    pub(crate) prompt: u64,
    pub(crate) stream: bool,
    /// Has a stream said that it is over?
    pub(crate) done: bool,
    /// What came without a choice.
    pub(crate) empty: String,
    pub(crate) halt: Option<Halt>,
    /// Tokens that the halt has heard of.
    pub(crate) heard: u64,
}

impl DrawReader {
    fn hear(&mut self, tokens: u64) {
        if let Some(halt) = &self.halt {
            halt.drew(tokens.saturating_sub(self.heard));
            self.heard = self.heard.max(tokens);
        }
    }
}

impl ResponseReader for DrawReader {
    type Value = (Vec<Continuation>, Usage);

    fn take(&mut self, endpoint: &str, data: &[u8]) -> Result<bool, TransportError> {
        let parts = self
            .dialect
            .read(data, self.spelled)
            .map_err(|unreadable| unreadable.at(endpoint))?;
        if parts.parts.is_empty() && (data != b"[DONE]" || self.empty.is_empty()) {
            self.empty = beginning(data);
        }
        self.told = parts.told.or(self.told);
        self.done |= data == b"[DONE]";
        let shared = Arc::clone(&self.draws);
        let mut draws = open(&shared);
        for part in parts.parts {
            // More choices than were asked for are nobody's.
            let Some(draw) = draws.get_mut(part.index) else {
                continue;
            };
            part.pieces.iter().for_each(|piece| draw.push(piece));
            if let Some(finish) = part.finish {
                draw.finish(finish);
            }
        }
        // What a stream is hung up on has no usage, and what is over has: its last event is worth waiting for.
        let over = |draw: &PartialDraw| draw.has_ended() && !draw.is_finished();
        let last = parts.last || (self.stream && draws.iter().all(over));
        self.hear(draws.iter().map(PartialDraw::tokens).sum());
        Ok(last)
    }

    fn finish(mut self, _: &str) -> Result<(Self::Value, u64), TransportError> {
        let draws = std::mem::take(&mut *open(&self.draws));
        let counted = counted(&draws);
        let (done, begun) = (self.done, draws.iter().any(PartialDraw::has_begun));
        let mut drawn = Vec::with_capacity(draws.len());
        for mut draw in draws {
            // Some streams end without a word for why.
            if done && draw.has_begun() && !draw.is_finished() {
                draw.finish(FinishReason::End);
            }
            drawn.extend(draw.into_continuation());
        }
        if drawn.is_empty() {
            return Err(match self.stream || begun {
                true => TransportError::Cut("the stream ended before the answer did".into()),
                false => TransportError::Empty(self.empty),
            });
        }
        debug_assert!(
            drawn
                .iter()
                .all(|c| c.stop != Stop::Step || c.steps.len() <= 1)
        );
        let usage = usage(self.told, self.prompt, counted);
        self.hear(usage.generated);
        Ok(((drawn, usage), usage.computed))
    }
}

/// Tokens that were drawn, as counted here.
#[derive(Clone, Copy)]
pub(crate) struct CountedTokens {
    pub(crate) tokens: u64,
    /// Fewer there cannot be.
    pub(crate) least: u64,
}

impl CountedTokens {
    pub(crate) fn exactly(tokens: u64) -> Self {
        Self {
            tokens,
            least: tokens,
        }
    }
}

fn counted(draws: &[PartialDraw]) -> CountedTokens {
    CountedTokens {
        tokens: draws.iter().map(PartialDraw::tokens).sum(),
        least: draws.iter().map(PartialDraw::least_tokens).sum(),
    }
}

/// What a request cost: as the server tells, or else as counted here and marked so.
pub(crate) fn usage(told: Option<ReportedUsage>, prompt: u64, drawn: CountedTokens) -> Usage {
    let told = told.unwrap_or_default();
    let told_prompt = told.prompt.filter(|told| *told > 0 || prompt == 0);
    let generated = told.generated.filter(|told| *told >= drawn.least);
    let exact = told_prompt.is_some() && generated.is_some() && told.cached.is_some();
    let prompt = told_prompt.unwrap_or(prompt);
    let generated = generated.unwrap_or(drawn.tokens);
    let cached = told.cached.unwrap_or(0).min(prompt);
    let up_to = |tokens: u64| tokens * (tokens + 1) / 2;
    Usage {
        requests: 1,
        prompt,
        cached,
        generated,
        computed: prompt - cached + generated,
        attended: up_to(prompt + generated) - up_to(cached),
        estimated: u64::from(!exact),
    }
}

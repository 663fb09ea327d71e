//! Model servers as a policy.

use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, Either, FutureExt, select, try_join_all};
use outthink_core::{
    Continuation, Extension, Halt, ModelError, Policy, Problem, Reply, Sampling, Step, Stop,
    Thinking, Thoughts, Until, Usage, piece_seed,
};
use outthink_prompt::{Message, PolicyProfile, Profile, PromptFiles, Segmenter};

use crate::call::{prefix_key, unsendable};
use crate::dialect::{DrawPrefix, DrawRequest};
use crate::draw::{DrawReader, SharedDraws, counted, lock};
use crate::fleet::{Fleet, profile_for};
use crate::pool::{EndpointStats, Pool};
use crate::probe::Facts;
use crate::prompt::Prompter;
use crate::request::ApiRequest;
use crate::segment::PartialDraw;
use crate::usage::usage;
use crate::{Error, Notice, Role, Servers, background};

/// Replicas of a language model on model servers, as a [`Policy`].
pub struct RemotePolicy(Arc<Inner>);

struct Inner {
    fleet: Fleet,
    prompter: Prompter,
    segmenter: Segmenter,
    end_tokens: Vec<u32>,
    profile: String,
    thoughts: Thoughts,
    stream: bool,
}

impl RemotePolicy {
    /// Connects to servers: asks them what they are, and waits for the first to answer.
    ///
    /// Without a `profile`, the one that fits the tokenizer's folder is used, or else what the server names, or else
    /// `chat`. `notice` is called when no server answers any more, when one does again, and when requests are changed
    /// for one.
    ///
    /// # Errors
    ///
    /// Where no server answers, the configuration cannot be used, or the servers differ in their kind or model.
    pub fn connect(
        servers: &Servers,
        profile: Option<Profile>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let folder = servers.tokenizer.as_deref();
        let files = folder.map(PromptFiles::read).transpose()?;
        Self::connect_with(servers, files, profile, notice)
    }

    /// Connects like [`connect`](Self::connect), with the model's files already read.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        servers: &Servers,
        files: Option<PromptFiles>,
        profile: Option<Profile>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let fleet = Fleet::connect(Role::Policy, servers, notice)?;
        if let (Some(reason), None) = (fleet.dialect.needs_tokenizer(), &files) {
            return Err(Error::NoTokenizer(reason));
        }
        let profile = match (profile, &files) {
            (profile, Some(files)) => profile_for(outthink_prompt::Role::Policy, profile, files)?,
            (Some(profile), None) => profile,
            // `outthink serve` names the profile that it uses its policy with.
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
        let prompter = Prompter::new(asked, local);
        Ok(Self(Arc::new(Inner {
            thoughts: prompter.thoughts(fleet.context()),
            fleet,
            prompter,
            segmenter,
            end_tokens,
            profile: name,
            stream: servers.stream,
        })))
    }

    /// The same policy with its thoughts under a control. A template that can turn thinking off or on is told to.
    ///
    /// # Errors
    ///
    /// Where the server writes whole answers only, and the control does anything.
    pub fn with_thinking(mut self, thinking: Thinking) -> Result<Self, Error> {
        if !self.takes_steps() && thinking != Thinking::ON {
            return Err(Error::Thoughts {
                thinking,
                server: self.0.fleet.name(),
            });
        }
        let Some(inner) = Arc::get_mut(&mut self.0) else {
            return Err(Error::Unsendable("the policy is in use already".into()));
        };
        let control = inner.prompter.think(thinking);
        let end_tokens = inner.end_tokens.clone();
        inner.segmenter = Segmenter::new(inner.prompter.profile(), end_tokens);
        inner.thoughts = Thoughts {
            thinking: control,
            ..inner.prompter.thoughts(inner.fleet.context())
        };
        Ok(self)
    }

    /// The name of the profile in force.
    pub fn profile_name(&self) -> &str {
        &self.0.profile
    }

    /// The profile in force.
    pub fn profile(&self) -> &PolicyProfile {
        self.0.prompter.profile()
    }

    /// The profile's sampling settings.
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

    /// What each server that answered at the first contact is.
    pub fn facts(&self) -> &[Facts] {
        &self.0.fleet.facts
    }

    /// The model's name at the servers.
    pub fn model(&self) -> &str {
        &self.0.fleet.model
    }

    /// The policy's name: the model's, or where that is a path at the server, as with llama.cpp, its last part.
    pub fn name(&self) -> &str {
        let model = self.model();
        let path = model.starts_with(['/', '.', '\\']) || model.ends_with(".gguf");
        let last = model.rsplit(['/', '\\']).find(|part| !part.is_empty());
        match (path, last) {
            (true, Some(last)) => last.strip_suffix(".gguf").unwrap_or(last),
            _ => model,
        }
    }

    /// Host and port of the first server, which tells policies apart that serve models of one name.
    pub fn host(&self) -> String {
        let first = self.0.fleet.pool.endpoints().first();
        first
            .map(crate::endpoint::Endpoint::host)
            .unwrap_or_default()
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.0.fleet.pool)
    }

    /// Can it draw step by step? Servers that give whole answers only cannot.
    pub fn takes_steps(&self) -> bool {
        self.0.fleet.dialect.continues()
    }

    /// What happened at each server so far.
    pub fn stats(&self) -> Vec<EndpointStats> {
        self.0.fleet.stats()
    }

    /// Token ids of a problem's prompt.
    ///
    /// # Errors
    ///
    /// Where they leave no room for an answer, or the server takes no token ids.
    pub fn prompt(&self, problem: &Problem) -> Result<Vec<u32>, Error> {
        let inner = Arc::clone(&self.0);
        let problem = problem.clone();
        background::wait_for(async move {
            let key = prefix_key(&problem.id);
            let ids = inner.prompter.ids(&inner.fleet, key, &problem).await?;
            inner.fleet.room(ids.len())?;
            Ok(ids.to_vec())
        })
    }

    /// Draws one answer to a conversation for each seed, of at most `max_tokens` tokens. Returns the conversation's
    /// token ids (none where the server takes no token ids), the answers, and what they cost.
    ///
    /// # Errors
    ///
    /// Where a server refuses the request, or none answers it.
    pub fn converse(
        &self,
        messages: Vec<Message>,
        seeds: Vec<u64>,
        sampling: Sampling,
        max_tokens: usize,
    ) -> Result<(Vec<u32>, Vec<Continuation>, Usage), Error> {
        let inner = Arc::clone(&self.0);
        background::wait_for(async move {
            // In a free conversation, an answer goes on after a box.
            let settings = DrawSettings {
                sampling,
                max_tokens,
                until: Until::Answer,
                segmenter: inner.segmenter.clone().without_box(),
                halt: None,
            };
            let key = prefix_key(
                &messages
                    .last()
                    .map(|m| m.content.clone())
                    .unwrap_or_default(),
            );
            if !inner.fleet.dialect.continues() {
                let (continuations, usage) = inner.chat(key, &messages, &seeds, &settings).await?;
                return Ok((Vec::new(), continuations, usage));
            }
            let prompt = inner
                .prompter
                .conversation(&inner.fleet, key, &messages)
                .await?;
            let (continuations, usage) = inner.draws(key, &prompt, &seeds, &settings).await?;
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

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        let inner = Arc::clone(&self.0);
        let (key, written) = (prefix_key(&problem.id), text.to_owned());
        async move {
            let work = async move { inner.prompter.written(&inner.fleet, key, &written).await };
            Ok(Step {
                tokens: background::start(work)?.await?,
                ..Step::written(text)
            })
        }
        .boxed()
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        self.takes_steps().then_some(&self.0.thoughts)
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

/// What all draws of an extension have in common.
struct DrawSettings {
    sampling: Sampling,
    max_tokens: usize,
    until: Until,
    segmenter: Segmenter,
    halt: Option<Halt>,
}

impl Inner {
    async fn extension(&self, request: Extension, halt: Option<Halt>) -> Result<Reply, Error> {
        let Extension {
            problem,
            steps,
            seeds,
            until,
            sampling,
            max_tokens,
            offset,
        } = request;
        let key = prefix_key(&problem.id);
        let texts: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
        let segmenter = self.segmenter.clone();
        let segmenter = match steps.last() {
            Some(last) if offset > 0 => {
                segmenter.within(&texts, &self.prompter.bytes(&last.tokens))
            }
            _ => segmenter.after(texts),
        };
        let seeds: Vec<u64> = seeds
            .into_iter()
            .map(|seed| piece_seed(seed, offset))
            .collect();
        let settings = DrawSettings {
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
            return self.chat(key, &messages, &seeds, &settings).await;
        }
        let prompt = self.prompter.ids(&self.fleet, key, &problem).await?;
        let mut prefix = prompt.to_vec();
        prefix.extend(steps.iter().flat_map(|step| &step.tokens));
        self.draws(key, &prefix, &seeds, &settings).await
    }

    /// Sends a request for each seed: no server takes several seeds in one.
    async fn draws(
        &self,
        key: u64,
        prefix: &[u32],
        seeds: &[u64],
        settings: &DrawSettings,
    ) -> Result<Reply, Error> {
        let max_tokens = settings.max_tokens.min(self.fleet.room(prefix.len())?);
        let Fleet { dialect, model, .. } = &self.fleet;
        let tokenizer = self.prompter.tokenizer();
        let stream = self.stream && settings.until == Until::Answer && dialect.streams();
        let draw = |seed: u64| async move {
            let separator = &self.prompter.profile().step_separator;
            let draw_request = DrawRequest {
                model,
                prefix: DrawPrefix::Tokens(prefix),
                seed,
                sampling: settings.sampling,
                max_tokens,
                stop: (settings.until == Until::Step).then_some(separator.as_str()),
                end_tokens: &self.end_tokens,
                stream,
                n: 1,
            };
            let request = dialect.draw_request(&draw_request).map_err(unsendable)?;
            let reader = || {
                let segmenter = settings.segmenter.clone();
                let draw = PartialDraw::new(segmenter, tokenizer.cloned(), settings.until);
                let spelled = tokenizer.is_none();
                let halt = settings.halt.clone();
                DrawReader::new(
                    *dialect,
                    spelled,
                    vec![draw],
                    prefix.len() as u64,
                    stream,
                    halt,
                )
            };
            self.ask(key, &request, settings, 1, reader).await
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
    /// A request that is halted is lost with all of its samples. So under a cap on tokens, one request asks for no more
    /// samples than are sure to fit, and those that may not fit are asked for one by one.
    async fn chat(
        &self,
        key: u64,
        messages: &[Message],
        seeds: &[u64],
        settings: &DrawSettings,
    ) -> Result<Reply, Error> {
        let mut drawn: Vec<Continuation> = Vec::with_capacity(seeds.len());
        let mut usage = Usage::default();
        let mut at_once = self.fleet.pool.answers().max(1);
        while drawn.len() < seeds.len() {
            let open = &seeds[drawn.len()..];
            let sure = settings.halt.as_ref().map_or(open.len(), |halt| {
                let whole = halt.room().unwrap_or(0) / (settings.max_tokens as u64).max(1);
                usize::try_from(whole).unwrap_or(usize::MAX)
            });
            let (now, most) = match sure {
                0 | 1 => (open, 1),
                sure => (&open[..sure.min(open.len())], at_once),
            };
            let parts = now.chunks(most);
            let asked = parts.map(|seeds| self.choices(key, messages, seeds, settings));
            for (continuations, cost) in try_join_all(asked).await? {
                at_once = at_once.min(continuations.len().max(1));
                drawn.extend(continuations);
                usage += cost;
            }
        }
        Ok((drawn, usage))
    }

    /// Sends one request for as many answers as there are seeds. It carries the first seed, and there may be fewer
    /// answers.
    async fn choices(
        &self,
        key: u64,
        messages: &[Message],
        seeds: &[u64],
        settings: &DrawSettings,
    ) -> Result<Reply, Error> {
        let Fleet { dialect, model, .. } = &self.fleet;
        let n = seeds.len();
        let draw_request = DrawRequest {
            model,
            prefix: DrawPrefix::Chat(messages),
            seed: seeds.first().copied().unwrap_or_default(),
            sampling: settings.sampling,
            max_tokens: settings.max_tokens,
            stop: None,
            end_tokens: &[],
            stream: false,
            n,
        };
        let request = dialect.draw_request(&draw_request).map_err(unsendable)?;
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        // A token is about four bytes.
        let prompt = bytes.div_ceil(4) as u64;
        let reader = || {
            // The model ended these answers itself; a box does not.
            let segmenter = settings.segmenter.clone().without_box();
            let draw = PartialDraw::new(segmenter, None, settings.until);
            DrawReader::new(
                *dialect,
                true,
                vec![draw; n],
                prompt,
                false,
                settings.halt.clone(),
            )
        };
        self.ask(key, &request, settings, n, reader).await
    }

    /// Sends a request for `n` draws. When it is halted, what has arrived by then is returned.
    async fn ask(
        &self,
        key: u64,
        request: &ApiRequest,
        settings: &DrawSettings,
        n: usize,
        reader: impl Fn() -> DrawReader,
    ) -> Result<Reply, Error> {
        let Some(halt) = &settings.halt else {
            return self.fleet.pool.ask(key, request, reader).await;
        };
        // The draws of the last attempt; None before the first, which costs nothing.
        let sent: Mutex<Option<(SharedDraws, u64)>> = Mutex::default();
        let noted = || {
            let reader = reader();
            *lock(&sent) = Some(reader.shared());
            reader
        };
        let asking = Box::pin(self.fleet.pool.ask(key, request, noted));
        match select(asking, halt.stopped()).await {
            Either::Left((reply, _)) => return reply,
            Either::Right(((), asking)) => drop(asking),
        }
        let nothing = Continuation {
            steps: Vec::new(),
            stop: Stop::Length,
        };
        let Some((draws, prompt)) = lock(&sent).take() else {
            return Ok((vec![nothing; n], Usage::default()));
        };
        let draws = std::mem::take(&mut *lock(&draws));
        let usage = usage(None, prompt, counted(&draws));
        let draws = draws.into_iter().map(PartialDraw::into_continuation);
        let draws = draws.map(|draw| draw.unwrap_or_else(|| nothing.clone()));
        Ok((draws.collect(), usage))
    }
}

//! `outthink serve`: models behind OpenAI's API.

use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use outthink_core::{AnyMethod, ModelError, Policy, Stop, Until, Usage, draw_seed};
use outthink_engine::{DrawRequest, EmbeddedPolicy};
use outthink_gateway::{
    Finish, Forward, Forwarded, Gateway, Keys, Models, Piece, ServedPolicy, ServedVerifier,
    Settings, Talk, Traces, Turn, Utterance, Voice,
};
use outthink_lab::{ModelInfo, VerifierModel, tree_page};
use outthink_micro::Experts;
use outthink_micro::family::{Family, MICRO, Member};
use outthink_models::Beside;
use outthink_prompt::Message;
use outthink_remote::RemotePolicy;
use outthink_strategy::Strategy;
use tracing_subscriber::filter::LevelFilter;

use crate::blame::blame;
use crate::cli::{PolicyChoice, Serve, VerifierChoice};
use crate::failure::Failure;
use crate::models::{self, AnyPolicy};
use crate::reload::{self, Renewal};
use crate::solve::NO_VERIFIER;
use crate::strategy::{self, Named};
use crate::wiring::{self, LoadedPolicy};

/// Tokens that are drawn between two pieces of a streamed reply.
const PIECE: usize = 8;

pub(crate) fn run(arguments: &Serve) -> Result<(), Failure> {
    let address = arguments.listen;
    let before = reload::Texts::of(arguments);
    let keys = keys(arguments.keys.as_deref(), address)?;
    let traces = traces()?;
    let (models, fitted) = load(arguments)?;
    log();
    let settings = Settings {
        searches: arguments.searches.get(),
        waiting: arguments.waiting,
        ..Settings::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        for policy in &models.policies {
            eprintln!("policy    {}", policy.name);
        }
        for verifier in &models.verifiers {
            eprintln!("verifier  {}", verifier.name);
        }
        if let Some(strategy) = &arguments.strategy {
            eprintln!("strategy  {strategy}, for auto");
        }
        println!("http://{address}/  (the console; an OpenAI client takes http://{address}/v1)");
        let gateway = Gateway::traced(models, keys, settings, traces);
        let looking = tokio::spawn(reload::watch(reload::files(
            arguments, before, fitted, &gateway,
        )));
        outthink_gateway::serve(gateway, listener, asked_to_stop()?).await?;
        looking.abort();
        Ok::<(), anyhow::Error>(())
    });
    // What is still at work then is waited for no longer.
    runtime.shutdown_background();
    Ok(served?)
}

/// The keys of a file; without one, only this machine may be listened to.
pub(crate) fn keys(file: Option<&Path>, address: SocketAddr) -> Result<Keys, Failure> {
    match file {
        Some(file) => Keys::read(file).map_err(Failure::input),
        None if address.ip().is_loopback() => Ok(Keys::default()),
        None => Err(Failure::Input(anyhow!(
            "{address} can be reached from outside, so it needs API keys: make some with `outthink keys add NAME --file keys.toml` and pass --keys keys.toml"
        ))),
    }
}

/// Where traces go, by the variables of OpenTelemetry.
pub(crate) fn traces() -> Result<Option<Traces>, Failure> {
    Traces::from_variables(|name| std::env::var(name).ok()).map_err(Failure::input)
}

/// The log goes to standard error: every request, or from the level on that `RUST_LOG` names.
pub(crate) fn log() {
    let level = std::env::var("RUST_LOG").ok();
    let level = level.and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .init();
}

/// Resolves at Ctrl-C, or when the system asks. Asked again, the process ends at once.
pub(crate) fn asked_to_stop() -> Result<impl Future<Output = ()>, std::io::Error> {
    #[cfg(unix)]
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut asked = async move || {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => 130,
            _ = terminated.recv() => 143,
        }
        #[cfg(not(unix))]
        match tokio::signal::ctrl_c().await {
            _ => 130,
        }
    };
    Ok(async move {
        asked().await;
        eprintln!("shutting down; what runs may end, or at once if you ask again");
        #[expect(clippy::disallowed_methods, reason = "it was asked for twice")]
        tokio::spawn(async move { std::process::exit(asked().await) });
    })
}

/// The models that are named, or else the embedded family; a strategy's file brings its own.
fn load(arguments: &Serve) -> Result<(Models, Option<Renewal>), Failure> {
    let strategy = arguments
        .strategy
        .as_deref()
        .map(Named::parse)
        .transpose()?;
    let builtin = match strategy {
        Some(named @ Named::File(_)) => {
            let (models, renewal) = fitted(arguments, named)?;
            return Ok((models, Some(renewal)));
        }
        Some(Named::Builtin(builtin)) => Some(builtin),
        None => None,
    };
    let named = match &arguments.policy.policy {
        Some(_) => vec![arguments.policy.clone()],
        None => {
            // The default first.
            let own = |member: &Member| PolicyChoice {
                thinking: arguments.policy.thinking,
                ..PolicyChoice::of(member.name)
            };
            let mut family: Vec<PolicyChoice> = MICRO.policies.iter().map(own).collect();
            family.sort_by_key(|choice| choice.name() != PolicyChoice::default().name());
            family
        }
    };
    let mut loaded = Vec::new();
    for choice in named {
        let own = wiring::load_policy(&wiring::policy_table(&choice))?;
        loaded.push((choice.name().to_owned(), own));
    }
    let verifiers = verifiers(arguments, &loaded)?;
    let judge = verifiers.first().map(|own| own.name.clone());
    let mut policies = Vec::new();
    for (name, own) in loaded {
        let strategy = match (builtin, &judge) {
            (None, _) => None,
            (Some(builtin), Some(judge)) => {
                let fixed = builtin.with(&own.info, judge).map_err(Failure::input)?;
                let strategy = Strategy::Fixed(fixed);
                strategy::fits(&strategy, &own)?;
                Some(Arc::new(strategy))
            }
            (Some(builtin), None) => {
                return Err(Failure::Input(anyhow!(
                    "{builtin} needs a verifier; name one with --verifier"
                )));
            }
        };
        policies.push(ServedPolicy {
            strategy,
            ..policy(own, &name)
        });
    }
    let models = Models {
        policies,
        verifiers,
        answers: Arc::new(arguments.domain.get()),
        quorum: arguments.quorum.get(),
        blame,
        markup: tree_page::markup,
    };
    Ok((models, None))
}

/// The verifier that is named; or those of the embedded family, if all that is served is of one. No other policy is judged by
/// a verifier that nobody named.
fn verifiers(
    arguments: &Serve,
    policies: &[(String, LoadedPolicy)],
) -> Result<Vec<ServedVerifier>, Failure> {
    let unnamed = VerifierChoice::default();
    let mut defaults: Vec<String> = policies
        .iter()
        .map(|(_, policy)| models::beside(&policy.model, &unnamed).name().to_owned())
        .collect();
    defaults.dedup();
    let of_family = |name: &str| {
        let is_first =
            |family: &Family| family.verifiers.first().is_some_and(|own| own.name == name);
        Family::ALL.into_iter().find(is_first)
    };
    let scorers: Vec<VerifierChoice> = match (&arguments.verifier.verifier, defaults.as_slice()) {
        (Some(_), _) => {
            let choice = Cow::Borrowed(&arguments.verifier);
            vec![match policies.len() {
                1 => models::by_name(choice, &arguments.policy).into_owned(),
                _ => choice.into_owned(),
            }]
        }
        (None, [one]) if one != "none" => match of_family(one) {
            Some(family) => {
                let own = |member: &Member| VerifierChoice::of(member.name);
                family.verifiers.iter().map(own).collect()
            }
            // Two models as one have the verifiers of two families as one.
            None => vec![VerifierChoice::of(one)],
        },
        (None, _) => {
            eprintln!("{NO_VERIFIER}");
            Vec::new()
        }
    };
    let mut verifiers = Vec::new();
    for choice in scorers {
        let served = || Ok(policies.iter().map(|(_, own)| Beside::from(own)).collect());
        if let Some(verifier) = models::verifier_beside(&choice, &served)? {
            for (name, policy) in policies {
                if let Some(reason) = models::mismatch(&policy.model, &verifier) {
                    eprintln!("warning: {name}: {reason}");
                }
            }
            let cost = verifier.cost();
            verifiers.push(ServedVerifier {
                name: choice.name().to_owned(),
                model: Arc::new(verifier),
                cost,
            });
        }
    }
    Ok(verifiers)
}

/// A fitted strategy with its policy and its verifiers.
fn fitted(arguments: &Serve, named: Named) -> Result<(Models, Renewal), Failure> {
    let asked = match &named {
        Named::File(file) => file
            .verifiers()
            .iter()
            .map(|own| own.name.clone())
            .collect(),
        Named::Builtin(_) => Vec::new(),
    };
    let loaded = wiring::load_policy(&named.policy(&arguments.policy)?)?;
    let tables = named.verifiers(&loaded.model, &arguments.verifier, None)?;
    let own = [Beside::from(&loaded)];
    let read = tables.iter().map(|table| wiring::verifier(table, &own));
    let read: Vec<VerifierModel> = read.collect::<Result<_, _>>()?;
    let infos: Vec<&ModelInfo> = read.iter().map(|own| &own.info).collect();
    let info = loaded.info.clone();
    let strategy = named.with(&info, &infos)?;
    strategy::fits(&strategy, &loaded)?;
    let methods = AnyMethod::all()
        .into_iter()
        .map(|method| (method.name(), loaded.model.takes(method)));
    let renewal = Renewal {
        policy: info.clone(),
        verifiers: infos.into_iter().cloned().collect(),
        named: asked,
        methods: methods
            .filter(|(_, taken)| taken.is_ok())
            .map(|(name, _)| name)
            .collect(),
    };
    let mut policy = policy(loaded, &info.name);
    policy.strategy = Some(Arc::new(strategy));
    let served = |own: VerifierModel| ServedVerifier {
        name: own.info.name,
        model: own.model,
        cost: own.info.cost,
    };
    let models = Models {
        policies: vec![policy],
        verifiers: read.into_iter().map(served).collect(),
        answers: Arc::new(arguments.domain.get()),
        quorum: arguments.quorum.get(),
        blame,
        markup: tree_page::markup,
    };
    Ok((models, renewal))
}

fn policy(loaded: LoadedPolicy, name: &str) -> ServedPolicy {
    let LoadedPolicy {
        model,
        sampling,
        limits,
        info,
    } = loaded;
    // What a table or a strategy's file says of a server's model counts, too.
    let cost = info.cost;
    let steps = model.takes_steps();
    let profile = model.profile_name().to_owned();
    let (name, voice, model): (_, _, Arc<dyn Policy>) = match model {
        AnyPolicy::Model(model) => {
            let model = Arc::<EmbeddedPolicy>::from(model);
            let talks: Arc<dyn Talk> = Arc::new(Embedded(Arc::clone(&model)));
            (name.to_owned(), Voice::Talks(talks), model)
        }
        AnyPolicy::Experts(pair) => {
            let talks = Routed(pair.experts.clone().map(Embedded));
            (
                name.to_owned(),
                Voice::Talks(Arc::new(talks)),
                Arc::new(pair.experts),
            )
        }
        AnyPolicy::Remote(servers) => {
            let servers = Arc::new(servers);
            let forwards: Arc<dyn Forward> = Arc::new(Upstream(Arc::clone(&servers)));
            (
                servers.model().to_owned(),
                Voice::Forwards(forwards),
                servers,
            )
        }
    };
    ServedPolicy {
        name,
        model,
        steps,
        voice,
        sampling,
        limits,
        cost,
        profile: Some(profile),
        strategy: None,
    }
}

/// The policy's own servers, which answer what is no search.
struct Upstream(Arc<RemotePolicy>);

impl Forward for Upstream {
    fn forward(
        &self,
        path: &'static str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Forwarded, ModelError>> {
        let servers = Arc::clone(&self.0);
        async move {
            let outthink_remote::Forwarded {
                status,
                content_type,
                body,
            } = servers.forward(path, body).await?;
            Ok(Forwarded {
                status,
                content_type,
                body,
            })
        }
        .boxed()
    }
}

/// An embedded policy as it is.
struct Embedded(Arc<EmbeddedPolicy>);

/// A reply that is being drawn.
struct Reply {
    policy: Arc<EmbeddedPolicy>,
    asked: Utterance,
    prompt: Vec<u32>,
    tokens: Vec<u32>,
    /// Tokens that may still be drawn.
    left: usize,
    /// Bytes of the text that were told.
    told: usize,
    usage: Usage,
    finish: Option<Finish>,
}

impl Embedded {
    /// What people wrote must be readable. A model that was trained without a system prompt, in an alphabet of its own, is not
    /// given one that it cannot read.
    fn prompt(&self, turns: &[Turn]) -> Result<Vec<u32>, outthink_engine::Error> {
        let trained = self.0.profile().system.is_some();
        let mut messages = Vec::with_capacity(turns.len());
        for Turn { role, content } in turns {
            let readable = match role.as_str() {
                "user" => self.0.check(content),
                "system" if !trained => self.0.check(content),
                _ => Ok(()),
            };
            match readable {
                Err(outthink_engine::Error::Prompt(outthink_prompt::Error::OutsideAlphabet {
                    ..
                })) if role == "system" => continue,
                readable => readable?,
            }
            messages.push(Message::new(role, content.as_str()));
        }
        self.0.chat(&messages)
    }
}

impl Talk for Embedded {
    fn talk(&self, asked: Utterance) -> BoxStream<'static, Result<Piece, ModelError>> {
        let prompt = match self.prompt(&asked.turns) {
            Ok(prompt) => prompt,
            Err(error) => return stream::iter([Err(error.into())]).boxed(),
        };
        let room = self.0.context() - prompt.len();
        let wanted = asked.max_tokens.unwrap_or(self.0.profile().solution_tokens);
        let reply = Reply {
            policy: Arc::clone(&self.0),
            left: wanted.min(room),
            asked,
            prompt,
            tokens: Vec::new(),
            told: 0,
            usage: Usage::default(),
            finish: None,
        };
        stream::try_unfold(reply, Reply::next).boxed()
    }
}

/// Two embedded policies, each for its own kinds of problem: the last thing that was asked says whose turn it is.
struct Routed(Experts<Embedded>);

impl Talk for Routed {
    fn talk(&self, asked: Utterance) -> BoxStream<'static, Result<Piece, ModelError>> {
        let last = asked.turns.iter().rfind(|turn| turn.role == "user");
        let text = last.map_or("", |turn| turn.content.as_str());
        self.0.of(text).talk(asked)
    }
}

impl Reply {
    /// Draws a few more tokens. Everything before them is in the engine's tree, so nothing is computed twice.
    async fn next(mut self) -> Result<Option<(Piece, Self)>, ModelError> {
        if self.finish.is_some() {
            return Ok(None);
        }
        self.draw().await?;
        let text = self.policy.text(&self.tokens);
        // A character that is not whole yet is told with its last token.
        let whole = match self.finish {
            Some(_) => text.as_str(),
            None => text.trim_end_matches('\u{fffd}'),
        };
        let more = whole.get(self.told..).unwrap_or_default().to_owned();
        self.told += more.len();
        let piece = Piece {
            text: more,
            usage: self.usage,
            finish: self.finish,
        };
        Ok(Some((piece, self)))
    }

    async fn draw(&mut self) -> Result<(), ModelError> {
        let (mut draws, usage) = self
            .policy
            .draw(DrawRequest {
                prefix: [self.prompt.as_slice(), &self.tokens].concat(),
                seeds: vec![draw_seed(self.asked.seed, self.tokens.iter().copied(), 0)],
                until: Until::Answer,
                sampling: self.asked.sampling,
                max_tokens: self.left.min(PIECE),
                offset: 0,
                segmenter: self.policy.free_segmenter(),
            })
            .await?;
        // The prompt was asked for once; what the later draws begin with is the reply itself.
        self.usage = match self.tokens.is_empty() {
            true => usage,
            false => Usage {
                requests: self.usage.requests,
                prompt: self.usage.prompt,
                cached: self.usage.cached,
                ..self.usage + usage
            },
        };
        let draw = draws.pop().ok_or("the engine drew nothing")?;
        let before = self.tokens.len();
        self.tokens
            .extend(draw.steps.into_iter().flat_map(|step| step.tokens));
        let drawn = self.tokens.len() - before;
        self.left -= drawn.min(self.left);
        if draw.stop != Stop::Length {
            self.finish = Some(Finish::Stop);
        } else if self.left == 0 || drawn == 0 {
            self.finish = Some(Finish::Length);
        }
        Ok(())
    }
}

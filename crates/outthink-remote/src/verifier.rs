//! Servers as a verifier.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt, try_join_all};
use outthink_core::{Judgement, ModelError, Prefix, Usage, Verifier};
use outthink_prompt::{
    ChatTemplate, Profile, PromptFiles, Rendered, Reward, RewardLayout, Tokenizer,
};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::dialect::{Dialect, ReportedUsage, Unreadable, llama_cpp, sglang, vllm};
use crate::http::TransportError;
use crate::policy::{CountedTokens, key, usage};
use crate::pool::{ApiRequest, EndpointStats, Pool, ResponseReader};
use crate::probe::{Facts, Fleet, Wanted, probe};
use crate::prompt::unsendable;
use crate::{Error, Notice, Role, Servers, background};

/// Step rewards kept, for servers that score one step a request.
const KEPT: usize = 1 << 18;

/// Replicas of a process reward model.
pub struct RemoteVerifier(Arc<Inner>);

struct Inner {
    pool: Arc<Pool>,
    fleet: Fleet,
    method: RewardEndpoint,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    layout: RewardLayout,
    profile: String,
    kept: Mutex<HashMap<u128, f64>>,
}

/// How the servers read rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RewardEndpoint {
    /// All steps in one request: rows of a classifier, of labels or of a value.
    Rows,
    /// All steps in one request: `outthink prm-serve` gives the log-probability of each token.
    LikelihoodRows,
    /// All steps in one request: the log-probability of each token of the prompt.
    Likelihood,
    /// A request a step: which of two tokens comes next.
    Labels([u32; 2]),
}

impl RemoteVerifier {
    /// Finds out what the servers are; waits for them as long as their configuration says. The tokenizer's folder must be
    /// named: how a solution is laid out is this side's business. `profile`: or the one that fits the folder.
    pub fn connect(
        servers: &Servers,
        profile: Option<Profile>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let folder = servers.tokenizer.as_deref();
        let folder = folder.ok_or(Error::NoTokenizer("a verifier is sent token ids"))?;
        Self::connect_with(servers, PromptFiles::read(folder)?, profile, notice)
    }

    /// The same with the model's files at hand.
    pub fn connect_with(
        servers: &Servers,
        files: PromptFiles,
        profile: Option<Profile>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let pool = Arc::new(Pool::new(Role::Verifier, servers, notice)?);
        let probing = Arc::clone(&pool);
        let wanted = Wanted::of(servers);
        let fleet = background::wait_for(async move { probe(&probing, &wanted).await })?;
        let profile = match profile {
            Some(profile) => profile,
            None => Profile::detect(
                outthink_prompt::Role::Verifier,
                &files.architecture,
                &files.tokenizer,
            )?,
        };
        let no_verifier =
            || Error::Unsendable(format!("the profile {} is no verifier's", profile.name));
        let shown = profile.verifier.as_ref().ok_or_else(no_verifier)?;
        let layout = RewardLayout::new(shown, &files.tokenizer)?;
        let method = method(&fleet, layout.reward())?;
        Ok(Self(Arc::new(Inner {
            pool,
            fleet,
            method,
            template: files.chat_template()?,
            tokenizer: files.tokenizer,
            layout,
            profile: profile.name,
            kept: Mutex::default(),
        })))
    }

    /// The name of the profile in force.
    pub fn profile_name(&self) -> &str {
        &self.0.profile
    }

    /// What the servers said they are.
    pub fn facts(&self) -> &[Facts] {
        &self.0.fleet.facts
    }

    /// The model's name at the servers.
    pub fn model(&self) -> &str {
        &self.0.fleet.model
    }

    /// How rewards are asked for, in words.
    pub fn method(&self) -> &'static str {
        match self.0.method {
            RewardEndpoint::Rows => "/pooling, all steps in one request",
            RewardEndpoint::LikelihoodRows => "/pooling, the likelihood of each token",
            RewardEndpoint::Likelihood => {
                "log-probabilities of the prompt, all steps in one request"
            }
            RewardEndpoint::Labels(_) => "probabilities of two tokens, one request a new step",
        }
    }

    /// What happened at each server so far.
    pub fn stats(&self) -> Vec<EndpointStats> {
        self.0.pool.stats()
    }
}

/// How a kind of server reads a kind of reward, if it can.
fn method(fleet: &Fleet, reward: Reward) -> Result<RewardEndpoint, Error> {
    let cannot = |reason| Error::CannotScore {
        server: fleet.name(),
        reason,
    };
    let pools = fleet.facts.iter().all(|facts| facts.pools);
    match (fleet.dialect, reward) {
        (Dialect::Outthink, Reward::Likelihood | Reward::NextLabel | Reward::Ratio(_)) => {
            Ok(RewardEndpoint::LikelihoodRows)
        }
        (_, Reward::NextLabel) => Err(cannot(
            "it does not read a label of each token that came next; use `outthink prm-serve`",
        )),
        (_, Reward::Ratio(_)) => Err(cannot(
            "an implicit PRM is read against its reference, and one server has one model; use `outthink prm-serve`",
        )),
        (Dialect::Outthink, _) => Ok(RewardEndpoint::Rows),
        (Dialect::Vllm, Reward::Likelihood) if pools => Err(cannot(
            "likelihoods come from a server that generates; start it without --runner pooling",
        )),
        (Dialect::Vllm, _) if pools => Ok(RewardEndpoint::Rows),
        (Dialect::Vllm | Dialect::Sglang, Reward::Likelihood) => Ok(RewardEndpoint::Likelihood),
        (Dialect::Vllm | Dialect::Sglang | Dialect::LlamaCpp, Reward::Tokens(right, wrong)) => {
            Ok(RewardEndpoint::Labels([right, wrong]))
        }
        (Dialect::Vllm, _) => Err(cannot(
            "its reward head is read from /pooling; start it with --runner pooling",
        )),
        (Dialect::Sglang, _) => Err(cannot(
            "it returns one row a text; use vLLM or `outthink prm-serve`",
        )),
        (Dialect::LlamaCpp, _) => Err(cannot(
            "it returns neither prompt log-probabilities nor a row per token; use vLLM or `outthink prm-serve`",
        )),
        (Dialect::Chat | Dialect::Gateway, _) => Err(cannot("it is a chat endpoint")),
    }
}

impl Verifier for RemoteVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let inner = Arc::clone(&self.0);
        async move {
            let work = async move {
                let judgements = prefixes.into_iter().map(|prefix| inner.judge(prefix));
                try_join_all(judgements).await
            };
            Ok(background::start(work)?.await?)
        }
        .boxed()
    }
}

impl Inner {
    async fn judge(&self, prefix: Prefix) -> Result<Judgement, Error> {
        let steps: Vec<&str> = prefix.steps.iter().map(|step| step.text.as_str()).collect();
        let rendered = self.layout.render(
            &self.tokenizer,
            &self.template,
            &prefix.problem.text,
            &steps,
            prefix.complete,
        )?;
        self.fleet.room(rendered.tokens.len().saturating_sub(1))?;
        let key = key(&prefix.problem.id);
        let (rewards, usage) = match self.method {
            RewardEndpoint::Rows => self.rows(key, &rendered).await?,
            RewardEndpoint::LikelihoodRows | RewardEndpoint::Likelihood => {
                self.likelihood(key, &rendered).await?
            }
            RewardEndpoint::Labels(labels) => self.labels(key, &rendered, labels).await?,
        };
        Ok(Judgement { rewards, usage })
    }

    async fn rows(&self, key: u64, rendered: &Rendered) -> Result<(Vec<f64>, Usage), Error> {
        let Rendered { tokens, steps } = rendered;
        // A value is read before its logistic function, which servers apply or not; probabilities are read after.
        let activated = self.layout.reward() != Reward::Value;
        let question = vllm::pooling_question(&self.fleet.model, tokens, activated);
        let (rows, told, endpoint) = self.ask(key, question, vllm::read_pooling).await?;
        let places: Vec<usize> = steps.iter().map(|step| step.start).collect();
        // One row per token, or one a step tag; the text may hold more tags than those of the steps.
        let tags: Vec<usize> = match places.first() {
            Some(&first) => (0..tokens.len())
                .filter(|&at| tokens[at] == tokens[first])
                .collect(),
            None => Vec::new(),
        };
        let row_of = |place: usize| match rows.len() {
            n if n == tokens.len() => rows.get(place),
            n if n == tags.len() => rows.get(tags.binary_search(&place).ok()?),
            _ => None,
        };
        let chosen: Option<Vec<&Vec<f64>>> = places.iter().map(|&place| row_of(place)).collect();
        let chosen = chosen.ok_or_else(|| Error::Rows {
            endpoint: endpoint.clone(),
            got: rows.len(),
            steps: steps.len(),
            tokens: tokens.len(),
            hint: match rows.len() {
                0 => "; its step_tag_id may be another token than the profile's marker (--pooler-config)",
                1 => "; it may pool the last token only: --pooler-config '{\"task\":\"token_classify\"}'",
                _ => "",
            },
        })?;
        let rewards = chosen
            .into_iter()
            .map(|row| reward(self.layout.reward(), row))
            .map(|reward| {
                reward.map_err(|(row, expected)| Error::NotAReward {
                    endpoint: endpoint.clone(),
                    row,
                    expected,
                })
            });
        Ok((
            rewards.collect::<Result<_, _>>()?,
            self.usage(told, tokens.len()),
        ))
    }

    async fn likelihood(&self, key: u64, rendered: &Rendered) -> Result<(Vec<f64>, Usage), Error> {
        let Rendered { tokens, steps } = rendered;
        let model = &self.fleet.model;
        let (values, told, endpoint) = match (self.method, self.fleet.dialect) {
            (RewardEndpoint::LikelihoodRows, _) => {
                let question = vllm::pooling_question(model, tokens, false);
                let read = |data: &[u8]| {
                    let (rows, told) = vllm::read_pooling(data)?;
                    if rows.len() != tokens.len() {
                        let (got, sent) = (rows.len(), tokens.len());
                        return Err(format!("{got} rows for {sent} tokens").into());
                    }
                    let first = |row: Vec<f64>| row.first().copied().unwrap_or(f64::NAN);
                    Ok((rows.into_iter().map(first).collect(), told))
                };
                self.ask(key, question, read).await?
            }
            (_, Dialect::Sglang) => {
                let question = sglang::reading_question(tokens, None);
                self.ask(key, question, |data| sglang::read_likelihood(data, tokens))
                    .await?
            }
            _ => {
                let question = vllm::likelihood_question(model, tokens);
                self.ask(key, question, |data| vllm::read_likelihood(data, tokens))
                    .await?
            }
        };
        let ratio = match self.layout.reward() {
            Reward::Ratio(beta) => Some(beta),
            _ => None,
        };
        let (mut lowest, mut total) = (0.0f64, 0.0f64);
        let rewards = steps.iter().map(|step| {
            for &value in values.get(step.clone()).unwrap_or_default() {
                if !value.is_finite() || (ratio.is_none() && value > 1e-3) {
                    return Err(Error::NotAReward {
                        endpoint: endpoint.clone(),
                        row: vec![value],
                        expected: "log-probability",
                    });
                }
                // A running minimum: after a slip, whatever follows consistently is likely again.
                lowest = lowest.min(value);
                total += value;
            }
            Ok(match ratio {
                Some(beta) => 1.0 / (1.0 + (-beta * total).exp()),
                None => lowest.exp(),
            })
        });
        Ok((
            rewards.collect::<Result<_, _>>()?,
            self.usage(told, tokens.len()),
        ))
    }

    /// A search asks for the steps before a new one again and again; what was read once is kept.
    async fn labels(
        &self,
        key: u64,
        rendered: &Rendered,
        labels: [u32; 2],
    ) -> Result<(Vec<f64>, Usage), Error> {
        let model = &self.fleet.model;
        let dialect = self.fleet.dialect;
        let score = |end: usize| async move {
            let tokens = &rendered.tokens[..end];
            let mut hasher = SipHasher13::new();
            tokens.iter().for_each(|token| hasher.write_u32(*token));
            let name = hasher.finish128().as_u128();
            let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(reward) = kept().get(&name) {
                return Ok((*reward, Usage::default()));
            }
            let share = |[right, wrong]: [f64; 2]| 1.0 / (1.0 + (wrong - right).exp());
            let (reward, told, endpoint) = match dialect {
                Dialect::LlamaCpp => {
                    let question = llama_cpp::labels_question(tokens, labels);
                    self.ask(key, question, |data| llama_cpp::read_labels(data, labels))
                        .await?
                }
                Dialect::Sglang => {
                    let question = sglang::reading_question(tokens, Some(labels));
                    let read = |data: &[u8]| {
                        sglang::read_labels(data, labels).map(|(both, told)| (share(both), told))
                    };
                    self.ask(key, question, read).await?
                }
                _ => {
                    let question = vllm::labels_question(model, tokens, labels);
                    let read = |data: &[u8]| {
                        vllm::read_labels(data, labels).map(|(both, told)| (share(both), told))
                    };
                    self.ask(key, question, read).await?
                }
            };
            if !(0.0..=1.0).contains(&reward) {
                return Err(Error::NotAReward {
                    endpoint,
                    row: vec![reward],
                    expected: "probability",
                });
            }
            let mut kept = kept();
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(name, reward);
            Ok((reward, usage(told, end as u64, CountedTokens::exactly(1))))
        };
        let scored = try_join_all(rendered.steps.iter().map(|step| score(step.end))).await?;
        Ok(scored.into_iter().fold(
            (Vec::new(), Usage::default()),
            |(mut rewards, total), (reward, usage)| {
                rewards.push(reward);
                (rewards, total + usage)
            },
        ))
    }

    fn usage(&self, told: Option<ReportedUsage>, tokens: usize) -> Usage {
        let mut told = told.unwrap_or_else(|| ReportedUsage::new(tokens as u64, None, 0));
        // A server without a prefix cache need not tell that nothing came from it.
        let caches = self
            .fleet
            .facts
            .iter()
            .any(|facts| facts.prefix_caching != Some(false));
        if !caches {
            told.cached = told.cached.or(Some(0));
        }
        // An endpoint that only reads may say nothing of what it drew.
        told.generated = told.generated.or(Some(0));
        usage(Some(told), tokens as u64, CountedTokens::exactly(0))
    }

    /// The value of an answer, its usage and who gave it.
    async fn ask<T: Send>(
        &self,
        key: u64,
        question: Result<ApiRequest, serde_json::Error>,
        read: impl Fn(&[u8]) -> Result<(T, Option<ReportedUsage>), Unreadable> + Send + Sync,
    ) -> Result<(T, Option<ReportedUsage>, String), Error> {
        let question = question.map_err(unsendable)?;
        let reader = || RewardReader {
            read: &read,
            value: None,
        };
        self.pool.ask(key, &question, reader).await
    }
}

/// The reward in a row, or the row and what it should have been.
pub(crate) fn reward(kind: Reward, row: &[f64]) -> Result<f64, (Vec<f64>, &'static str)> {
    /// Half-precision servers round.
    const ROUNDING: f64 = 0.02;
    let probabilities = |label: usize| {
        let sum: f64 = row.iter().sum();
        let sound = row.iter().all(|p| (0.0..=1.0).contains(p)) && (sum - 1.0).abs() <= ROUNDING;
        match row.get(label) {
            Some(&p) if sound && row.len() > 1 => Ok(p),
            _ => Err((row.to_vec(), "row of label probabilities")),
        }
    };
    match kind {
        Reward::Label(label) => probabilities(label),
        Reward::Tokens(..) => probabilities(0),
        Reward::Value => match row {
            [value] if value.is_finite() => Ok(1.0 / (1.0 + (-value).exp())),
            _ => Err((row.to_vec(), "value")),
        },
        Reward::Likelihood | Reward::NextLabel | Reward::Ratio(_) => {
            Err((row.to_vec(), "log-probability"))
        }
    }
}

struct RewardReader<'a, F, T> {
    read: &'a F,
    value: Option<(T, Option<ReportedUsage>)>,
}

impl<F, T: Send> ResponseReader for RewardReader<'_, F, T>
where
    F: Fn(&[u8]) -> Result<(T, Option<ReportedUsage>), Unreadable> + Send + Sync,
{
    type Value = (T, Option<ReportedUsage>, String);

    fn take(&mut self, endpoint: &str, data: &[u8]) -> Result<bool, TransportError> {
        let value = (self.read)(data).map_err(|unreadable| unreadable.at(endpoint))?;
        self.value = Some(value);
        Ok(true)
    }

    fn finish(self, endpoint: &str) -> Result<(Self::Value, u64), TransportError> {
        let (value, told) = self
            .value
            .ok_or_else(|| TransportError::Garbled("no answer".into()))?;
        let told_work =
            |told: ReportedUsage| told.prompt.unwrap_or(0) + told.generated.unwrap_or(0);
        let work = told.map_or(1, told_work).max(1);
        Ok(((value, told, endpoint.to_owned()), work))
    }
}

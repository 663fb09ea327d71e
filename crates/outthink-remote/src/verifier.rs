//! Model servers as a verifier.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt, try_join_all};
use outthink_core::{Judgement, ModelError, Prefix, Usage, Verifier};
use outthink_prompt::{
    ChatTemplate, Profile, PromptFiles, Rendered, Reward, RewardLayout, Tokenizer,
};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::call::{prefix_key, unsendable};
use crate::dialect::{Dialect, RewardEndpoint, ScoreRequest, Scores};
use crate::fleet::{Fleet, profile_for};
use crate::http::TransportError;
use crate::pool::EndpointStats;
use crate::probe::Facts;
use crate::request::ResponseReader;
use crate::usage::{CountedTokens, ReportedUsage, usage};
use crate::{Error, Notice, Role, Servers, background};

/// Most step rewards that are kept, for servers that score one step a request.
const KEPT: usize = 1 << 18;

/// Replicas of a process reward model on model servers, as a [`Verifier`].
pub struct RemoteVerifier(Arc<Inner>);

struct Inner {
    fleet: Fleet,
    reward_endpoint: RewardEndpoint,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    layout: RewardLayout,
    profile: String,
    kept: Mutex<HashMap<u128, f64>>,
}

impl RemoteVerifier {
    /// Connects to servers: asks them what they are, and waits for the first to answer. The configuration has to name
    /// the tokenizer's folder, because solutions are laid out and tokenised here. Without a `profile`, the one that
    /// fits that folder is used. `notice` is called as by [`RemotePolicy::connect`](crate::RemotePolicy::connect).
    ///
    /// # Errors
    ///
    /// Where no server answers, the configuration cannot be used, or the servers cannot give this verifier's rewards.
    pub fn connect(
        servers: &Servers,
        profile: Option<Profile>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let folder = servers.tokenizer.as_deref();
        let folder = folder.ok_or(Error::NoTokenizer("a verifier is sent token ids"))?;
        Self::connect_with(servers, PromptFiles::read(folder)?, profile, notice)
    }

    /// Connects like [`connect`](Self::connect), with the model's files already read.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        servers: &Servers,
        files: PromptFiles,
        profile: Option<Profile>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let fleet = Fleet::connect(Role::Verifier, servers, notice)?;
        let profile = profile_for(outthink_prompt::Role::Verifier, profile, &files)?;
        let no_verifier =
            || Error::Unsendable(format!("the profile {} is no verifier's", profile.name));
        let shown = profile.verifier.as_ref().ok_or_else(no_verifier)?;
        let layout = RewardLayout::new(shown, &files.tokenizer)?;
        let pools = fleet.facts.iter().all(|facts| facts.pools);
        let reward_endpoint = fleet
            .dialect
            .reward_endpoint(layout.reward(), pools)
            .map_err(|reason| Error::CannotScore {
                server: fleet.name(),
                reason,
            })?;
        Ok(Self(Arc::new(Inner {
            fleet,
            reward_endpoint,
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

    /// What each server that answered at the first contact is.
    pub fn facts(&self) -> &[Facts] {
        &self.0.fleet.facts
    }

    /// The model's name at the servers.
    pub fn model(&self) -> &str {
        &self.0.fleet.model
    }

    /// How rewards are asked for, in words.
    pub fn method(&self) -> &'static str {
        self.0.reward_endpoint.description()
    }

    /// What happened at each server so far.
    pub fn stats(&self) -> Vec<EndpointStats> {
        self.0.fleet.stats()
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
        let key = prefix_key(&prefix.problem.id);
        let (rewards, usage) = match self.reward_endpoint {
            RewardEndpoint::Rows { .. } => self.rows(key, &rendered).await?,
            RewardEndpoint::LikelihoodRows | RewardEndpoint::PromptLikelihood => {
                self.likelihood(key, &rendered).await?
            }
            RewardEndpoint::Labels(_) => self.labels(key, &rendered).await?,
        };
        Ok(Judgement { rewards, usage })
    }

    async fn rows(&self, key: u64, rendered: &Rendered) -> Result<(Vec<f64>, Usage), Error> {
        let Rendered { tokens, steps } = rendered;
        let (Scores { rows, usage }, endpoint) = self.ask(key, tokens).await?;
        let places: Vec<usize> = steps.iter().map(|step| step.start).collect();
        // There is a row for each token, or for each step tag. The text may hold more tags than those of its steps.
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
            self.usage(usage, tokens.len()),
        ))
    }

    async fn likelihood(&self, key: u64, rendered: &Rendered) -> Result<(Vec<f64>, Usage), Error> {
        let Rendered { tokens, steps } = rendered;
        let (Scores { rows, usage }, endpoint) = self.ask(key, tokens).await?;
        let first = |row: Vec<f64>| row.first().copied().unwrap_or(f64::NAN);
        let values: Vec<f64> = rows.into_iter().map(first).collect();
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
            self.usage(usage, tokens.len()),
        ))
    }

    /// Rewards from a request for each step. A search scores all steps of a solution again whenever one is added, so
    /// the rewards are kept.
    async fn labels(&self, key: u64, rendered: &Rendered) -> Result<(Vec<f64>, Usage), Error> {
        let score = |end: usize| async move {
            let tokens = &rendered.tokens[..end];
            let mut hasher = SipHasher13::new();
            tokens.iter().for_each(|token| hasher.write_u32(*token));
            let name = hasher.finish128().as_u128();
            let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(reward) = kept().get(&name) {
                return Ok((*reward, Usage::default()));
            }
            let (scores, endpoint) = self.ask(key, tokens).await?;
            let reward = scores.rows.first().and_then(|row| row.first()).copied();
            let reward = reward.unwrap_or(f64::NAN);
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
            Ok((
                reward,
                usage(scores.usage, end as u64, CountedTokens::exactly(1)),
            ))
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

    /// The cost of a request that only reads; `tokens`: how many were sent.
    fn usage(&self, reported: Option<ReportedUsage>, tokens: usize) -> Usage {
        let mut reported = reported.unwrap_or_else(|| ReportedUsage::new(tokens as u64, None, 0));
        // A server without a prefix cache need not report that it used none.
        let caches = self
            .fleet
            .facts
            .iter()
            .any(|facts| facts.prefix_caching != Some(false));
        if !caches {
            reported.cached = reported.cached.or(Some(0));
        }
        // An endpoint that only reads need not report that it drew nothing.
        reported.generated = reported.generated.or(Some(0));
        usage(Some(reported), tokens as u64, CountedTokens::exactly(0))
    }

    /// What a server gives for these tokens, and the server's address.
    async fn ask(&self, key: u64, tokens: &[u32]) -> Result<(Scores, String), Error> {
        let dialect = self.fleet.dialect;
        let score = ScoreRequest {
            model: &self.fleet.model,
            tokens,
            endpoint: self.reward_endpoint,
        };
        let request = dialect.score_request(&score).map_err(unsendable)?;
        let reader = || ScoreReader {
            dialect,
            score,
            scores: None,
        };
        self.fleet.pool.ask(key, &request, reader).await
    }
}

/// The reward in a row of a head's outputs, in [0, 1].
///
/// # Errors
///
/// The row and what it should have been.
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

/// Reads the answer to one score request.
struct ScoreReader<'a> {
    dialect: &'static dyn Dialect,
    score: ScoreRequest<'a>,
    scores: Option<Scores>,
}

impl ResponseReader for ScoreReader<'_> {
    type Value = (Scores, String);

    fn take(&mut self, endpoint: &str, data: &[u8]) -> Result<bool, TransportError> {
        let scores = self.dialect.read_scores(data, &self.score);
        self.scores = Some(scores.map_err(|unreadable| unreadable.at(endpoint))?);
        Ok(true)
    }

    fn finish(self, endpoint: &str) -> Result<(Self::Value, u64), TransportError> {
        let no_answer = || TransportError::Malformed("no answer".into());
        let scores = self.scores.ok_or_else(no_answer)?;
        let tokens =
            |usage: ReportedUsage| usage.prompt.unwrap_or(0) + usage.generated.unwrap_or(0);
        let work = scores.usage.map_or(1, tokens).max(1);
        Ok(((scores, endpoint.to_owned()), work))
    }
}

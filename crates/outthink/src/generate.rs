//! `outthink generate`: a policy as it is, without search.

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use outthink_core::{Continuation, Sampling, Stop, Thinking, Until, Usage, draw_seed};
use outthink_engine::{DrawRequest, DrawnText};
use outthink_prompt::Message;
use outthink_remote::RemotePolicy;
use serde::Serialize;

use crate::cli::Generate;
use crate::failure::Failure;
use crate::models;

#[derive(Serialize)]
struct Report {
    profile: String,
    prompt_tokens: Vec<u32>,
    choices: Vec<Choice>,
    usage: Usage,
}

#[derive(Serialize)]
struct Choice {
    text: String,
    tokens: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<TokenLogprob>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct TokenLogprob {
    token: String,
    logprob: f32,
}

pub(crate) fn run(arguments: &Generate) -> Result<(), Failure> {
    if arguments.n == 0 || arguments.max_tokens == 0 {
        return Err(Failure::Input(anyhow!(
            "--n and --max-tokens must be at least 1"
        )));
    }
    if let Some(thinking) = arguments.policy.thinking.filter(|own| *own != Thinking::ON) {
        return Err(Failure::Input(anyhow!(
            "generate draws a reply as it comes, without the control `{thinking}`; use `outthink solve`, or --thinking on"
        )));
    }
    let messages = match (&arguments.messages, &arguments.prompt) {
        (Some(file), _) => {
            let name = file.display();
            let json =
                outthink_core::file::read(file).with_context(|| format!("cannot read {name}"));
            let parsed = serde_json::from_slice(&json.map_err(Failure::Input)?)
                .with_context(|| format!("{name} is no list of {{role, content}}"));
            parsed.map_err(Failure::Input)?
        }
        (None, Some(prompt)) => vec![Message::new("user", prompt.as_str())],
        (None, None) => {
            return Err(Failure::Input(anyhow!(
                "name a --prompt or a file of --messages"
            )));
        }
    };
    if let Some(policy) = models::remote_policy(&arguments.policy)? {
        return remote(arguments, &policy, messages);
    }
    let policy = models::policy(&arguments.policy)?;
    let prompt = policy.chat(&messages).map_err(Failure::input)?;
    let sampling = match arguments.temperature {
        Some(temperature) => Sampling {
            temperature,
            ..policy.sampling()
        },
        None => policy.sampling(),
    };
    let seeds =
        (0..arguments.n).map(|index| draw_seed(arguments.seed, prompt.iter().copied(), index));
    let (draws, usage) = block_on(policy.draw(DrawRequest {
        prefix: prompt.clone(),
        seeds: seeds.collect(),
        until: Until::Answer,
        sampling,
        max_tokens: arguments.max_tokens,
        offset: 0,
        segmenter: policy.free_segmenter(),
    }))?;
    let mut choices = Vec::with_capacity(draws.len());
    for DrawnText { steps, stop } in draws {
        let tokens: Vec<u32> = steps
            .iter()
            .flat_map(|step| step.tokens.iter().copied())
            .collect();
        let text: String = steps.iter().map(|step| step.text.as_str()).collect();
        let logprobs = if arguments.logprobs {
            let values = block_on(policy.logprobs(&prompt, &tokens))?;
            let told = |(&token, logprob): (&u32, f32)| TokenLogprob {
                token: policy.token_text(token),
                logprob,
            };
            Some(tokens.iter().zip(values).map(told).collect())
        } else {
            None
        };
        choices.push(Choice {
            text,
            tokens,
            logprobs,
            finish_reason: if stop == Stop::Length {
                "length"
            } else {
                "stop"
            },
        });
    }
    print(
        arguments,
        Report {
            profile: policy.profile_name().to_owned(),
            prompt_tokens: prompt,
            choices,
            usage,
        },
    )
}

/// Draws from servers.
fn remote(
    arguments: &Generate,
    policy: &RemotePolicy,
    messages: Vec<Message>,
) -> Result<(), Failure> {
    if arguments.logprobs {
        return Err(Failure::Input(anyhow!(
            "--logprobs tells those of a model in this process"
        )));
    }
    let mut sampling = policy.sampling();
    sampling.temperature = arguments.temperature.unwrap_or(sampling.temperature);
    let said = messages.iter().flat_map(|message| message.content.bytes());
    let said: Vec<u32> = said.map(u32::from).collect();
    let seeds =
        (0..arguments.n).map(|index| draw_seed(arguments.seed, said.iter().copied(), index));
    let (prompt_tokens, drawn, usage) =
        policy.converse(messages, seeds.collect(), sampling, arguments.max_tokens)?;
    let choice = |drawn: Continuation| Choice {
        text: drawn.steps.iter().map(|step| step.text.as_str()).collect(),
        tokens: drawn
            .steps
            .into_iter()
            .flat_map(|step| step.tokens)
            .collect(),
        logprobs: None,
        finish_reason: match drawn.stop {
            Stop::Length => "length",
            _ => "stop",
        },
    };
    let report = Report {
        profile: policy.profile_name().to_owned(),
        prompt_tokens,
        choices: drawn.into_iter().map(choice).collect(),
        usage,
    };
    print(arguments, report)
}

fn print(arguments: &Generate, report: Report) -> Result<(), Failure> {
    if arguments.json {
        crate::print::json(&serde_json::to_string(&report)?);
        return Ok(());
    }
    let choices = report.choices;
    for (index, choice) in choices.iter().enumerate() {
        if choices.len() > 1 {
            println!("── {} ({})", index + 1, choice.finish_reason);
        }
        println!("{}", choice.text);
    }
    Ok(())
}

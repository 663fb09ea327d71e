//! What one request to a model came to, in OpenTelemetry's names for generative models: as metrics and on the request's span.

use std::time::Instant;

use crate::conversation::Choice;
use crate::error::ApiError;
use crate::metrics;
use crate::reply::Shape;
use crate::search::Report;
use crate::span::Trace;

/// A request that a model here answers. Its time is over when this is dropped: with a stream, at the stream's end.
pub(crate) struct Record {
    trace: Trace,
    names: Names,
    since: Instant,
    /// None is a success.
    error: Option<String>,
}

/// What stands on each of a request's metrics. There are as many as models that clients may name, since others were refused.
pub(crate) struct Names {
    /// OpenTelemetry's word for the API.
    pub operation: &'static str,
    /// The model that the client named, which may be `beam:policy`.
    pub asked: String,
    /// The policy.
    pub answers: String,
}

impl Record {
    /// A request begins that names a model that is served; none named is the policy's own name.
    pub(crate) fn begin(trace: &Trace, shape: Shape, asked: Option<&str>, policy: &str) -> Self {
        let asked = asked.filter(|name| !name.is_empty()).unwrap_or(policy);
        let names = Names {
            operation: match shape {
                Shape::Chat => "chat",
                Shape::Text => "text_completion",
            },
            asked: asked.to_owned(),
            answers: policy.to_owned(),
        };
        trace.name(&format!("{} {asked}", names.operation));
        trace.say("gen_ai.operation.name", names.operation);
        trace.say("gen_ai.provider.name", metrics::PROVIDER);
        trace.say("gen_ai.request.model", asked);
        trace.say("gen_ai.response.model", policy);
        Self {
            trace: trace.clone(),
            names,
            since: Instant::now(),
            // Until it says how it ended.
            error: Some("cancelled".into()),
        }
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What replies without a search came to.
    pub(crate) fn spoken(&self, choices: &[Choice]) {
        let read = choices.first().map_or(0, |choice| choice.usage.prompt);
        let drawn = choices.iter().map(|choice| choice.usage.generated).sum();
        self.tokens(read, drawn);
    }

    /// What was read and drawn, by all models together.
    pub(crate) fn tokens(&self, read: u64, drawn: u64) {
        metrics::tokens(&self.names, read, drawn);
        self.trace.say("gen_ai.usage.input_tokens", read);
        self.trace.say("gen_ai.usage.output_tokens", drawn);
    }

    /// What a search came to.
    pub(crate) fn searched(&self, report: &Report) {
        let (policy, verifier) = (&report.usage.policy, &report.usage.verifier);
        self.tokens(policy.prompt + verifier.prompt, policy.generated);
        let trace = &self.trace;
        trace.say("outthink.method", report.method.as_str());
        trace.say("outthink.plan", report.plan.as_str());
        trace.say("outthink.selection", report.selection.as_str());
        trace.say("outthink.samples", report.samples);
        if let Some(lost) = report.lost {
            trace.say("outthink.lost", lost);
        }
        trace.say("outthink.stopped_by", report.stopped_by);
        if let Some(verifier) = &report.verifier {
            trace.say("outthink.verifier", verifier.as_str());
        }
        for (name, share) in [
            ("outthink.agreement", report.agreement),
            ("outthink.confidence", report.confidence),
        ] {
            if let Some(share) = share {
                trace.say(name, share);
            }
        }
    }

    /// A step on the way; if it failed, this is how the request ended.
    pub(crate) fn checked<T>(&mut self, step: Result<T, ApiError>) -> Result<T, ApiError> {
        if let Err(error) = &step {
            self.error = Some(error.status().to_string());
        }
        step
    }

    /// How it ended.
    pub(crate) fn ended<T>(&mut self, result: &Result<T, ApiError>) {
        self.error = result
            .as_ref()
            .err()
            .map(|error| error.status().to_string());
    }

    /// What was passed on broke off.
    pub(crate) fn broke_off(&mut self) {
        self.error = Some("502".into());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.error = Some("500".into());
        }
        metrics::ended(&self.names, self.error.as_deref(), self.since);
        if let Some(error) = &self.error {
            self.trace.say("error.type", error.as_str());
            self.trace.failed(error);
        }
    }
}

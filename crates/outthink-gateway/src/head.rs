//! What a reply's head says of how it came about: whatever stands before the server reads it there, without reading the body.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::ask::SearchAsk;
use crate::search::Report;

/// The method; `none` where the policy answered as it is.
const METHOD: HeaderName = HeaderName::from_static("x-outthink-method");
/// Solutions that were drawn.
const SAMPLES: HeaderName = HeaderName::from_static("x-outthink-samples");
/// Samples that a quorum did without.
const LOST: HeaderName = HeaderName::from_static("x-outthink-lost");
/// What ended the search.
const STOPPED_BY: HeaderName = HeaderName::from_static("x-outthink-stopped-by");
/// The calibrated chance that the answer is right, of a strategy that was fitted.
const CONFIDENCE: HeaderName = HeaderName::from_static("x-outthink-confidence");
/// Why there was no search.
const NOTE: HeaderName = HeaderName::from_static("x-outthink-note");

/// Of a search that ended.
pub(crate) fn searched(head: &mut HeaderMap, report: &Report) {
    // A method's parameters are numbers and names; what no head can hold is left out.
    if let Ok(method) = HeaderValue::from_str(&report.method) {
        head.insert(METHOD, method);
    }
    head.insert(SAMPLES, HeaderValue::from(report.samples));
    if let Some(lost) = report.lost {
        head.insert(LOST, HeaderValue::from(lost));
    }
    head.insert(STOPPED_BY, HeaderValue::from_static(report.stopped_by));
    let confidence = report.confidence.map(|chance| format!("{chance:.4}"));
    if let Some(Ok(chance)) = confidence.as_deref().map(HeaderValue::from_str) {
        head.insert(CONFIDENCE, chance);
    }
}

/// Of a search whose stream begins: the method, or `auto` where a strategy has yet to choose.
pub(crate) fn begun(head: &mut HeaderMap, ask: &SearchAsk) {
    head.insert(METHOD, HeaderValue::from_static(ask.how.name()));
}

/// Of a reply without a search; how many there are, where they were drawn here.
pub(crate) fn unsearched(head: &mut HeaderMap, samples: Option<usize>, note: Option<&'static str>) {
    head.insert(METHOD, HeaderValue::from_static("none"));
    if let Some(samples) = samples {
        head.insert(SAMPLES, HeaderValue::from(samples));
    }
    if let Some(note) = note {
        head.insert(NOTE, HeaderValue::from_static(note));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outthink_core::Spending;

    #[test]
    fn a_confidence_is_told_where_a_strategy_knows_one() {
        let mut report = Report {
            method: "rebase:temperature=0.2".into(),
            plan: String::new(),
            policy: String::new(),
            verifier: None,
            selection: String::new(),
            chosen: None,
            seed: 1,
            answer: None,
            agreement: None,
            confidence: Some(0.875),
            votes: Vec::new(),
            samples: 12,
            seconds: 1.0,
            lost: None,
            stopped_by: "max_seconds",
            note: None,
            usage: Spending::default(),
            trace: None,
        };
        let mut head = HeaderMap::new();
        searched(&mut head, &report);
        assert_eq!(head[METHOD], "rebase:temperature=0.2");
        assert_eq!(head[SAMPLES], "12");
        assert_eq!(head[STOPPED_BY], "max_seconds");
        assert_eq!(head[CONFIDENCE], "0.8750");
        report.confidence = None;
        let mut head = HeaderMap::new();
        searched(&mut head, &report);
        assert!(!head.contains_key(CONFIDENCE));
    }
}

//! What other programs for test-time scaling call what we have.

use crate::body::Fields;
use crate::error::ApiError;
use crate::request::Options;

/// Methods by peers' names.
pub(crate) const METHODS: [(&str, &str); 8] = [
    ("bon", "best-of-n"),
    ("best_of_n", "best-of-n"),
    ("self_consistency", "majority"),
    ("self-consistency", "majority"),
    ("majority_voting", "majority"),
    ("beam_search", "beam"),
    ("beam-search", "beam"),
    ("offline_bon", "best-of-n"),
];

pub(crate) fn known_as(name: &str) -> String {
    let ours = METHODS.iter().find(|(theirs, _)| *theirs == name);
    ours.map_or(name, |(_, ours)| ours).to_owned()
}

/// What stands in the URL or the headers.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// its_hub's `X-ITS-Budget`.
    pub budget: Option<usize>,
    /// thinkbooster's `/v1/{strategy}/{scorer}/chat/completions`.
    pub path: Option<(String, String)>,
}

/// Their fields in a body.
#[derive(Debug, Default)]
pub(crate) struct Theirs {
    budget: Option<usize>,
    width: Option<usize>,
    method: Option<String>,
    selection: Option<String>,
    trace: bool,
}

impl Theirs {
    pub(crate) fn take(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        const NUMBER: &str = "a number of samples";
        // its_hub's, then thinkbooster's.
        let mut budget: Option<usize> = None;
        for name in ["budget", "tts_num_trajectories", "num_paths"] {
            budget = budget.or(fields.whole(name, NUMBER)?);
        }
        let beams: Option<usize> = fields.whole("tts_beam_size", NUMBER)?;
        let width: Option<usize> = fields.whole("tts_candidates_per_step", NUMBER)?;
        if let (None, Some(beams)) = (budget, beams) {
            let product = beams.checked_mul(width.unwrap_or(4));
            budget = Some(product.unwrap_or(usize::MAX));
        }
        let approach: Option<String> = fields.take("optillm_approach", "the name of a method")?;
        let strategy: Option<String> = fields.take("tts_strategy", "the name of a method")?;
        let aggregation: Option<String> = fields.take("tts_score_aggregation", "a name")?;
        let whole: Option<bool> = fields.take("return_response_only", "true or false")?;
        Ok(Self {
            budget,
            width,
            method: approach.or(strategy).map(|name| known_as(&name)),
            selection: aggregation.map(|name| match name.as_str() {
                "avg" => "mean-vote".into(),
                scoring => format!("{scoring}-vote"),
            }),
            trace: whole == Some(false),
        })
    }

    /// Our options, filled in from theirs where ours say nothing.
    pub(crate) fn fill(&self, mut ours: Options, aside: &Aside) -> Options {
        ours.method = ours.method.or_else(|| self.method.clone());
        ours.budget = ours.budget.or(aside.budget).or(self.budget);
        ours.width = ours.width.or(self.width);
        ours.selection = ours.selection.or_else(|| self.selection.clone());
        if let Some((_, scorer)) = &aside.path {
            ours.verifier.get_or_insert_with(|| scorer.clone());
        }
        ours.trace |= self.trace;
        ours
    }
}

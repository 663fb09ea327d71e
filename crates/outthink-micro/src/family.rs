//! The checkpoints of `models/micro/`, built into the binary.

use outthink_engine::{Checkpoint, Precision, Weights};

/// A model of the family.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// What to call it.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    files: Files,
}

#[derive(Clone, Copy, Debug)]
struct Files {
    config: &'static [u8],
    tokenizer: &'static [u8],
    template: &'static str,
    weights: &'static [u8],
}

macro_rules! member {
    ($name:literal, $summary:literal) => {
        Member {
            name: $name,
            summary: $summary,
            files: Files {
                config: include_bytes!(concat!("../../../models/micro/", $name, "/config.json")),
                tokenizer: include_bytes!(concat!(
                    "../../../models/micro/",
                    $name,
                    "/tokenizer.json"
                )),
                template: include_str!(concat!(
                    "../../../models/micro/",
                    $name,
                    "/chat_template.jinja"
                )),
                weights: include_bytes!(concat!(
                    "../../../models/micro/",
                    $name,
                    "/model.safetensors"
                )),
            },
        }
    };
}

/// The policies, smallest first; all had the same training tokens and schedule.
pub const POLICIES: [Member; 4] = [
    member!("micro-24k", "policy, 24.7 thousand parameters"),
    member!("micro-90k", "policy, 89.7 thousand parameters"),
    member!("micro-0.3m", "policy, 0.33 million parameters"),
    member!("micro-1.6m", "policy, 1.59 million parameters"),
];

/// The verifiers, the default first.
pub const VERIFIERS: [Member; 3] = [
    member!(
        "micro-prm-likelihood",
        "implicit PRM: micro-1.6m, trained on about twice the tokens"
    ),
    member!(
        "micro-prm",
        "discriminative PRM: reads off what micro-prm-likelihood expected, at <extra_0>"
    ),
    member!(
        "micro-prm-short",
        "biased on purpose: a PRM that likes short steps"
    ),
];

impl Member {
    /// The model called `name`.
    pub fn find(name: &str) -> Option<Self> {
        Self::all().find(|member| member.name == name)
    }

    /// The whole family.
    pub fn all() -> impl Iterator<Item = Self> {
        POLICIES.into_iter().chain(VERIFIERS)
    }

    /// Its files.
    pub fn checkpoint(&self) -> Checkpoint {
        let Files {
            config,
            tokenizer,
            template,
            weights,
        } = self.files;
        Checkpoint {
            config: config.into(),
            // config.json says all that a generation config would
            generation: (&[]).into(),
            tokenizer: tokenizer.into(),
            template: template.trim_end_matches('\n').into(),
            tokenizer_config: (&[]).into(),
            weights: Weights::Embedded(weights.into()),
            precision: Precision::default(),
        }
    }
}

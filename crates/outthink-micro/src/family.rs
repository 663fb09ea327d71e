//! The checkpoints of `models/micro/`, built into the binary.

use outthink_engine::{Checkpoint, Precision, Weights};

use crate::domain::Kind;

/// A model of a family.
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
                config: include_bytes!(concat!("../models/", $name, "/config.json")),
                tokenizer: include_bytes!(concat!("../models/", $name, "/tokenizer.json")),
                template: include_str!(concat!("../models/", $name, "/chat_template.jinja")),
                // A static has one address; what a constant holds is copied into every unit of code that names it.
                weights: {
                    const HELD: &[u8] =
                        include_bytes!(concat!("../models/", $name, "/model.safetensors"));
                    static WEIGHTS: [u8; HELD.len()] = copied(HELD);
                    &WEIGHTS
                },
            },
        }
    };
    // What a crate of its own holds.
    ($name:literal, $summary:literal, $files:ident) => {
        Member {
            name: $name,
            summary: $summary,
            files: Files {
                config: outthink_grids::$files::CONFIG,
                tokenizer: outthink_grids::$files::TOKENIZER,
                template: outthink_grids::$files::TEMPLATE,
                weights: outthink_grids::$files::WEIGHTS,
            },
        }
    };
}

/// The bytes as an array, which a static can own.
const fn copied<const N: usize>(bytes: &[u8]) -> [u8; N] {
    match bytes.first_chunk::<N>() {
        Some(all) => *all,
        None => panic!("an array is as long as its bytes"),
    }
}

/// Models that know the same problems and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name: that of its policies' profile too, and what the names of its verifiers' profiles begin with.
    pub name: &'static str,
    /// The kind of its problems; none for the kinds with numbers.
    pub kind: Option<Kind>,
    /// A problem of its own, as an example.
    pub example: &'static str,
    /// The policies, smallest first; all had the same training tokens and schedule.
    pub policies: &'static [Member],
    /// The verifiers, the default first.
    pub verifiers: &'static [Member],
}

/// The family for problems with numbers.
pub const MICRO: Family = Family {
    name: "micro",
    kind: None,
    example: "Evaluate $7+8$.",
    policies: &[
        member!("micro-24k", "policy, 24.7 thousand parameters"),
        member!("micro-90k", "policy, 89.7 thousand parameters"),
        member!("micro-0.3m", "policy, 0.33 million parameters"),
        member!("micro-1.6m", "policy, 1.59 million parameters"),
    ],
    verifiers: &[
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
    ],
};

/// The family for grids.
pub const GRID: Family = Family {
    name: "grid",
    kind: Some(Kind::Grid),
    example: "Fill the grid:\n12345.\n456123\n214365\n365214\n531642\n642531",
    policies: &[
        member!(
            "grid-24k",
            "policy for grids, 24.5 thousand parameters",
            grid_24k
        ),
        member!(
            "grid-90k",
            "policy for grids, 88.4 thousand parameters",
            grid_90k
        ),
        member!(
            "grid-0.3m",
            "policy for grids, 0.33 million parameters",
            grid_300k
        ),
        member!(
            "grid-1.6m",
            "policy for grids, 1.58 million parameters",
            grid_1600k
        ),
    ],
    verifiers: &[
        member!(
            "grid-prm",
            "discriminative PRM for grids: does a digit break a rule?",
            grid_prm
        ),
        member!(
            "grid-prm-likelihood",
            "implicit PRM for grids: grid-90k, trained on half as many tokens again",
            grid_prm_likelihood
        ),
        member!(
            "grid-prm-columns",
            "biased on purpose: a PRM for grids that looks at columns alone",
            grid_prm_columns
        ),
    ],
};

impl Family {
    /// All families.
    pub const ALL: [Self; 2] = [MICRO, GRID];

    /// The family that a profile is made for: its own name, or that and what its models are.
    pub fn of_profile(profile: &str) -> Option<Self> {
        let own = |family: &Self| {
            let rest = profile.strip_prefix(family.name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        Self::ALL.into_iter().find(own)
    }

    /// The family of a model by the model's name.
    pub fn of_member(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|family| family.members().any(|own| own.name == name))
    }

    /// Its models.
    pub fn members(self) -> impl Iterator<Item = Member> {
        self.policies.iter().chain(self.verifiers).copied()
    }
}

impl Member {
    /// The model called `name`.
    pub fn find(name: &str) -> Option<Self> {
        Self::all().find(|member| member.name == name)
    }

    /// The models of all families.
    pub fn all() -> impl Iterator<Item = Self> {
        Family::ALL.into_iter().flat_map(Family::members)
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
            memory_limit: None,
        }
    }
}

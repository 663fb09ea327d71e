//! Which models, and how they are read.

use std::path::PathBuf;

use clap::Args;
use outthink_core::Thinking;
use outthink_engine::{Bytes, Precision};

/// Which policy, and how it is read.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PolicyChoice {
    /// Policy: an embedded model (outthink models; two joined by +), a checkpoint folder, a .gguf file, a hub id as `owner/name@revision`, servers as
    /// `http://h1:8000/v1,http://h2:8000/v1#model`, an outthink.toml, or a server that is started: `llama.cpp:FILE.gguf`,
    /// `vllm:MODEL` or `sglang:MODEL` [default: micro-0.3m]
    #[arg(long, help_heading = "Models", value_name = "MODEL|URL")]
    pub(crate) policy: Option<String>,
    /// Model whose tokenizer and chat template the policy's servers use [default: the server is asked]
    #[arg(long, help_heading = "Models", value_name = "MODEL")]
    pub(crate) policy_tokenizer: Option<String>,
    /// Profile of the policy, by name or as a .toml file [default: the one that fits it]
    #[arg(long, help_heading = "Models", value_name = "NAME|FILE")]
    pub(crate) policy_profile: Option<String>,
    /// How long a reasoning model thinks before it answers: on, skip, cap:tokens=K, dynasor:tokens=64:equal=3 or deer:confidence=0.95
    /// [default: as the profile says]
    #[arg(long, help_heading = "Models", value_name = "CONTROL")]
    pub(crate) thinking: Option<Thinking>,
    /// What weights are kept in: auto, f32, stored or q8_0
    #[arg(long, help_heading = "Models", default_value_t = Precision::Auto, value_name = "TYPE")]
    pub(crate) dtype: Precision,
    /// Most memory that an embedded policy takes, as 4GB [default: a share of what is free]
    #[arg(long, help_heading = "Models", value_name = "SIZE")]
    pub(crate) memory: Option<Bytes>,
}

impl PolicyChoice {
    /// A policy, read as it reads best.
    pub(crate) fn of(name: &str) -> Self {
        Self {
            policy: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// The policy's name.
    pub(crate) fn name(&self) -> &str {
        self.policy.as_deref().unwrap_or("micro-0.3m")
    }
}

/// Which verifier, and how it is read.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct VerifierChoice {
    /// Verifier: as a policy; a probe's .safetensors file (outthink probe fit); several verifiers' .toml file (outthink audit
    /// --save-combination); any policy that is asked for its verdict, as `generative:POLICY` (`generative:self`: the policy itself);
    /// `step-checker` (exact; embedded domains only), or `none` [default: micro-prm-likelihood for the
    /// embedded policies, grid-prm for those that fill grids, none for any other]
    #[arg(long, help_heading = "Models", value_name = "MODEL|URL|none")]
    pub(crate) verifier: Option<String>,
    /// Model whose tokenizer and chat template the verifier's servers use
    #[arg(
        long,
        help_heading = "Models",
        value_name = "MODEL",
        requires = "verifier"
    )]
    pub(crate) verifier_tokenizer: Option<String>,
    /// Profile of the verifier, by name or as a .toml file [default: the one that fits it]
    #[arg(
        long,
        help_heading = "Models",
        value_name = "NAME|FILE",
        requires = "verifier"
    )]
    pub(crate) verifier_profile: Option<String>,
    /// The model that an implicit PRM was trained from; of a probe without a policy beside it, the policy, if it lies elsewhere by now
    #[arg(
        long,
        help_heading = "Models",
        value_name = "MODEL",
        requires = "verifier"
    )]
    pub(crate) verifier_reference: Option<String>,
    /// Score solutions longer than the verifier's context in overlapping windows [default: that is an error]
    #[arg(long, help_heading = "Models", requires = "verifier")]
    pub(crate) verifier_windows: bool,
    /// Map the verifier's rewards by this file of `outthink audit --save-calibration` before anything sees them
    #[arg(
        long,
        help_heading = "Models",
        value_name = "FILE",
        requires = "verifier"
    )]
    pub(crate) calibration: Option<PathBuf>,
    /// How a generative verifier is asked and read: `verdict` (a critique that ends with Yes or No), `p-yes` (the probability of
    /// the one word Yes), or a file with a prompt of one's own [default: verdict]
    #[arg(
        long,
        help_heading = "Models",
        value_name = "NAME|FILE",
        requires = "verifier"
    )]
    pub(crate) verifier_prompt: Option<String>,
    /// How many critiques of a generative verifier make a reward [default: 1]
    #[arg(
        long,
        help_heading = "Models",
        value_name = "COUNT",
        requires = "verifier"
    )]
    pub(crate) verifier_votes: Option<usize>,
    /// What the verifier's weights are kept in: auto, f32, stored or q8_0
    #[arg(long, help_heading = "Models", default_value_t = Precision::Auto, value_name = "TYPE")]
    pub(crate) verifier_dtype: Precision,
    /// Most memory that an embedded verifier takes
    #[arg(long, help_heading = "Models", value_name = "SIZE")]
    pub(crate) verifier_memory: Option<Bytes>,
}

impl VerifierChoice {
    /// A verifier, read as it reads best.
    pub(crate) fn of(name: &str) -> Self {
        Self {
            verifier: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// The micro family's default.
    pub(crate) const MICRO: &'static str = "micro-prm-likelihood";

    /// The verifier's name; where no policy says otherwise, that of the micro family.
    pub(crate) fn name(&self) -> &str {
        self.verifier.as_deref().unwrap_or(Self::MICRO)
    }
}

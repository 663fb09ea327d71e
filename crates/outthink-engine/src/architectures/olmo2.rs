//! OLMo 2: Llama whose norms follow attention and the feed-forward part, with norms of all queries and all keys.

use super::{
    Architecture, Defaults, GgufFormat, HeadNorms, NormNames, TensorNames, llama, says_nothing_else,
};
use crate::Error;

pub(super) const OLMO2: Architecture = Architecture {
    name: "Olmo2",
    model_types: &["olmo2"],
    defaults: Defaults {
        vocabulary: 50_304,
        eps: 1e-5,
        ..Defaults::USUAL
    },
    tensors: &TensorNames {
        attention_norms: NormNames {
            before: None,
            after: Some("post_attention_layernorm"),
        },
        mlp_norms: NormNames {
            before: None,
            after: Some("post_feedforward_layernorm"),
        },
        ..llama::TENSORS
    },
    translate: says_nothing_else,
    describe: |_, spec| {
        spec.head_norms = HeadNorms::Together;
        Ok(())
    },
    gguf: Some(GgufFormat {
        name: "olmo2",
        class: "Olmo2ForCausalLM",
        own_tensors: &[
            ("post_attention_norm", "post_attention_layernorm"),
            ("post_ffw_norm", "post_feedforward_layernorm"),
        ],
        describe: |header, _| match header.number("olmo2.attention.sliding_window") {
            None | Some(0) => Ok(()),
            Some(_) => Err(Error::Unsupported {
                what: format!("{}: it is OLMo 3, some of whose layers slide", header.file),
            }),
        },
    }),
};

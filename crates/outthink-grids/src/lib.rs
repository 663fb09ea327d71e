//! The embedded models for grids, as files; `outthink-micro` says what they are and loads them. They are a crate of their own
//! because crates.io takes at most 10 MiB a crate, and all embedded models together are 12.

macro_rules! model {
    ($module:ident, $name:literal) => {
        #[doc = concat!("The files of ", $name, ".")]
        pub mod $module {
            /// The shape of the model, `config.json`.
            pub const CONFIG: &[u8] = include_bytes!(concat!("../models/", $name, "/config.json"));

            /// Its tokenizer, `tokenizer.json`.
            pub const TOKENIZER: &[u8] =
                include_bytes!(concat!("../models/", $name, "/tokenizer.json"));

            /// Its chat template, in Jinja.
            pub const TEMPLATE: &str =
                include_str!(concat!("../models/", $name, "/chat_template.jinja"));

            const HELD: &[u8] = include_bytes!(concat!("../models/", $name, "/model.safetensors"));
            static HELD_ONCE: [u8; HELD.len()] = super::copied(HELD);

            /// Its weights, in the safetensors format.
            // A static has one address; what a constant holds is copied into every unit of code that names it.
            pub const WEIGHTS: &[u8] = &HELD_ONCE;
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

model!(grid_24k, "grid-24k");
model!(grid_90k, "grid-90k");
model!(grid_300k, "grid-0.3m");
model!(grid_1600k, "grid-1.6m");
model!(grid_prm, "grid-prm");
model!(grid_prm_likelihood, "grid-prm-likelihood");
model!(grid_prm_columns, "grid-prm-columns");

//! A Hugging Face checkpoint: its files, read but not yet a model.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use outthink_prompt::Tokenizer;

use crate::Error;
use crate::adapter::{self, Adapter};
use crate::architectures::DecoderSpec;
use crate::gguf::{self, TokenizerFiles};
use crate::memory::{self, MemoryPlan};
use crate::precision::{Precision, PrecisionRule};
use crate::weights::{OpenWeights, Weights};

/// The files of one checkpoint, from a folder or from the binary itself.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// `config.json`
    pub config: Cow<'static, [u8]>,
    /// `generation_config.json`; may be empty.
    pub generation: Cow<'static, [u8]>,
    /// `tokenizer.json`, or what a `tokenizer.model` says in its words.
    pub tokenizer: Cow<'static, [u8]>,
    /// `tokenizer_config.json`; may be empty.
    pub tokenizer_config: Cow<'static, [u8]>,
    /// The chat template, as [`outthink_prompt::template`] finds it.
    pub template: Cow<'static, str>,
    /// `model.safetensors`, its shards, or a GGUF file; or a model's and an adapter's.
    pub weights: Weights,
    /// The type that weights are kept in once loaded.
    pub precision: Precision,
    /// Upper limit of the memory that the model may take, in bytes, weights included. `None` is what is free on the machine.
    pub memory_limit: Option<u64>,
}

impl Checkpoint {
    /// Reads a checkpoint folder; of an adapter's, with the model that it changes, if that is a folder here.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let Some(adapter) = Adapter::find(folder)? else {
            return Self::read_model(folder);
        };
        let name = adapter.base()?;
        let missing = || Error::Weights {
            file: folder.display().to_string(),
            reason: format!(
                "it holds an adapter (LoRA) of {name}, which is no folder beside it nor here; fetch that model, and let \
                 base_model_name_or_path in adapter_config.json name its folder"
            ),
        };
        let base = adapter::base_folder(folder, &name).ok_or_else(missing)?;
        Self::read_adapter(folder, &base)
    }

    /// Reads an adapter's folder with the folder of the model that it changes. The adapter's own tokenizer and chat template
    /// count, where it has some.
    pub fn read_adapter(folder: &Path, base: &Path) -> Result<Self, Error> {
        let mut checkpoint = Self::read_model(base)?;
        let adapter = Adapter::find(folder)?.ok_or_else(|| Error::Weights {
            file: folder.display().to_string(),
            reason: "it holds no adapter".into(),
        })?;
        let template = outthink_prompt::template(folder)?;
        if !template.is_empty() {
            checkpoint.template = template.into();
        }
        let tokenizer = folder.join("tokenizer.json");
        if tokenizer.is_file() {
            let read = |path: PathBuf| {
                outthink_core::file::read(&path).map_err(|source| Error::File { path, source })
            };
            checkpoint.tokenizer = read(tokenizer)?.into();
            let config = folder.join("tokenizer_config.json");
            if config.is_file() {
                checkpoint.tokenizer_config = read(config)?.into();
            }
        }
        checkpoint.weights = Weights::Adapted(Box::new(checkpoint.weights), adapter);
        Ok(checkpoint)
    }

    fn read_model(folder: &Path) -> Result<Self, Error> {
        let file = |name: &str| {
            let path = folder.join(name);
            outthink_core::file::read(&path).map_err(|source| Error::File { path, source })
        };
        let optional = |name: &str| match file(name) {
            Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(Vec::new())
            }
            read => read,
        };
        let config = file("config.json").map_err(|error| match gguf_files(folder) {
            names if names.is_empty() => error,
            names => Error::Weights {
                file: folder.display().to_string(),
                reason: format!(
                    "it has no config.json, but GGUF files; name one of them: {}",
                    names.join(", ")
                ),
            },
        })?;
        let here = |name: &str| folder.join(name).is_file();
        let (tokenizer, tokenizer_config) = match here("tokenizer.model") {
            true if !here("tokenizer.json") => {
                let TokenizerFiles { tokenizer, config } = gguf::sentence_piece(folder)?;
                (tokenizer, config)
            }
            _ => (file("tokenizer.json")?, optional("tokenizer_config.json")?),
        };
        Ok(Self {
            config: config.into(),
            generation: optional("generation_config.json")?.into(),
            tokenizer: tokenizer.into(),
            template: outthink_prompt::template(folder)?.into(),
            tokenizer_config: tokenizer_config.into(),
            weights: Weights::find(folder)?,
            precision: Precision::default(),
            memory_limit: None,
        })
    }

    /// Estimate of the memory that the weights take once loaded, in bytes.
    pub fn memory(&self) -> Result<u64, Error> {
        let weights = self.weights.open()?;
        Ok(self.kept_bytes(&weights, &self.spec()?, self.precision))
    }

    /// What the weights are kept in, with each kind's share of their memory, the largest first.
    ///
    /// # Errors
    ///
    /// Where the files cannot be read.
    pub fn kept_in(&self) -> Result<Vec<(String, f64)>, Error> {
        let weights = self.weights.open()?;
        let rule = PrecisionRule::new(self.precision, weights.parameters());
        Ok(weights.kept_in(&self.spec()?, rule))
    }

    /// How the model's memory would be divided if it were loaded now. Fails if it does not fit.
    pub fn memory_plan(&self) -> Result<MemoryPlan, Error> {
        self.plan(&self.weights.open()?, &self.spec()?)
    }

    fn kept_bytes(
        &self,
        weights: &OpenWeights<'_>,
        spec: &DecoderSpec,
        precision: Precision,
    ) -> u64 {
        weights.kept_bytes(spec, PrecisionRule::new(precision, weights.parameters()))
    }

    /// Divides the memory that is free now. `weights` are this checkpoint's.
    pub(crate) fn plan(
        &self,
        weights: &OpenWeights<'_>,
        spec: &DecoderSpec,
    ) -> Result<MemoryPlan, Error> {
        weights.check_sizes(spec)?;
        let bytes = |precision| self.kept_bytes(weights, spec, precision);
        let rule = PrecisionRule::new(self.precision, weights.parameters());
        let other = [Precision::Stored, Precision::Q8].map(|other| (other, bytes(other)));
        MemoryPlan::new(
            spec,
            rule.halves_keys(),
            bytes(self.precision),
            &other,
            memory::available(),
            self.memory_limit,
        )
    }

    /// What its `config.json` says of the model.
    pub(crate) fn spec(&self) -> Result<DecoderSpec, Error> {
        DecoderSpec::parse(&self.config)
    }

    pub(crate) fn tokenizer(&self) -> Result<Tokenizer, Error> {
        Ok(Tokenizer::from_bytes(&self.tokenizer)?.with_config(&self.tokenizer_config)?)
    }

    /// Tokens that end an answer.
    pub(crate) fn end_tokens(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>, Error> {
        let ends = outthink_prompt::end_tokens(&self.generation, &self.config, tokenizer);
        Ok(ends?)
    }
}

fn gguf_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".gguf")).collect();
    names.sort();
    names
}

//! Adapters as PEFT saves them (LoRA, arXiv 2106.09685): products of two narrow matrices that are added to weights of a model when
//! these are loaded. What is more than that is refused by its name.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::weights::{OpenWeights, TensorPlace};
use crate::{Error, kernels::rows, shards};

/// An adapter's files.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// `adapter_config.json`
    pub config: Vec<u8>,
    /// `adapter_model.safetensors`
    pub weights: PathBuf,
}

/// The name of the model that the adapter in a folder changes, if it holds one and no model, and that model is no folder here.
///
/// # Errors
///
/// Where the adapter's config cannot be read.
pub fn missing_base(folder: &Path) -> Result<Option<String>, Error> {
    let Some(adapter) = Adapter::find(folder)? else {
        return Ok(None);
    };
    let name = adapter.base()?;
    Ok(base_folder(folder, &name).is_none().then_some(name))
}

/// A path relative to the adapter's folder, or to the working directory.
pub(crate) fn base_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut paths = [folder.join(name), PathBuf::from(name)].into_iter();
    paths.find(|path| path.join("config.json").is_file())
}

impl Adapter {
    /// Of a folder that holds no model beside it.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, Error> {
        let own = ["model.safetensors", "model.safetensors.index.json"];
        let config = folder.join("adapter_config.json");
        if !config.is_file()
            || own.iter().any(|file| folder.join(file).is_file())
            || !shards::named(folder)?.is_empty()
        {
            return Ok(None);
        }
        let weights = folder.join("adapter_model.safetensors");
        if !weights.is_file() && folder.join("adapter_model.bin").is_file() {
            return Err(Error::Weights {
                file: folder.join("adapter_model.bin").display().to_string(),
                reason:
                    "pickled adapters are not read; PEFT's save_pretrained writes it as safetensors"
                        .into(),
            });
        }
        let bytes = outthink_core::file::read(&config);
        let bytes = bytes.map_err(|source| Error::File {
            path: config,
            source,
        })?;
        Ok(Some(Self {
            config: bytes,
            weights,
        }))
    }

    /// What its model is called, a path or a hub id.
    pub(crate) fn base(&self) -> Result<String, Error> {
        let config = AdapterConfig::parse(&self.config)?;
        let name = config.0.get("base_model_name_or_path");
        let name = name.and_then(Value::as_str).filter(|name| !name.is_empty());
        let missing = || malformed("it names no base_model_name_or_path".into());
        name.map(str::to_owned).ok_or_else(missing)
    }
}

fn malformed(reason: String) -> Error {
    Error::Malformed {
        file: "adapter_config.json",
        reason,
    }
}

struct AdapterConfig(Map<String, Value>);

/// What changes the mathematics if it is there, and neither false nor empty.
const MORE: [&str; 11] = [
    "use_dora",
    "lora_bias",
    "modules_to_save",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "fan_in_fan_out",
];

/// Values of `init_lora_weights` that leave the model's own weights as they are.
const LEAVES_WEIGHTS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

impl AdapterConfig {
    fn parse(json: &[u8]) -> Result<Self, Error> {
        let map = serde_json::from_slice(json);
        map.map(Self).map_err(|error| malformed(error.to_string()))
    }

    /// Refuses what is no plain product.
    fn check(&self) -> Result<(), Error> {
        let unsupported = |what: String| Err(Error::Unsupported { what });
        match self.0.get("peft_type").and_then(Value::as_str) {
            Some("LORA") => {}
            other => {
                let other = other.unwrap_or("no type");
                return unsupported(format!("an adapter of {other}, only LORA"));
            }
        }
        let bias = self.0.get("bias").and_then(Value::as_str);
        if let Some(bias) = bias.filter(|&bias| bias != "none") {
            return unsupported(format!("an adapter that changes biases ({bias})"));
        }
        // The others begin with another model than the one that is named: they take something off its weights first.
        let began = self.0.get("init_lora_weights").and_then(Value::as_str);
        if let Some(other) = began.filter(|began| !LEAVES_WEIGHTS.contains(began)) {
            return unsupported(format!(
                "an adapter that changed its model's weights when it began ({other}); merge it into its model, or convert it to a plain one"
            ));
        }
        let there = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Array(all) => !all.is_empty(),
            Value::Object(all) => !all.is_empty(),
            _ => true,
        };
        match MORE.iter().find(|key| self.0.get(**key).is_some_and(there)) {
            Some(key) => unsupported(format!("an adapter with {key}; merge it into its model")),
            None => Ok(()),
        }
    }

    /// What the product for a module is multiplied by.
    fn scale(&self, module: &str, rank: usize) -> Result<f32, Error> {
        let mut alphas = Vec::new();
        let patterns = self.0.get("alpha_pattern").and_then(Value::as_object);
        for (pattern, alpha) in patterns.into_iter().flatten() {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            if !pattern.chars().all(plain) {
                return Err(Error::Unsupported {
                    what: format!(
                        "an adapter whose alpha_pattern is no name of modules: {pattern}"
                    ),
                });
            }
            let before = module.strip_suffix(pattern.as_str());
            if before.is_some_and(|before| before.is_empty() || before.ends_with('.')) {
                alphas.push(alpha);
            }
        }
        alphas.dedup();
        let alpha = match alphas.as_slice() {
            [] => self.0.get("lora_alpha"),
            [one] => Some(*one),
            _ => {
                return Err(malformed(format!(
                    "its alpha_pattern names several alphas for {module}"
                )));
            }
        };
        let wrong = || malformed("its lora_alpha is no number".into());
        let alpha = alpha.and_then(Value::as_f64).filter(|x| x.is_finite());
        let alpha = alpha.ok_or_else(wrong)?;
        let stabilized = self.0.get("use_rslora").and_then(Value::as_bool) == Some(true);
        let rank = rank as f64;
        Ok((alpha / if stabilized { rank.sqrt() } else { rank }) as f32)
    }
}

/// The product of two narrow matrices, and what it is multiplied by.
pub(crate) struct LowRank {
    /// `[rank, inputs]`
    a: TensorPlace,
    /// `[outputs, rank]`
    b: TensorPlace,
    scale: f32,
    /// Has it been added to the tensor that it is for?
    pub used: Cell<bool>,
}

/// The same, read.
pub(crate) struct ReadProduct {
    a: Vec<f32>,
    b: Vec<f32>,
    rank: usize,
    inputs: usize,
    scale: f32,
}

/// The products of an adapter, by the tensors that they are added to.
pub(crate) fn products(
    adapter: &Adapter,
    mut tensors: HashMap<String, TensorPlace>,
    of_model: &HashMap<String, TensorPlace>,
) -> Result<HashMap<String, LowRank>, Error> {
    let config = AdapterConfig::parse(&adapter.config)?;
    config.check()?;
    let file = adapter.weights.display();
    let broken = |reason: String| Error::Weights {
        file: file.to_string(),
        reason,
    };
    let mut names: Vec<String> = tensors.keys().cloned().collect();
    names.sort();
    let mut products = HashMap::new();
    for name in names {
        let module = |kind: &str| {
            let module = name
                .strip_prefix("base_model.model.")?
                .strip_suffix(".weight")?;
            let module = module.strip_suffix(".default").unwrap_or(module);
            module.strip_suffix(kind)
        };
        let Some(module) = module(".lora_A") else {
            if module(".lora_B").is_some() {
                continue;
            }
            return Err(Error::Unsupported {
                what: format!("{file}: tensor {name} of an adapter; merge it into its model"),
            });
        };
        let target = format!("{module}.weight");
        let Some(changed) = of_model.get(&target) else {
            return Err(broken(format!(
                "it changes {target}, which its model does not have"
            )));
        };
        let other = name.replace(".lora_A.", ".lora_B.");
        let (Some(a), Some(b)) = (tensors.remove(&name), tensors.remove(&other)) else {
            return Err(broken(format!("there is no tensor {other}")));
        };
        let (&[rank, inputs], &[outputs, same]) = (&a.shape[..], &b.shape[..]) else {
            return Err(broken(format!("the matrices for {target} are none")));
        };
        if rank != same || rank == 0 || changed.shape != [outputs, inputs] {
            return Err(broken(format!(
                "the matrices for {target} have the shapes {:?} and {:?}, and it has {:?}",
                a.shape, b.shape, changed.shape
            )));
        }
        let scale = config.scale(module, rank)?;
        let used = Cell::new(false);
        products.insert(target, LowRank { a, b, scale, used });
    }
    if let Some(name) = tensors.keys().next() {
        return Err(broken(format!("tensor {name} stands alone")));
    }
    Ok(products)
}

impl LowRank {
    /// `name` is the tensor that it is for.
    pub(crate) fn read(&self, weights: &OpenWeights<'_>, name: &str) -> Result<ReadProduct, Error> {
        Ok(ReadProduct {
            a: weights.read(&self.a, &format!("lora_A of {name}"))?,
            b: weights.read(&self.b, &format!("lora_B of {name}"))?,
            rank: self.a.shape[0],
            inputs: self.a.shape[1],
            scale: self.scale,
        })
    }

    /// With the place of its file among several.
    pub(crate) fn shifted(mut self, sources: usize) -> Self {
        self.a.source += sources;
        self.b.source += sources;
        self
    }
}

impl ReadProduct {
    /// Adds it to the numbers of some rows.
    pub(crate) fn add(&self, rows: Range<usize>, numbers: &mut [f32]) {
        let b = &self.b[rows.start * self.rank..rows.end * self.rank];
        let inputs = self.inputs.max(1);
        for (row, b) in numbers
            .chunks_exact_mut(inputs)
            .zip(b.chunks_exact(self.rank))
        {
            for (a, b) in self.a.chunks_exact(inputs).zip(b) {
                rows::add_times(row, self.scale * b, a);
            }
        }
    }
}

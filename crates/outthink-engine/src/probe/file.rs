//! A probe on disk: a safetensors file, whose header says what it reads, whose states these are, and what it was found to be worth.

use std::collections::HashMap;
use std::path::Path;

use outthink_core::{Isotonic, Probe, ProbeHead, ProbeLayout};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The key of the header under which all stands that is no tensor.
const KEY: &str = "outthink.probe";

/// The version of what stands there.
const VERSION: u32 = 1;

/// A probe with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeFile {
    /// What was fitted.
    pub probe: Probe,
    /// What the policy is called.
    pub policy: String,
    /// What the policy is known by, as stores know it.
    pub identity: Value,
    /// How the policy is loaded where none is there.
    pub load: Value,
    /// What it was fitted on.
    pub fitted_on: Value,
    /// What it was found to be worth.
    pub audit: Value,
}

/// Why a file is no probe, or not one for this policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeFileError {
    /// A file that cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// No safetensors file.
    #[error("it is no safetensors file: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// A safetensors file of something else.
    #[error("it is no probe: `outthink probe fit` makes one")]
    NoProbe,
    /// A probe of a later version of this program.
    #[error("it is of version {0} of probes, and this program knows {VERSION}")]
    Version(u32),
    /// A probe that is not as it must be.
    #[error("the probe is damaged: {0}")]
    Malformed(String),
    /// A probe for a policy with other states.
    #[error(
        "it reads states of {fitted} numbers, and the policy's have {hidden}: a probe reads no other policy than the one it was fitted on"
    )]
    OtherStates {
        /// The policy's.
        hidden: usize,
        /// The probe's.
        fitted: usize,
    },
}

/// What stands in the header.
#[derive(Serialize, Deserialize)]
struct About {
    version: u32,
    policy: String,
    identity: Value,
    load: Value,
    layout: ProbeLayout,
    calibration: Isotonic,
    fitted_on: Value,
    audit: Value,
}

impl ProbeFile {
    /// Is it a probe? What cannot be read is none.
    pub fn recognises(path: &Path) -> bool {
        let named = path.extension().is_some_and(|end| end == "safetensors");
        named && path.is_file() && head(path).is_ok_and(|head| has(&head, KEY.as_bytes()))
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no probe, or a damaged one.
    pub fn read(path: &Path) -> Result<Self, ProbeFileError> {
        Self::parse(&outthink_core::file::read(path)?)
    }

    /// Reads the bytes of one.
    ///
    /// # Errors
    ///
    /// As for [`Self::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ProbeFileError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let about = header.metadata().as_ref().and_then(|own| own.get(KEY));
        let about = about.ok_or(ProbeFileError::NoProbe)?;
        let malformed = |error: serde_json::Error| ProbeFileError::Malformed(error.to_string());
        let version: Value = serde_json::from_str(about).map_err(malformed)?;
        match version["version"].as_u64() {
            Some(version) if version > u64::from(VERSION) => {
                return Err(ProbeFileError::Version(version as u32));
            }
            _ => {}
        }
        let about: About = serde_json::from_value(version).map_err(malformed)?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let numbers = |name: &str| -> Result<Vec<f32>, ProbeFileError> {
            let tensor = tensors.tensor(name)?;
            if tensor.dtype() != Dtype::F32 {
                return Err(ProbeFileError::Malformed(format!("its {name} is not F32")));
            }
            let (words, _) = tensor.data().as_chunks::<4>();
            Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
        };
        let probe = Probe {
            layout: about.layout,
            mean: numbers("mean")?,
            scale: numbers("scale")?,
            head: ProbeHead {
                inner: match tensors.tensor("inner.weight") {
                    Ok(_) => (numbers("inner.weight")?, numbers("inner.bias")?),
                    Err(_) => Default::default(),
                },
                outer: numbers("outer.weight")?,
                bias: numbers("outer.bias")?.first().copied().unwrap_or_default(),
            },
            map: about.calibration,
        };
        probe.check().map_err(ProbeFileError::Malformed)?;
        Ok(Self {
            probe,
            policy: about.policy,
            identity: about.identity,
            load: about.load,
            fitted_on: about.fitted_on,
            audit: about.audit,
        })
    }

    /// The bytes of the file: the same for the same probe.
    ///
    /// # Errors
    ///
    /// What cannot be written as JSON or as tensors.
    pub fn bytes(&self) -> Result<Vec<u8>, ProbeFileError> {
        let about = About {
            version: VERSION,
            policy: self.policy.clone(),
            identity: self.identity.clone(),
            load: self.load.clone(),
            layout: self.probe.layout.clone(),
            calibration: self.probe.map.clone(),
            fitted_on: self.fitted_on.clone(),
            audit: self.audit.clone(),
        };
        let about = serde_json::to_string(&about);
        let about = about.map_err(|error| ProbeFileError::Malformed(error.to_string()))?;
        let Probe {
            mean, scale, head, ..
        } = &self.probe;
        let (width, units) = (mean.len(), head.inner.1.len());
        let mut tensors = vec![
            ("mean", vec![width], mean.as_slice()),
            ("scale", vec![width], scale),
            ("outer.weight", vec![head.outer.len()], &head.outer),
            ("outer.bias", vec![1], std::slice::from_ref(&head.bias)),
        ];
        if units > 0 {
            tensors.push(("inner.weight", vec![units, width], &head.inner.0));
            tensors.push(("inner.bias", vec![units], &head.inner.1));
        }
        let bytes = |numbers: &[f32]| -> Vec<u8> {
            numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect()
        };
        let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors
            .into_iter()
            .map(|(name, shape, numbers)| (name, shape, bytes(numbers)))
            .collect();
        let mut views = Vec::with_capacity(tensors.len());
        for (name, shape, bytes) in &tensors {
            views.push((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?));
        }
        let header = HashMap::from([(KEY.to_owned(), about)]);
        Ok(safetensors::serialize(views, Some(header))?)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ProbeFileError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.{}.unfinished", std::process::id()));
        let written = std::fs::write(&beside, self.bytes()?);
        let written = written.and_then(|()| std::fs::rename(&beside, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        Ok(written?)
    }
}

/// The header of a file, as far as a probe's goes.
fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    const LONGEST: u64 = 1 << 20;
    let mut bytes = Vec::new();
    let file = outthink_core::file::open(path)?;
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let length = bytes
        .first_chunk::<8>()
        .map_or(0, |own| u64::from_le_bytes(*own));
    bytes.truncate(8 + length.min(LONGEST) as usize);
    Ok(bytes)
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

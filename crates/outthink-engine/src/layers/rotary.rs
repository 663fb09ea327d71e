//! Rotary positions and how they are stretched: `rope_parameters` and `rope_scaling` of `config.json`.

use serde_json::{Map, Value};

use crate::Error;
use crate::architectures::{DecoderSpec, malformed};
use crate::weights::OpenWeights;

/// The frequencies of a model, ready to rotate with.
pub(crate) struct RotaryTable {
    /// Of half of what is rotated of a head, in radians a position.
    frequencies: Vec<f32>,
    /// What cosine and sine are multiplied by.
    scale: f32,
    /// Are pairs (2i, 2i + 1) rotated, and not (i, i + half)?
    neighbours: bool,
}

impl RotaryTable {
    /// All that a model's blocks choose from.
    pub(crate) fn load(weights: &OpenWeights<'_>, spec: &DecoderSpec) -> Result<Vec<Self>, Error> {
        let each = spec.rotations.iter();
        each.map(|rotary| Self::of(rotary, weights, spec)).collect()
    }

    fn of(rotary: &Rotary, weights: &OpenWeights<'_>, spec: &DecoderSpec) -> Result<Self, Error> {
        let (mut frequencies, scale) = rotary.frequencies()?;
        // GGUF's ways to tell Llama 3's scaling and LongRoPE.
        let factors = match rotary.scaling {
            RopeScaling::Long { short: None, .. } => Some("rope_factors_short.weight"),
            _ => Some("rope_freqs.weight").filter(|name| weights.contains(name)),
        };
        if let Some(name) = factors {
            let factors = weights.get(name, &[frequencies.len()])?;
            for (frequency, factor) in frequencies.iter_mut().zip(factors) {
                *frequency /= factor;
            }
        }
        Ok(Self {
            frequencies,
            scale,
            neighbours: spec.rotates_neighbours,
        })
    }

    pub(crate) fn at(&self, position: usize) -> Rotation {
        let turns = self
            .frequencies
            .iter()
            .map(|frequency| (position as f32 * frequency).sin_cos())
            .map(|(sin, cos)| (self.scale * cos, self.scale * sin));
        Rotation {
            turns: turns.collect(),
            neighbours: self.neighbours,
        }
    }
}

/// How one position turns the numbers of a head.
pub(crate) struct Rotation {
    /// (cos, sin), one a frequency.
    turns: Vec<(f32, f32)>,
    neighbours: bool,
}

impl Rotation {
    pub(crate) fn turn(&self, head: &mut [f32]) {
        if self.neighbours {
            for (pair, (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(&self.turns) {
                let [a, b] = *pair;
                *pair = [a * cos - b * sin, b * cos + a * sin];
            }
            return;
        }
        // What is beyond the pairs is not rotated.
        let (first, second) = head.split_at_mut(self.turns.len());
        for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(&self.turns) {
            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
        }
    }
}

/// How positions turn the numbers of a head.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    theta: f64,
    scaling: RopeScaling,
    /// How many numbers of a head are rotated: its first ones.
    size: usize,
}

/// What a config says of rotary positions.
pub(crate) struct RotarySource {
    /// The two tables that may tell; the older one is asked first, as in transformers.
    pub newer: Option<RopeTable>,
    pub older: Option<RopeTable>,
    /// What stands outside of them.
    pub theta: f64,
    pub partial: Option<f64>,
    /// Most tokens of a sequence.
    pub positions: usize,
    /// How many numbers of a head are rotated.
    pub size: usize,
}

/// How positions beyond those of the first training are reached.
#[derive(Clone, Debug)]
enum RopeScaling {
    None,
    /// All are that much closer.
    Linear {
        factor: f64,
    },
    /// The base grows with what is beyond this many positions. Keys are kept, so only up to there is it computed here, where
    /// it is no scaling.
    Dynamic {
        context: usize,
    },
    /// Llama 3.1: long wavelengths are stretched, short ones kept, those between blended.
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        context: f64,
    },
    /// YaRN (arXiv 2309.00071) as transformers computes it: a ramp between the dimensions that turn `fast` and `slow` times
    /// within the original context.
    Yarn {
        factor: f64,
        attention: f64,
        context: f64,
        fast: f64,
        slow: f64,
        truncate: bool,
    },
    /// LongRoPE (arXiv 2402.13753): each frequency has a factor, another one where a text is longer than the original context.
    /// Keys are kept, so only up to there is it computed here.
    Long {
        /// In the weights if they are not here.
        short: Option<Vec<f64>>,
        attention: f64,
        context: usize,
    },
}

pub(crate) type RopeTable = Map<String, Value>;

impl Rotary {
    pub(crate) fn read(source: &RotarySource) -> Result<Self, Error> {
        let mut merged = RopeTable::new();
        for table in [&source.newer, &source.older].into_iter().flatten() {
            let table = of_all_layers(table)?;
            for (key, value) in table {
                // The oldest files say `type`, newer ones `rope_type`, and transformers writes both.
                let key = match key.as_str() {
                    "type" if !table.contains_key("rope_type") => "rope_type",
                    other => other,
                };
                if !value.is_null() {
                    merged.insert(key.to_owned(), value.clone());
                }
            }
        }
        let parameters = RopeParameters(&merged);
        let theta = parameters.positive("rope_theta")?.unwrap_or(source.theta);
        if !(theta > 0.0 && theta.is_finite()) {
            return Err(malformed(format!("rope_theta is {theta}")));
        }
        let partial = parameters
            .positive("partial_rotary_factor")?
            .or(source.partial);
        if let Some(partial) = partial.filter(|&partial| partial != 1.0) {
            return Err(Error::Unsupported {
                what: format!("heads of which {partial} is rotated"),
            });
        }
        Ok(Self {
            theta,
            scaling: parameters.scaling(source.positions)?,
            size: source.size,
        })
    }

    /// Positions up to which this is right.
    pub(crate) fn context(&self) -> usize {
        match self.scaling {
            RopeScaling::Dynamic { context } | RopeScaling::Long { context, .. } => context,
            _ => usize::MAX,
        }
    }

    /// Frequencies of half of what is rotated, and what cosine and sine are multiplied by.
    pub(crate) fn frequencies(&self) -> Result<(Vec<f32>, f32), Error> {
        let size = self.size;
        let plain = (0..size / 2).map(|i| self.theta.powf(-2.0 * i as f64 / size as f64));
        let (frequencies, attention): (Vec<f64>, f64) = match &self.scaling {
            RopeScaling::None | RopeScaling::Dynamic { .. } => (plain.collect(), 1.0),
            RopeScaling::Linear { factor } => (plain.map(|f| f / factor).collect(), 1.0),
            RopeScaling::Long {
                short, attention, ..
            } => match short {
                Some(short) if short.len() != size / 2 => {
                    return Err(malformed(format!(
                        "short_factor has {} numbers for {} frequencies",
                        short.len(),
                        size / 2
                    )));
                }
                Some(short) => {
                    let divided = plain.zip(short).map(|(f, factor)| f / factor);
                    (divided.collect(), *attention)
                }
                None => (plain.collect(), *attention),
            },
            &RopeScaling::Llama3 {
                factor,
                low,
                high,
                context,
            } => {
                let stretch = |frequency: f64| {
                    let wavelength = 2.0 * std::f64::consts::PI / frequency;
                    if wavelength < context / high {
                        frequency
                    } else if wavelength > context / low {
                        frequency / factor
                    } else {
                        let smooth = (context / wavelength - low) / (high - low);
                        (1.0 - smooth) * frequency / factor + smooth * frequency
                    }
                };
                (plain.map(stretch).collect(), 1.0)
            }
            &RopeScaling::Yarn {
                factor,
                attention,
                context,
                fast,
                slow,
                truncate,
            } => {
                let dimension = |rotations: f64| {
                    size as f64 * (context / (rotations * 2.0 * std::f64::consts::PI)).ln()
                        / (2.0 * self.theta.ln())
                };
                let (mut low, mut high) = (dimension(fast), dimension(slow));
                if truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, mut high) = (low.max(0.0), high.min(size as f64 - 1.0));
                if low == high {
                    high += 0.001;
                }
                let blend = |(i, frequency): (usize, f64)| {
                    let stretched = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    frequency / factor * stretched + frequency * (1.0 - stretched)
                };
                (plain.enumerate().map(blend).collect(), attention)
            }
        };
        if !frequencies
            .iter()
            .chain([&attention])
            .all(|x| x.is_finite())
        {
            return Err(malformed("its rotary frequencies are no numbers".into()));
        }
        Ok((
            frequencies.into_iter().map(|f| f as f32).collect(),
            attention as f32,
        ))
    }
}

/// A table that tells by types of layers, as models with several have, is that of their one type here.
fn of_all_layers(table: &RopeTable) -> Result<&RopeTable, Error> {
    let mut nested = table.values().filter_map(Value::as_object);
    let Some(first) = nested.next() else {
        return Ok(table);
    };
    if nested.any(|other| other != first) {
        return Err(Error::Unsupported {
            what: "rotary positions that differ between layers".into(),
        });
    }
    Ok(first)
}

/// What tells of rotary positions, without what is null.
struct RopeParameters<'t>(&'t RopeTable);

impl RopeParameters<'_> {
    fn number(&self, key: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        let number = value.as_f64().filter(|x| x.is_finite());
        let wrong = || malformed(format!("{key} of its rotary positions is {value}"));
        number.map(Some).ok_or_else(wrong)
    }

    fn positive(&self, key: &str) -> Result<Option<f64>, Error> {
        match self.number(key)? {
            Some(number) if number <= 0.0 => Err(malformed(format!(
                "{key} of its rotary positions is {number}"
            ))),
            number => Ok(number),
        }
    }

    fn needed(&self, key: &str) -> Result<f64, Error> {
        self.positive(key)?
            .ok_or_else(|| malformed(format!("the rotary scaling has no {key}")))
    }

    fn scaling(&self, positions: usize) -> Result<RopeScaling, Error> {
        let kind = self
            .0
            .get("rope_type")
            .map(|kind| kind.as_str().unwrap_or("no text"));
        Ok(match kind.unwrap_or("default") {
            // With text alone, multimodal positions are plain ones.
            "default" | "mrope" => RopeScaling::None,
            "linear" => RopeScaling::Linear {
                factor: self.needed("factor")?,
            },
            "dynamic" => {
                self.needed("factor")?;
                let original = self.positive("original_max_position_embeddings")?;
                RopeScaling::Dynamic {
                    context: original.map_or(positions, |original| original as usize),
                }
            }
            "llama3" => RopeScaling::Llama3 {
                factor: self.needed("factor")?,
                low: self.needed("low_freq_factor")?,
                high: self.needed("high_freq_factor")?,
                context: self.needed("original_max_position_embeddings")?,
            },
            "yarn" => self.yarn(positions as f64)?,
            "longrope" => self.long(positions as f64)?,
            other => {
                return Err(Error::Unsupported {
                    what: format!("rotary scaling of type {other}"),
                });
            }
        })
    }

    /// A number for each frequency.
    fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, Error> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        let list = value.as_array().into_iter().flatten();
        let numbers: Option<Vec<f64>> = list.map(Value::as_f64).collect();
        let numbers = numbers.filter(|numbers| numbers.iter().all(|&x| x > 0.0));
        let wrong = || {
            malformed(format!(
                "{key} of its rotary positions is no list of factors"
            ))
        };
        numbers.map(Some).ok_or_else(wrong)
    }

    fn long(&self, longest: f64) -> Result<RopeScaling, Error> {
        let original = self.positive("original_max_position_embeddings")?;
        let context = original.unwrap_or(longest);
        let factor = self.positive("factor")?.unwrap_or(longest / context);
        let usual = match factor > 1.0 && context > 1.0 {
            true => (1.0 + factor.ln() / context.ln()).sqrt(),
            false => 1.0,
        };
        let short = self.numbers("short_factor")?;
        let in_weights = self.0.get("factors_in_tensors").and_then(Value::as_bool);
        if short.is_none() && in_weights != Some(true) {
            return Err(malformed("the rotary scaling has no short_factor".into()));
        }
        Ok(RopeScaling::Long {
            short,
            attention: self.number("attention_factor")?.unwrap_or(usual),
            context: context.max(1.0) as usize,
        })
    }

    fn yarn(&self, longest: f64) -> Result<RopeScaling, Error> {
        let context = self
            .positive("original_max_position_embeddings")?
            .unwrap_or(longest);
        let factor = self.positive("factor")?.unwrap_or(longest / context);
        let scale = |mscale: f64| {
            if factor <= 1.0 {
                1.0
            } else {
                0.1 * mscale * factor.ln() + 1.0
            }
        };
        let mscales = (self.number("mscale")?, self.number("mscale_all_dim")?);
        let usual = match mscales {
            (Some(a), Some(b)) if a != 0.0 && b != 0.0 => scale(a) / scale(b),
            _ => scale(1.0),
        };
        Ok(RopeScaling::Yarn {
            factor,
            attention: self.number("attention_factor")?.unwrap_or(usual),
            context,
            fast: self.positive("beta_fast")?.unwrap_or(32.0),
            slow: self.positive("beta_slow")?.unwrap_or(1.0),
            truncate: self
                .0
                .get("truncate")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        })
    }
}

//! How fast an embedded policy draws on this machine, and what a study would take.

use std::time::Instant;

use futures::executor::block_on;
use outthink_core::{Sampling, Until, draw_seed};
use outthink_engine::{DrawRequest, EmbeddedPolicy};

/// Samples at once that the second figure is for.
const MANY: usize = 64;

/// The study that the estimate is for: about MATH-500 at N = 64.
const PROBLEMS: f64 = 500.0;
const SAMPLE_TOKENS: f64 = 300.0;

/// Seconds that each measurement takes, about.
const SECONDS: f64 = 1.5;

/// Tokens a second, of one sample and of many at once after one prompt.
pub(super) struct Speed {
    one: f64,
    many: f64,
}

impl Speed {
    /// Draws, or says why the policy does not.
    pub(super) fn measure(policy: &EmbeddedPolicy, prompt: &[u32]) -> Result<Self, String> {
        let rate = |samples: usize| {
            // The first draw reads the prompt; the second tells how many tokens there is time for.
            draw(policy, prompt, samples, 1, 0)?;
            let each = draw(policy, prompt, samples, 4, 1)?.seconds / 4.0;
            let tokens = (SECONDS / each).clamp(4.0, 64.0) as usize;
            let drawn = draw(policy, prompt, samples, tokens, 2)?;
            Ok::<f64, String>(drawn.tokens / drawn.seconds)
        };
        Ok(Self {
            one: rate(1)?,
            many: rate(MANY)?,
        })
    }

    pub(super) fn told(&self) -> String {
        let hours = PROBLEMS * MANY as f64 * SAMPLE_TOKENS / self.many / 3600.0;
        let time = match hours {
            ..1.0 => format!("{:.0} min", (hours * 60.0).max(1.0)),
            1.0..48.0 => format!("{hours:.1} h"),
            _ => format!("{:.0} days", hours / 24.0),
        };
        format!(
            "{:.0} tokens/s of one sample, {:.0} of {MANY} at once; {PROBLEMS} problems with {MANY} samples of {SAMPLE_TOKENS} tokens would take about {time}",
            self.one, self.many
        )
    }
}

struct Drawn {
    tokens: f64,
    seconds: f64,
}

fn draw(
    policy: &EmbeddedPolicy,
    prompt: &[u32],
    samples: usize,
    max_tokens: usize,
    run: u64,
) -> Result<Drawn, String> {
    let seeds = (0..samples).map(|index| draw_seed(run, prompt.iter().copied(), index));
    let start = Instant::now();
    let drawn = block_on(policy.draw(DrawRequest {
        prefix: prompt.to_vec(),
        seeds: seeds.collect(),
        until: Until::Answer,
        sampling: Sampling::at(1.0),
        max_tokens,
        offset: 0,
        segmenter: policy.free_segmenter(),
    }));
    let (_, usage) = drawn.map_err(|error| error.to_string())?;
    if usage.generated == 0 {
        return Err("nothing was drawn".to_owned());
    }
    Ok(Drawn {
        tokens: usage.generated as f64,
        seconds: start.elapsed().as_secs_f64(),
    })
}

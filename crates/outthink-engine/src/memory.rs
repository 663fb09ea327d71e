//! How much memory a model needs, what for, and how much is free.

use std::fmt;
use std::path::Path;

use crate::Error;
use crate::architectures::DecoderSpec;
use crate::bytes::Bytes;
use crate::cache::BLOCK;
use crate::precision::Precision;
use crate::tree::TokenTree;

/// A model that leaves no room to compute this many rows at a time does not fit: with fewer it would be slow.
const LEAST_ROWS: usize = 16;

/// Tokens per forward pass if memory allows; more at a time are no faster.
const PASS_TOKENS: usize = 1024;

/// Rows of logits at a time if memory allows: enough that each weight of the output layer is read for many rows.
const LOGIT_ROWS: usize = 128;

/// Size of the token tree if memory allows: this many tokens, or as many as fit into this many bytes if that is more. Enough
/// for many problems at once.
const TREE_TOKENS: usize = 1 << 17;
const TREE_BYTES: u64 = 512 << 20;

/// How a model's memory is divided, in bytes. Weights stay in memory; the tree grows up to its share and then evicts unused
/// prefixes; activations are used again by the next pass, logits are allocated anew. The plan affects only how much is recomputed, never a
/// result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Estimate of the weights.
    pub weights: u64,
    /// Keys, values and hidden states of the token tree. Tokens in use are never evicted, so they may exceed it.
    pub tree: u64,
    /// Intermediate results of a forward pass.
    pub activations: u64,
    /// Logits that are computed at a time, with the distributions to sample from.
    pub logits: u64,
    pub(crate) tree_tokens: usize,
    pub(crate) pass_tokens: usize,
    pub(crate) logit_rows: usize,
}

/// Bytes per token, from the model's shape.
struct TokenBytes {
    /// In the tree.
    token: u64,
    /// In a forward pass.
    pass: u64,
    /// In a row of logits.
    logits: u64,
}

impl TokenBytes {
    /// `halves_keys`: are keys and values in half precision?
    fn new(spec: &DecoderSpec, halves_keys: bool) -> Self {
        let (hidden, heads) = (spec.hidden_size, spec.heads);
        let each = if halves_keys { 2 } else { 4 };
        let keys_and_values = each * spec.blocks.len() * 2 * heads.key_width();
        // The buffers of a pass.
        let (queries, keys) = (heads.query_width(), heads.key_width());
        let mut wide = (queries + 2 * keys).max(2 * spec.intermediate_size);
        let mut inner = queries.max(spec.intermediate_size);
        let mut of_experts = 0;
        if let Some(experts) = spec.experts {
            if spec.blocks.iter().all(|block| block.mixed) {
                (wide, inner) = (queries + 2 * keys, queries);
            }
            wide = wide.max(2 * experts.width).max(experts.count);
            inner = inner.max(experts.width);
            // All tokens may go to the same expert, gathered for it.
            of_experts = 2 * hidden;
        }
        // A byte each, with a scale and a sum for 32.
        let rounded = hidden.max(inner) * 5 / 16;
        let activations = 3 * hidden + wide + 2 * queries + inner + of_experts + rounded;
        // Its path through the tree; longer ones are rare.
        let path = spec.context.min(4096);
        Self {
            token: (keys_and_values + 4 * hidden) as u64 + TokenTree::NODE_BYTES as u64,
            pass: 4 * (activations + path) as u64,
            // Themselves and, where some are dropped, their weights and a part of them as (token, cumulative weight).
            logits: spec.vocabulary as u64 * (4 + 4 + size_of::<(u32, f64)>() as u64),
        }
    }

    /// The least that the model needs to run, in bytes, without its weights.
    fn least(&self) -> u64 {
        self.token * BLOCK as u64 + (self.pass + self.logits) * LEAST_ROWS as u64
    }
}

impl MemoryPlan {
    /// Divides the memory that is free, or the caller's limit if that is less. `halves_keys`: are keys and values in half
    /// precision? `weights` is the size of the weights in the
    /// precision asked for, `other` their size in other precisions. Fails if the model does not fit.
    pub(crate) fn new(
        spec: &DecoderSpec,
        halves_keys: bool,
        weights: u64,
        other: &[(Precision, u64)],
        free: Option<u64>,
        limit: Option<u64>,
    ) -> Result<Self, Error> {
        let shape = TokenBytes::new(spec, halves_keys);
        let budget = match (free, limit) {
            (Some(free), Some(limit)) => Some(free.min(limit)),
            (free, limit) => free.or(limit),
        };
        let least = shape.least();
        let needed = weights.saturating_add(least);
        if let Some(budget) = budget.filter(|&budget| budget < needed) {
            return Err(Error::Memory(DoesNotFit {
                needed,
                weights,
                free: budget,
                limited: limit == Some(budget),
                fitting: other
                    .iter()
                    .map(|&(precision, weights)| (precision, weights.saturating_add(least)))
                    .filter(|&(_, needed)| needed <= budget)
                    .min_by_key(|&(_, needed)| needed),
                // In blocks of 8 bits: 34 bytes for 32.
                parameters: budget.saturating_sub(least) / 17 * 16,
            }));
        }
        let rest = budget.map(|budget| budget - needed);
        // What is wanted beyond the least, as far as a share of the rest goes.
        let of_rest = |share: u64, each: u64, least: usize, most: usize| {
            let more = rest.map_or(u64::MAX, |rest| rest / share / each);
            let more = usize::try_from(more).unwrap_or(usize::MAX);
            least.saturating_add(more).min(most.max(least))
        };
        let pass_tokens = of_rest(8, shape.pass, LEAST_ROWS, PASS_TOKENS);
        let logit_rows = of_rest(8, shape.logits, LEAST_ROWS, LOGIT_ROWS);
        let in_bytes = (TREE_BYTES / shape.token) as usize;
        let tree_tokens = match (budget, limit) {
            (None, _) => in_bytes.max(BLOCK),
            // What the caller has left for it, or a part of what others on this machine may want too.
            (_, Some(_)) => of_rest(2, shape.token, BLOCK, TREE_TOKENS.max(in_bytes)),
            (_, None) => of_rest(4, shape.token, BLOCK, TREE_TOKENS.max(in_bytes)),
        };
        Ok(Self {
            weights,
            tree: shape.token * tree_tokens as u64,
            activations: shape.pass * pass_tokens as u64,
            logits: shape.logits * logit_rows as u64,
            tree_tokens,
            pass_tokens,
            logit_rows,
        })
    }

    /// The sum, in bytes.
    pub fn total(&self) -> u64 {
        self.weights + self.tree + self.activations + self.logits
    }
}

/// A model that does not fit into memory: what it needs, what is free, and what would fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoesNotFit {
    /// Estimate of the least that the model needs, in bytes, weights included.
    pub needed: u64,
    /// The part of it that is weights, in bytes.
    pub weights: u64,
    /// What it may take, in bytes: free memory, or the caller's limit.
    pub free: u64,
    /// Whether `free` is the caller's limit and not what the machine has.
    pub limited: bool,
    /// A precision in which it would fit, with the bytes it would need then.
    pub fitting: Option<(Precision, u64)>,
    /// Estimate of the number of parameters of the largest model that would fit.
    pub parameters: u64,
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [needed, weights, free] = [self.needed, self.weights, self.free].map(Bytes);
        write!(
            f,
            "the model needs {needed} of memory, {weights} of it for weights, and "
        )?;
        match self.limited {
            true => write!(f, "its limit is {free}")?,
            false => write!(f, "{free} are free")?,
        }
        match self.fitting {
            Some((precision, needed)) => {
                write!(
                    f,
                    "; with {precision} weights it would need {}",
                    Bytes(needed)
                )
            }
            None if self.parameters < 1_000_000 => f.write_str("; no model would fit"),
            None => write!(
                f,
                "; a model of about {} million parameters would fit",
                self.parameters / 1_000_000
            ),
        }
    }
}

/// Memory that this process may still allocate, in bytes: the least of what the system and its control groups have left.
/// `None` on systems other than Linux.
pub(crate) fn available() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let system = field(&meminfo, "MemAvailable:")? * 1024;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left = left_by_groups(Path::new("/sys/fs/cgroup"), &groups);
    Some(left.map_or(system, |left| left.min(system)))
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The least that a control group of this process, or one above it, has left; `groups` is `/proc/self/cgroup`.
fn left_by_groups(root: &Path, groups: &str) -> Option<u64> {
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        // Version 2 has one hierarchy for all controllers, version 1 a folder for each.
        let (root, files) = match controllers {
            "" => (
                root.to_owned(),
                ["memory.max", "memory.current", "inactive_file "],
            ),
            _ if controllers.split(',').any(|name| name == "memory") => (
                root.join("memory"),
                [
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    "total_inactive_file ",
                ],
            ),
            _ => return None,
        };
        // In a container the path may be that outside of it; then its own root says what holds.
        let own = root.join(path);
        let above = own
            .ancestors()
            .take_while(|folder| folder.starts_with(&root));
        above.filter_map(|folder| left_by(folder, files)).min()
    };
    groups.lines().filter_map(of_line).min()
}

/// What one group has left: its limit less what it uses, without files that are only kept for speed.
fn left_by(folder: &Path, [limit, usage, inactive]: [&str; 3]) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    // No limit is the word `max`, or a number beyond all memory.
    let limit: u64 = read(limit)?.trim().parse().ok()?;
    let usage: u64 = read(usage)?.trim().parse().ok()?;
    let files = read("memory.stat").and_then(|stat| field(&stat, inactive));
    Some(limit.saturating_sub(usage.saturating_sub(files.unwrap_or(0))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    /// Of the size of Qwen2.5-1.5B.
    fn spec() -> DecoderSpec {
        let config = r#"{"architectures": ["Qwen2ForCausalLM"], "hidden_size": 1536, "intermediate_size": 8960,
            "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
            "max_position_embeddings": 32768, "vocab_size": 151936}"#;
        DecoderSpec::parse(config.as_bytes()).unwrap()
    }

    const WEIGHTS: u64 = 3_100_000_000;
    const OTHER: [(Precision, u64); 2] = [
        (Precision::Stored, 3_100_000_000),
        (Precision::Q8, 1_700_000_000),
    ];

    fn plan(free: Option<u64>, limit: Option<u64>) -> Result<MemoryPlan, Error> {
        MemoryPlan::new(&spec(), true, WEIGHTS, &OTHER, free, limit)
    }

    #[test]
    fn a_plan_stays_within_what_is_free_and_takes_no_more_than_is_of_use() {
        for gigabytes in [4, 5, 6, 8, 12, 16, 24, 64, 256] {
            let free = gigabytes * 1_000_000_000;
            let (open, limited) = (
                plan(Some(free), None).unwrap(),
                plan(None, Some(free)).unwrap(),
            );
            assert!(
                open.total() <= free && limited.total() <= free,
                "{gigabytes} {open:?}"
            );
            assert!(open.tree <= limited.tree, "a limit is for this model alone");
            assert!(open.pass_tokens >= LEAST_ROWS && open.logit_rows >= LEAST_ROWS);
        }
        let large = plan(Some(u64::MAX), None).unwrap();
        assert_eq!(
            (large.tree_tokens, large.pass_tokens),
            (TREE_TOKENS, PASS_TOKENS)
        );
        // 28 layers of keys and values of 256 numbers in f16, and 1536 of hidden state in f32, beside the node.
        let token = large.tree / large.tree_tokens as u64;
        assert_eq!(
            token,
            2 * 28 * 2 * 256 + 4 * 1536 + TokenTree::NODE_BYTES as u64
        );
        let unknown = plan(None, None).unwrap();
        assert!(
            (500 << 20..=512 << 20).contains(&unknown.tree),
            "{unknown:?}"
        );
        assert_eq!(
            plan(Some(64 << 30), Some(8 << 30)).unwrap(),
            plan(None, Some(8 << 30)).unwrap()
        );
    }

    #[test]
    fn a_model_that_does_not_fit_says_what_it_needs_and_what_would_fit() {
        let told = |free, limit| plan(free, limit).unwrap_err().to_string();
        insta::assert_snapshot!(told(Some(3_000_000_000), None), @"the model needs 3.2 GB of memory, 3.1 GB of it for weights, and 3.0 GB are free; with q8_0 weights it would need 1.8 GB");
        insta::assert_snapshot!(told(Some(64 << 30), Some(2_000_000_000)), @"the model needs 3.2 GB of memory, 3.1 GB of it for weights, and its limit is 2.0 GB; with q8_0 weights it would need 1.8 GB");
        insta::assert_snapshot!(told(Some(900_000_000), None), @"the model needs 3.2 GB of memory, 3.1 GB of it for weights, and 900 MB are free; a model of about 756 million parameters would fit");
        insta::assert_snapshot!(told(Some(u64::MAX), Some(0)), @"the model needs 3.2 GB of memory, 3.1 GB of it for weights, and its limit is 0 MB; no model would fit");
    }

    #[test]
    fn control_groups_of_both_versions_bound_what_is_free() {
        let root = std::env::temp_dir().join(format!("outthink-cgroup-{}", std::process::id()));
        let write = |file: &str, text: &str| {
            let file = root.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        assert_eq!(left_by_groups(&root, "0::/a/b\n"), None);
        write("a/memory.max", "1000\n");
        write("a/memory.current", "700\n");
        write(
            "a/memory.stat",
            "anon 1\ninactive_file 200\nactive_file 7\n",
        );
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "600\n");
        assert_eq!(left_by_groups(&root, "0::/a/b\n"), Some(500));
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/memory.usage_in_bytes", "1\n");
        write("memory/c/memory.limit_in_bytes", "4096\n");
        write("memory/c/memory.usage_in_bytes", "5000\n");
        let old = "5:cpu,cpuacct:/c\n4:memory:/c\n0::/none\n";
        assert_eq!(left_by_groups(&root, old), Some(0), "over its limit");
        assert_eq!(
            left_by_groups(&root, "4:memory:/outside/the/container\n"),
            Some(9_223_372_036_854_771_711)
        );
        std::fs::remove_dir_all(&root).unwrap();
        let text = "MemTotal:       24684000 kB\nMemAvailable:   23642000 kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(23_642_000));
    }
}

//! The paper's figures, for this study.

use outthink_core::number::short;

use super::figure::{Bar, COLOURS, Content, Dot, Drawn, Figure, Line, Panel};
use crate::analysis::{Analysis, Entry, Key};
use crate::estimate::difficulty::BANDS;

/// The colour of Pass@N.
const CEILING: usize = 7;

impl Analysis {
    fn dot(&self, entry: &Entry, x: f64) -> Dot {
        Dot {
            x,
            y: entry.accuracy,
            low: entry.interval.low,
            high: entry.interval.high,
            hint: self.hint(entry),
            label: String::new(),
        }
    }

    /// A line over the budgets of the keys that were measured.
    fn line(&self, colour: usize, dashed: bool, key: impl Fn(usize) -> Key) -> Line {
        let dots = self.study.budgets.iter().filter_map(|&budget| {
            let entry = self
                .entry(&key(budget))
                .filter(|entry| entry.problems > 0)?;
            Some(self.dot(entry, budget as f64))
        });
        Line {
            colour,
            dashed,
            drawn: Drawn::Joined,
            dots: dots.collect(),
        }
    }

    fn marks(&self) -> Vec<(f64, String)> {
        let mark = |&budget: &usize| (budget as f64, budget.to_string());
        self.study.budgets.iter().map(mark).collect()
    }

    fn method_legend(&self, ceiling: bool) -> Vec<(usize, bool, String)> {
        let mut legend: Vec<(usize, bool, String)> = self
            .methods()
            .iter()
            .map(|(method, colour)| (*colour, false, method.title().to_owned()))
            .collect();
        if ceiling {
            legend.push((CEILING, true, "Pass@N, the ceiling of best-of-N".into()));
        }
        legend
    }

    /// Figure 1: small policies with scaling beside large ones alone.
    pub(super) fn figure_1(&self) -> Option<Figure> {
        let verifier = self.main_verifier()?;
        let largest = self.largest();
        let mut bars = Vec::new();
        for policy in self.by_size() {
            let name = self.policy_name(policy);
            let mut group = Vec::new();
            let bar = |entry: &Entry, colour, label: &str| Bar {
                colour,
                label: label.to_owned(),
                y: entry.accuracy,
                interval: Some((entry.interval.low, entry.interval.high)),
                hint: self.hint(entry),
                gap: false,
            };
            if let Some(alone) = self.entry(&self.alone(policy)) {
                let title = match alone.key.method.is_greedy() {
                    true => "CoT",
                    false => "single",
                };
                group.push(bar(alone, 6, &format!("{name}\n{title}")));
            }
            if let Some(best) = self.best(policy, Some(verifier), largest) {
                let label = format!("{name}\n{}", best.key.method.title());
                group.push(bar(best, 0, &label));
            }
            if let Some(optimal) = self.entry(&self.optimal_key(policy, verifier, largest)) {
                group.push(bar(optimal, 5, &format!("{name}\noptimal")));
            }
            if let Some(first) = group.first_mut() {
                first.gap = !bars.is_empty();
            }
            bars.extend(group);
        }
        Some(Figure {
            id: "figure-1".into(),
            title: "Small policies with test-time scaling, large ones alone".into(),
            caption: format!(
                "Accuracy with {alone}, with the best single method at N = {largest} and with the compute-optimal choice \
                 (best method in each band of difficulty, chosen on these problems, as the paper does). Verifier: {}.",
                self.verifier_name(verifier),
                alone = self.alone_in_words()
            ),
            axis: String::new(),
            vertical: "% right",
            square: false,
            columns: 1,
            panels: vec![Panel {
                title: String::new(),
                content: Content::Bars(bars),
            }],
            legend: vec![
                (6, false, self.alone_in_words().into()),
                (0, false, format!("best method, N = {largest}")),
                (
                    5,
                    false,
                    format!("compute-optimal, N = {largest} (in-sample)"),
                ),
            ],
        })
    }

    /// Figure 3: how Pass@1 is spread over the problems.
    pub(super) fn figure_3(&self) -> Option<Figure> {
        let mut panels = Vec::new();
        for policy in self.by_size() {
            let pass: Vec<f64> = self.difficulty[policy]
                .pass
                .iter()
                .flatten()
                .copied()
                .collect();
            if pass.is_empty() {
                continue;
            }
            let mut bins = [0usize; 10];
            for pass in &pass {
                bins[((pass * 10.0 + 1e-9) as usize).min(9)] += 1;
            }
            let bars = bins.iter().enumerate().map(|(bin, &count)| Bar {
                colour: match bin {
                    0 => 1,
                    1..=4 => 4,
                    _ => 2,
                },
                label: if bin % 2 == 0 {
                    format!("{}", bin * 10)
                } else {
                    String::new()
                },
                y: count as f64 / pass.len() as f64,
                interval: None,
                hint: format!(
                    "Pass@1 from {} to {} %: {count} of {} problems",
                    bin * 10,
                    bin * 10 + 10,
                    pass.len()
                ),
                gap: false,
            });
            let mean = pass.iter().sum::<f64>() / pass.len() as f64;
            panels.push(Panel {
                title: format!("{} (mean {:.1} %)", self.policy_name(policy), 100.0 * mean),
                content: Content::Bars(bars.collect()),
            });
        }
        (!panels.is_empty()).then(|| Figure {
            id: "figure-3".into(),
            title: "How hard the problems are".into(),
            caption: "Share of the problems by their Pass@1 over all samples of the pool (an oracle: it needs the right answers).".into(),
            axis: "Pass@1 of a problem, %".into(),
            vertical: "% of the problems",
            square: false,
            columns: 3,
            panels,
            legend: vec![
                (1, false, "hard, below 10 %".into()),
                (4, false, "medium".into()),
                (2, false, "easy, 50 % and more".into()),
            ],
        })
    }

    /// Figures 4, 5, 10 and 11: every policy with every verifier and method.
    pub(super) fn figure_4(&self) -> Option<Figure> {
        let verifiers = self.study.verifiers.len();
        let mut panels = Vec::new();
        for policy in self.by_size() {
            for verifier in 0..verifiers {
                let mut lines =
                    vec![self.line(CEILING, true, |budget| self.ceiling_key(policy, budget))];
                for (method, colour) in self.methods() {
                    let key = |budget| self.key(policy, Some(verifier), method, budget);
                    lines.push(self.line(colour, false, key));
                }
                lines.retain(|line| !line.dots.is_empty());
                panels.push(Panel {
                    title: format!(
                        "{}, {}",
                        self.policy_name(policy),
                        self.study.verifiers[verifier].name
                    ),
                    content: Content::Lines {
                        linear: false,
                        marks: self.marks(),
                        lines,
                    },
                });
            }
        }
        (!panels.is_empty()).then(|| Figure {
            id: "figure-4".into(),
            title: "Policies, verifiers and methods".into(),
            caption: "Accuracy against N; bands are 95 % intervals over problems. What a method gains depends on the verifier: compare along a row.".into(),
            axis: "N, samples".into(),
            vertical: "% right",
            square: false,
            columns: if verifiers <= 4 { verifiers } else { 3 },
            panels,
            legend: self.method_legend(true),
        })
    }

    /// Figure 7: the same method for policies of different size.
    pub(super) fn figure_7(&self) -> Option<Figure> {
        let verifier = self.main_verifier()?;
        let order = self.by_size();
        let panels: Vec<Panel> = self
            .methods()
            .iter()
            .map(|(method, _)| Panel {
                title: method.title().into(),
                content: Content::Lines {
                    linear: false,
                    marks: self.marks(),
                    lines: order
                        .iter()
                        .enumerate()
                        .map(|(colour, &policy)| {
                            let key = |budget| self.key(policy, Some(verifier), *method, budget);
                            self.line(colour % COLOURS, false, key)
                        })
                        .filter(|line| !line.dots.is_empty())
                        .collect(),
                },
            })
            .collect();
        Some(Figure {
            id: "figure-7".into(),
            title: "Methods and the size of the policy".into(),
            caption: format!(
                "Accuracy against N by method. Verifier: {}.",
                self.verifier_name(verifier)
            ),
            axis: "N, samples".into(),
            vertical: "% right",
            square: false,
            columns: 4,
            panels,
            legend: order
                .iter()
                .enumerate()
                .map(|(colour, &policy)| {
                    let size = self.parameters(policy).map_or(String::new(), |parameters| {
                        format!(" ({} parameters)", short(parameters as f64))
                    });
                    (
                        colour % COLOURS,
                        false,
                        format!("{}{size}", self.policy_name(policy)),
                    )
                })
                .collect(),
        })
    }

    /// Figures 8 and 9: by difficulty.
    pub(super) fn figure_8(&self) -> Option<Figure> {
        let verifier = self.main_verifier()?;
        let mut panels = Vec::new();
        for policy in self.by_size() {
            for (band, problems) in self.difficulty[policy].bands().iter().enumerate() {
                let line = |method, colour| {
                    let dots = self.study.budgets.iter().filter_map(|&budget| {
                        let place = self.place(&self.key(policy, Some(verifier), method, budget))?;
                        let (mean, interval, n) = self.part(place, problems);
                        (n > 0).then(|| Dot {
                            x: budget as f64,
                            y: mean,
                            low: interval.low,
                            high: interval.high,
                            label: String::new(),
                            hint: format!(
                                "{} problems, {}, {} at N = {budget}\n{:.1} %, 95 % interval {:.1} to {:.1}, n = {n}",
                                BANDS[band],
                                self.policy_name(policy),
                                method.title(),
                                100.0 * mean,
                                100.0 * interval.low,
                                100.0 * interval.high
                            ),
                        })
                    });
                    Line {
                        colour,
                        dashed: false,
                        drawn: Drawn::Joined,
                        dots: dots.collect(),
                    }
                };
                let lines = self.methods().into_iter();
                let lines = lines.map(|(method, colour)| line(method, colour));
                panels.push(Panel {
                    title: format!(
                        "{}, {} (n = {})",
                        self.policy_name(policy),
                        BANDS[band],
                        problems.len()
                    ),
                    content: Content::Lines {
                        linear: false,
                        marks: self.marks(),
                        lines: lines.filter(|line| !line.dots.is_empty()).collect(),
                    },
                });
            }
        }
        Some(Figure {
            id: "figure-8".into(),
            title: "By difficulty".into(),
            caption: format!(
                "Accuracy against N for problems that are easy, medium and hard for the policy (oracle Pass@1 bands). Verifier: {}.",
                self.verifier_name(verifier)
            ),
            axis: "N, samples".into(),
            vertical: "% right",
            square: false,
            columns: 3,
            panels,
            legend: self.method_legend(false),
        })
    }

    /// Accuracy against everything that is computed.
    pub(super) fn figure_flops(&self) -> Option<Figure> {
        let verifier = self.main_verifier()?;
        let full = |entry: &Entry| self.flops(entry).1.filter(|flops| *flops > 0.0);
        let mut panels = Vec::new();
        let mut all: Vec<f64> = Vec::new();
        let order = self.by_size();
        for (method, _) in self.methods() {
            let mut lines = Vec::new();
            for (colour, &policy) in order.iter().enumerate() {
                let cot = self.alone(policy);
                let keys = self.study.budgets.iter();
                let keys = keys.map(|&budget| self.key(policy, Some(verifier), method, budget));
                let dots: Vec<Dot> = std::iter::once(cot)
                    .chain(keys)
                    .filter_map(|key| {
                        let entry = self.entry(&key).filter(|entry| entry.problems > 0)?;
                        Some(self.dot(entry, full(entry)?))
                    })
                    .collect();
                all.extend(dots.iter().map(|dot| dot.x));
                lines.push(Line {
                    colour: colour % COLOURS,
                    dashed: false,
                    drawn: Drawn::Joined,
                    dots,
                });
            }
            lines.retain(|line| !line.dots.is_empty());
            panels.push((method, lines));
        }
        let low = all.iter().copied().fold(f64::INFINITY, f64::min);
        let high = all.iter().copied().fold(0.0, f64::max);
        if !low.is_finite() {
            return None;
        }
        let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let marks: Vec<(f64, String)> = exponents
            .map(|exponent| {
                (
                    10f64.powi(exponent),
                    short(10f64.powi(exponent))
                        .replace(".00", "")
                        .replace(".0", ""),
                )
            })
            .collect();
        let panels = panels.into_iter().map(|(method, lines)| Panel {
            title: method.title().into(),
            content: Content::Lines {
                linear: false,
                marks: marks.clone(),
                lines,
            },
        });
        Some(Figure {
            id: "figure-flops".into(),
            title: "Accuracy against computation".into(),
            caption: format!(
                "Operations per problem of policy and verifier, attention included; the leftmost point of a line is {alone}. \
                 Verifier: {}.",
                self.verifier_name(verifier),
                alone = self.alone_in_words()
            ),
            axis: "floating-point operations per problem, verifier included".into(),
            vertical: "% right",
            square: false,
            columns: 2,
            panels: panels.collect(),
            legend: order
                .iter()
                .enumerate()
                .map(|(colour, &policy)| (colour % COLOURS, false, self.policy_name(policy)))
                .collect(),
        })
    }
}

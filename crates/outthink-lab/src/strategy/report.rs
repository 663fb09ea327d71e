//! What tuning found, as Markdown and a chart: every number is of the test problems unless it says otherwise.

use std::fmt::{self, Write};

use outthink_core::Method;

use super::allocation::{allocate, allocated};
use super::builtin::Builtin;
use super::chooser::{bands, costs};
use super::evaluation::{
    Compared, Difference, Split, TuneError, awareness, commonest, difference, fixed, majority,
    reliability, rivals,
};
use super::evidence::Evidence;
use super::stopping::Stopping;
use super::tariff::Unit;
use super::tune::{Outcome, Tuned, Tuning};
use crate::chart::{Chart, Point, Series};
use crate::estimate::Proportion;
use crate::gain::{Efficiency, efficiency_gain, performance_gain};
use crate::short::short;
use crate::study::Study;

/// One policy of the report.
pub struct Part<'a> {
    /// The policy's name.
    pub policy: String,
    /// The evidence.
    pub split: &'a Split,
    /// What was fitted on, in the strategy's unit.
    pub tuning: &'a Tuning<'a>,
    /// What was fitted.
    pub tuned: &'a Tuned,
    /// The choosers compared.
    pub compared: Vec<Compared>,
}

/// Chain of thought of a policy: by problem of the test study, and what it costs in FLOPs.
pub type Alone = (String, Vec<f64>, f64);

/// The report and its chart. Needs a test split in every part.
pub fn report(
    tune: &Study,
    test: &Study,
    parts: &[Part<'_>],
    alone: &[Alone],
    command: &str,
) -> Result<(String, String), TuneError> {
    let mut text = String::new();
    let mut chart = Chart {
        title: format!(
            "A strategy fitted on {}, tested on {}",
            tune.name, test.name
        ),
        axis: "full FLOPs a problem".into(),
        series: Vec::new(),
    };
    let runs = |study: &Study| {
        format!(
            "{} problems of {}, {} runs",
            study.problems.len(),
            study.dataset,
            study.seeds.len()
        )
    };
    let _ = write!(
        text,
        "# The compute-optimal strategy, fitted and tested\n\nFitted on `{}` ({}), tested on `{}` ({}); the two share no problem. Made by\n\n    {command}\n\nAll intervals are 95 %, paired, by 10,000 bootstrap draws over problems and runs. *Deployable* sees no right answer: it looks at the first four\nsamples, or not, as cross-validation on the tune problems decided for the budget. *Oracle* marks what needs the right answers.\n",
        tune.name,
        runs(tune),
        test.name,
        runs(test)
    );
    for part in parts {
        let Some(unseen) = &part.split.test else {
            continue;
        };
        let _ = write!(text, "\n## {}\n", part.policy);
        if part.split.tune.missing + unseen.missing > 0 {
            let _ = write!(
                text,
                "\nLeft out as unfinished: {} runs of the tune problems, {} of the test problems.\n",
                part.split.tune.missing, unseen.missing
            );
        }
        choosers(&mut text, part).unwrap_or_default();
        recipes(&mut text, part, unseen).unwrap_or_default();
        small_against_large(&mut text, part, unseen, alone).unwrap_or_default();
        equal_flops(&mut text, part, unseen, test)?;
        reward_aware(&mut text, part, unseen, test)?;
        spending(&mut text, part, unseen)?;
        gains(&mut text, part, unseen).unwrap_or_default();
        diagram(&mut text, part, unseen).unwrap_or_default();
        chart.series.extend(curves(part, unseen)?);
    }
    let greedy = alone.iter().map(|(name, chances, flops)| Point {
        flops: *flops,
        accuracy: share(chances),
        label: name.clone(),
    });
    chart.series.push(Series {
        name: "CoT".into(),
        points: greedy.collect(),
        line: false,
    });
    Ok((text, chart.svg()))
}

fn share(chances: &[f64]) -> Proportion {
    Proportion {
        successes: chances.iter().sum::<f64>().round() as usize,
        trials: chances.len(),
    }
}

fn percent(outcome: Option<&Outcome>) -> String {
    outcome.map_or("–".into(), |own| format!("{:.1}", own.accuracy() * 100.0))
}

fn points(difference: &Difference) -> String {
    let Difference { mean, interval } = difference;
    format!(
        "{:+.1} ({:+.1} to {:+.1})",
        mean * 100.0,
        interval.low * 100.0,
        interval.high * 100.0
    )
}

fn choosers(text: &mut String, part: &Part<'_>) -> fmt::Result {
    let unit = part.tuning.tariff.unit();
    writeln!(
        text,
        "\n**What honesty costs**: % right by budget a problem in {unit}; the paper's chooser takes the best candidate in each band of oracle Pass@1\n\n| budget | tune: paper's, in-sample (oracle) | cross-validated (oracle) | deployable, cross-validated | test: one for all | paper's (oracle) | deployable | spent | knows all (oracle) | deployable − one for all | deployable takes most often |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for own in &part.compared {
        let Some(tested) = &own.tested else { continue };
        let usual = &part.split.tune.candidates[commonest(&tested.deployable.taken)];
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {usual} |",
            short(own.budget),
            percent(own.bands_in_sample.as_ref()),
            percent(own.bands_validated.as_ref()),
            percent(Some(&own.deployable_validated)),
            percent(tested.fixed.as_ref().map(|fixed| &fixed.1)),
            percent(tested.bands.as_ref()),
            percent(Some(&tested.deployable)),
            short(tested.deployable.cost()),
            percent(tested.oracle.as_ref()),
            tested.gain.as_ref().map_or("–".into(), points),
        )?;
    }
    Ok(())
}

/// The authors' fixed table and search-and-learn's recipe with each verifier, at the same number of samples.
fn recipes(text: &mut String, part: &Part<'_>, unseen: &Evidence) -> fmt::Result {
    if unseen.policy.cost.is_none() {
        return Ok(());
    }
    if part.tuning.tariff.unit() != Unit::Samples {
        return Ok(());
    }
    writeln!(
        text,
        "\n**Against the fixed recipes of others** at as many samples: the authors' table (by policy size and oracle band) and search-and-learn's\n\n| N | verifier | authors' table | deployable − it | search-and-learn | deployable − it |\n|---|---|---|---|---|---|"
    )?;
    let bands = bands(unseen);
    for own in part.compared.iter().filter(|own| own.budget >= 4.0) {
        let Some(tested) = &own.tested else { continue };
        for verifier in &unseen.verifiers {
            // By the oracle's bands, as the authors do.
            let chances = |of: Builtin| -> Option<Vec<f64>> {
                let fixed = of.with(&unseen.policy, &verifier.name).ok()?;
                let at = |band| unseen.place(&fixed.candidate(band, own.budget as usize));
                let by_band = [at(0), at(1), at(2)];
                let rows = unseen.rows.iter();
                rows.map(|row| Some(row.chances[by_band[bands[row.problem]]?]))
                    .collect()
            };
            let ours = &tested.deployable.chances;
            let cells = |chances: Option<Vec<f64>>| {
                chances.map_or(["–".to_owned(), "–".to_owned()], |theirs| {
                    let mean = theirs.iter().sum::<f64>() / theirs.len().max(1) as f64;
                    let gain = difference(unseen, ours, &theirs);
                    [format!("{:.1}", mean * 100.0), points(&gain)]
                })
            };
            let [table, gain] = cells(chances(Builtin::Paper));
            let [recipe, over] = cells(chances(Builtin::SearchAndLearn));
            writeln!(
                text,
                "| {} | {} | {table} | {gain} | {recipe} | {over} |",
                short(own.budget),
                verifier.name
            )?;
        }
    }
    Ok(())
}

fn small_against_large(
    text: &mut String,
    part: &Part<'_>,
    unseen: &Evidence,
    alone: &[Alone],
) -> fmt::Result {
    let larger: Vec<&Alone> = alone
        .iter()
        .filter(|(name, ..)| *name != part.policy)
        .collect();
    writeln!(
        text,
        "\n**Small with its strategy minus large alone (greedy), points** (Table 3)\n\n| large policy, CoT | % right | budget | deployable | its full FLOPs | the large one's | deployable − large | majority at that N − large |\n|---|---|---|---|---|---|---|---|"
    )?;
    let Ok(flops) = unseen.tariff(Unit::Flops) else {
        return Ok(());
    };
    let plain = costs(unseen, &flops, None);
    for (name, greedy, price) in larger {
        let rows: Vec<f64> = unseen.rows.iter().map(|row| greedy[row.problem]).collect();
        for (entry, compared) in part.tuned.entries.iter().zip(&part.compared) {
            if part.tuning.tariff.unit() == Unit::Samples && entry.budget < 16.0 {
                continue;
            }
            let Some(tested) = &compared.tested else {
                continue;
            };
            let own_flops = part.tuned.apply(entry, unseen, &flops).cost();
            let gain = difference(unseen, &tested.deployable.chances, &rows);
            let voted = majority(unseen, entry.budget as usize).map(|place| {
                let voted = fixed(unseen, &plain, place);
                points(&difference(unseen, &voted.chances, &rows))
            });
            writeln!(
                text,
                "| {name} | {:.1} | {} | {} | {} | {} | {} | {} |",
                greedy.iter().sum::<f64>() / greedy.len().max(1) as f64 * 100.0,
                short(entry.budget),
                percent(Some(&tested.deployable)),
                short(own_flops),
                short(*price),
                points(&gain),
                voted.unwrap_or("–".into()),
            )?;
        }
    }
    Ok(())
}

fn equal_flops(
    text: &mut String,
    part: &Part<'_>,
    unseen: &Evidence,
    test: &Study,
) -> Result<(), TuneError> {
    let tariff = part.split.tune.tariff(Unit::Flops)?;
    let all = (0..part.split.tune.candidates.len()).collect();
    let tuning = Tuning::new(&part.split.tune, &tariff, all, 5, 0);
    let _ = writeln!(
        text,
        "\n**Against every fixed method and selection at equal full FLOPs**: the strategy fitted to spend what the fixed one costs; of each method and verifier, the selection that is best *on the test problems*\n\n| N | fixed | % right | FLOPs | deployable | its FLOPs | deployable − fixed |\n|---|---|---|---|---|---|---|"
    );
    let mut summary = String::new();
    for &n in test.budgets.iter().filter(|&&n| n >= 16) {
        let rivals = rivals(&tuning, unseen, n)?;
        let behind = rivals.iter().filter(|rival| rival.gain.mean < 0.0).count();
        let sure = rivals
            .iter()
            .filter(|rival| rival.gain.interval.low > 0.0)
            .count();
        let lost = rivals
            .iter()
            .filter(|rival| rival.gain.interval.high < 0.0)
            .count();
        let worst = rivals
            .iter()
            .min_by(|a, b| a.gain.mean.total_cmp(&b.gain.mean));
        let _ = writeln!(
            summary,
            "- N = {n}: {} fixed ones; the strategy is above {sure} (interval above 0), below {lost} (interval below 0), and has the lower mean against {behind}{}.",
            rivals.len(),
            worst.map_or(String::new(), |own| format!(
                "; the closest is {}: {}",
                part.split.tune.candidates[own.taken],
                points(&own.gain)
            ))
        );
        let mut shown: Vec<(Method, Option<&str>)> = Vec::new();
        for rival in &rivals {
            let candidate = &part.split.tune.candidates[rival.taken];
            let group = (candidate.method, candidate.verifier.as_deref());
            if shown.contains(&group) {
                continue;
            }
            shown.push(group);
            let same = rivals.iter().filter(|other| {
                let other = &part.split.tune.candidates[other.taken];
                (other.method, other.verifier.as_deref()) == group
            });
            let best = same.max_by(|a, b| a.fixed.accuracy().total_cmp(&b.fixed.accuracy()));
            if let Some(best) = best {
                let _ = writeln!(
                    text,
                    "| {n} | {} | {} | {} | {} | {} | {} |",
                    part.split.tune.candidates[best.taken],
                    percent(Some(&best.fixed)),
                    short(best.fixed.cost()),
                    percent(Some(&best.strategy)),
                    short(best.strategy.cost()),
                    points(&best.gain)
                );
            }
        }
    }
    let _ = writeln!(text, "\nOver all selections:\n\n{summary}");
    Ok(())
}

fn reward_aware(
    text: &mut String,
    part: &Part<'_>,
    unseen: &Evidence,
    test: &Study,
) -> Result<(), TuneError> {
    if part.split.tune.verifiers.len() < 2 {
        return Ok(());
    }
    let _ = writeln!(
        text,
        "**Reward-aware against reward-blind** choosing by the paper's bands (oracle): aware is fitted with the verifier it runs with, blind with another one; majority is open to both\n\n| runs with | blind is fitted with | N | aware | takes most often | blind | takes most often | aware − blind |\n|---|---|---|---|---|---|---|---|"
    );
    let budgets: Vec<f64> = test.budgets.iter().map(|&n| n as f64).collect();
    for (number, verifier) in part.split.tune.verifiers.iter().enumerate() {
        for own in awareness(&part.split.tune, unseen, number, Unit::Samples, &budgets)? {
            let [aware, blind] = own.usual.map(|place| &part.split.tune.candidates[place]);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {aware} | {} | {blind} | {} |",
                verifier.name,
                own.other,
                short(own.budget),
                percent(Some(&own.aware)),
                percent(Some(&own.blind)),
                points(&own.gain)
            );
        }
    }
    Ok(())
}

/// Stopping and allocation against a uniform `N`, in tokens.
fn spending(text: &mut String, part: &Part<'_>, unseen: &Evidence) -> Result<(), TuneError> {
    const N: usize = 64;
    let tune = &part.split.tune;
    let (tariff, priced) = (unseen.tariff(Unit::Tokens)?, tune.tariff(Unit::Tokens)?);
    let (plain, fitted) = (costs(unseen, &tariff, None), costs(tune, &priced, None));
    let mut lines = String::new();
    let mut line = |name: &str, own: &Outcome, uniform: &Outcome| {
        let _ = writeln!(
            lines,
            "| {name} | {} | {} | {:.0} % | {} |",
            percent(Some(own)),
            short(own.cost()),
            own.cost() / uniform.cost() * 100.0,
            points(&difference(unseen, &own.chances, &uniform.chances))
        );
    };
    let uniform: Vec<usize> = (0..tune.candidates.len())
        .filter(|&c| {
            let own = &tune.candidates[c];
            let votes = matches!(own.method, Method::Majority | Method::BestOfN);
            own.budget == N && own.stopping.is_none() && votes
        })
        .collect();
    let all: Vec<usize> = (0..tune.rows.len()).collect();
    let mean = |place: usize| fixed(tune, &fitted, place);
    let voted = majority(tune, N);
    let best = uniform
        .iter()
        .copied()
        .max_by(|a, b| mean(*a).accuracy().total_cmp(&mean(*b).accuracy()));
    let budgets: Vec<f64> = voted
        .into_iter()
        .chain(best)
        .map(|place| mean(place).cost() / 2.0)
        .collect();
    let tuning = Tuning::new(tune, &priced, (0..tune.candidates.len()).collect(), 5, 0);
    let tuned = tuning.fit(&budgets);
    for (place, half) in voted.into_iter().chain(best).zip(budgets) {
        let candidate = &tune.candidates[place];
        let base = fixed(unseen, &plain, place);
        line(&format!("uniform {candidate}"), &base, &base);
        // The cheapest early stop that lost nothing on the tune problems.
        let wanted = mean(place).accuracy();
        let same = |c: &usize| {
            let own = &tune.candidates[*c];
            let kin = (own.method, own.selection, &own.verifier)
                == (candidate.method, candidate.selection, &candidate.verifier);
            kin && own.stopping.is_some() && mean(*c).accuracy() >= wanted
        };
        let stops = (0..tune.candidates.len()).filter(same);
        let cheapest = stops.min_by(|a, b| mean(*a).cost().total_cmp(&mean(*b).cost()));
        if let Some(stop) = cheapest {
            let own = fixed(unseen, &plain, stop);
            line(&tune.candidates[stop].to_string(), &own, &base);
        }
        let certified = tune.candidates.iter().position(|own| {
            matches!(own.stopping, Some(Stopping::Certified(_)))
                && (own.method, own.budget) == (candidate.method, N)
        });
        if let Some(stop) = certified {
            line(
                &tune.candidates[stop].to_string(),
                &fixed(unseen, &plain, stop),
                &base,
            );
        }
        if candidate.method == Method::Majority {
            // The confidence that was best on the tune problems at half of the tokens.
            let half_of = |evidence: &Evidence, rows: &[usize], stop, total| {
                let drawn = allocate(evidence, &tariff, rows, stop, 256, total);
                allocated(evidence, &tariff, rows, &drawn)
            };
            let score = |confidence: &f64| {
                let total = half * all.len() as f64;
                let (rights, _) = half_of(tune, &all, Stopping::Beta(*confidence), total);
                rights.iter().sum::<f64>()
            };
            let confidences = [0.8, 0.9, 0.95, 0.99];
            let chosen = confidences
                .iter()
                .copied()
                .max_by(|a, b| score(a).total_cmp(&score(b)));
            let confidence = chosen.unwrap_or(0.95);
            let rows: Vec<usize> = (0..unseen.rows.len()).collect();
            let total = base.costs.iter().sum::<f64>() / 2.0;
            let (chances, costs) = half_of(unseen, &rows, Stopping::Beta(confidence), total);
            let own = Outcome {
                taken: vec![place; chances.len()],
                said: vec![f64::NAN; chances.len()],
                chances,
                costs,
                ..Outcome::default()
            };
            line(
                &format!("allocated: half of the tokens over all problems, beta {confidence}"),
                &own,
                &base,
            );
        }
        if let Some(entry) = tuned.entries.iter().find(|entry| entry.budget == half) {
            let own = tuned.apply(entry, unseen, &tariff);
            line("the strategy, fitted for half of the tokens", &own, &base);
            let total = base.cost() / 2.0;
            if let Some(own) = tuned.share(entry, unseen, &tariff, total) {
                line(
                    "the strategy, half of the tokens over all problems",
                    &own,
                    &base,
                );
            }
        }
    }
    let _ = writeln!(
        text,
        "\n**Adaptive spending against a uniform N = {N}**, in tokens drawn and read a problem\n\n| how | % right | tokens | of uniform | minus uniform |\n|---|---|---|---|---|\n{lines}"
    );
    Ok(())
}

fn gains(text: &mut String, part: &Part<'_>, unseen: &Evidence) -> fmt::Result {
    if part.tuning.tariff.unit() != Unit::Samples {
        return Ok(());
    }
    let mean = |place: usize| {
        let chances = unseen.rows.iter().map(|row| row.chances[place]);
        chances.sum::<f64>() / unseen.rows.len().max(1) as f64
    };
    let strategy: Vec<(f64, f64)> = part
        .compared
        .iter()
        .filter(|own| own.budget >= 4.0)
        .filter_map(|own| Some((own.budget, own.tested.as_ref()?.deployable.accuracy())))
        .collect();
    let voted: Vec<(f64, f64)> = strategy
        .iter()
        .filter_map(|(budget, _)| Some((*budget, mean(majority(unseen, *budget as usize)?))))
        .collect();
    let greedy = unseen
        .candidates
        .iter()
        .position(|own| own.method == Method::Cot)
        .map(mean);
    let (Some(greedy), Some((_, last)), Some((_, peak))) = (
        greedy,
        strategy.last(),
        voted.iter().max_by(|a, b| a.1.total_cmp(&b.1)),
    ) else {
        return Ok(());
    };
    let efficiency = match efficiency_gain(&voted, &strategy) {
        Efficiency::Times(times) => format!("{times:.1} ×"),
        Efficiency::MoreThan(times) => format!("> {times:.0} ×"),
        Efficiency::Never => "never there".into(),
    };
    writeln!(
        text,
        "**Gains** (Table 5)\n\n| CoT | majority, at its peak | deployable, largest N | performance gain | efficiency gain over majority |\n|---|---|---|---|---|\n| {:.1} | {:.1} | {:.1} | {:.0} % | {efficiency} |",
        greedy * 100.0,
        peak * 100.0,
        last * 100.0,
        performance_gain(*last, greedy) * 100.0
    )
}

/// The confidence that is printed, and what it would be without the end.
fn diagram(text: &mut String, part: &Part<'_>, unseen: &Evidence) -> fmt::Result {
    writeln!(
        text,
        "\n**Reliability**: the confidence said and what came true, in tenths (rows in brackets), the mean distance (ECE) and Brier's score; *before* goes by the prediction alone (Platt), *after* also by how all draws agree (isotonic)\n\n| budget | said → came true | ECE before | after | Brier before | after |\n|---|---|---|---|---|---|"
    )?;
    for (entry, own) in part.tuned.entries.iter().zip(&part.compared) {
        let Some(tested) = &own.tested else { continue };
        let [before, after] = reliability(entry, &tested.deployable, unseen);
        let told: Vec<String> = after
            .lines
            .iter()
            .map(|own| {
                format!(
                    "{:.0} → {:.0} ({})",
                    own.said * 100.0,
                    own.came * 100.0,
                    own.rows
                )
            })
            .collect();
        writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.3} | {:.3} |",
            short(entry.budget),
            told.join(", "),
            before.error * 100.0,
            after.error * 100.0,
            before.brier,
            after.brier
        )?;
    }
    Ok(())
}

fn curves(part: &Part<'_>, unseen: &Evidence) -> Result<Vec<Series>, TuneError> {
    let flops = unseen.tariff(Unit::Flops)?;
    let plain = costs(unseen, &flops, None);
    let point = |flops: f64, accuracy: f64, label: String| Point {
        flops,
        accuracy: Proportion {
            successes: (accuracy * unseen.problems as f64).round() as usize,
            trials: unseen.problems,
        },
        label,
    };
    let voted = [4, 16, 64, 256].into_iter().filter_map(|n| {
        let own = fixed(unseen, &plain, majority(unseen, n)?);
        Some(point(own.cost(), own.accuracy(), n.to_string()))
    });
    let strategy = part.tuned.entries.iter().map(|entry| {
        let own = part.tuned.apply(entry, unseen, &flops);
        point(own.cost(), own.accuracy(), short(entry.budget))
    });
    Ok(vec![
        Series {
            name: format!("{} majority", part.policy),
            points: voted.collect(),
            line: true,
        },
        Series {
            name: format!("{} strategy", part.policy),
            points: strategy.collect(),
            line: true,
        },
    ])
}

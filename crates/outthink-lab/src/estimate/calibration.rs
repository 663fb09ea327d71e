//! How far what was said comes true: a reliability diagram in tenths.

/// A line of the reliability diagram: what was said on average, what came true, and how many rows.
#[derive(Clone, Copy, Debug)]
pub struct CalibrationBin {
    /// The mean confidence.
    pub said: f64,
    /// The mean chance of being right.
    pub came: f64,
    /// Rows.
    pub rows: usize,
}

/// What was said and what came true, in tenths of what was said, and the mean distance.
pub(crate) fn tenths(pairs: impl Iterator<Item = (f64, f64)>) -> (Vec<CalibrationBin>, f64) {
    let mut bins = vec![(0.0, 0.0, 0usize); 10];
    for (said, came) in pairs {
        let bin = &mut bins[((said * 10.0) as usize).min(9)];
        *bin = (bin.0 + said, bin.1 + came, bin.2 + 1);
    }
    let total = bins.iter().map(|bin| bin.2).sum::<usize>().max(1) as f64;
    let error: f64 = bins.iter().map(|bin| (bin.0 - bin.1).abs()).sum::<f64>() / total;
    let line = |(said, came, rows): (f64, f64, usize)| CalibrationBin {
        said: said / rows as f64,
        came: came / rows as f64,
        rows,
    };
    let filled = bins.into_iter().filter(|bin| bin.2 > 0).map(line);
    (filled.collect(), error)
}

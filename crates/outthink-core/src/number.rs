//! Numbers for people: three figures are enough.

/// 1234567 as `1.23M`.
pub fn short(number: f64) -> String {
    let units = [
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
    ];
    match units.iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) if number < 1e21 => {
            let value = number / size;
            let digits = if value < 10.0 {
                2
            } else {
                usize::from(value < 100.0)
            };
            format!("{value:.digits$}{unit}")
        }
        Some(_) => format!("{number:.2e}"),
        None if number.fract() == 0.0 || number >= 100.0 => format!("{number:.0}"),
        None => format!("{number:.1}"),
    }
}

/// A chance in per cent; none is so near to 0 or 1 that it could be called certain.
pub fn chance(value: f64) -> String {
    match value {
        _ if value > 0.995 => "over 99 %".into(),
        _ if value < 0.005 => "under 1 %".into(),
        _ => format!("{:.0} %", value * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_figures() {
        let shown = [
            0.0, 7.0, 7.25, 999.0, 1234.0, 89_664.0, 1.585e6, 4.2e11, 3e22,
        ]
        .map(short);
        let expected = [
            "0", "7", "7.2", "999", "1.23k", "89.7k", "1.58M", "420G", "3.00e22",
        ];
        assert_eq!(shown, expected);
    }
}

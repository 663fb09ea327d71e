//! Plain tables and numbers for people.

use std::fmt::Write;

/// Columns padded to their widest cell; the first `left` columns are flush left, the others flush right.
pub(crate) fn render(header: &[&str], left: usize, rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(&header).chain(rows) {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if column < left {
                let _ = write!(line, "{cell:<width$}  ");
            } else {
                let _ = write!(line, "{cell:>width$}  ");
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// 1234567 as `1.23M`.
pub(crate) fn short(number: f64) -> String {
    let units = [
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
    ];
    match units.iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) => {
            let value = number / size;
            let digits = if value < 10.0 {
                2
            } else {
                usize::from(value < 100.0)
            };
            format!("{value:.digits$}{unit}")
        }
        None => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_figures() {
        let shown = [0.0, 999.0, 1234.0, 89_664.0, 1.585e6, 4.2e11].map(short);
        assert_eq!(shown, ["0", "999", "1.23k", "89.7k", "1.58M", "420G"]);
    }
}

//! Accuracy against compute, as an SVG that stands on its own.

use std::fmt::Write;

use crate::estimate::Proportion;

/// A measured accuracy at a cost.
#[derive(Clone, Debug)]
pub struct Point {
    /// Floating-point operations per problem; positive.
    pub flops: f64,
    /// Accuracy.
    pub accuracy: Proportion,
    /// A word beside the mark.
    pub label: String,
}

/// Points of one kind, joined by a line in order of cost if there is one.
#[derive(Clone, Debug)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// The points.
    pub points: Vec<Point>,
    /// Join them?
    pub line: bool,
}

/// A chart of accuracy (with 95 % intervals) against floating-point operations on a logarithmic axis.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above the plot.
    pub title: String,
    /// Below the horizontal axis.
    pub axis: String,
    /// What is drawn.
    pub series: Vec<Series>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 232.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 58.0;

/// Okabe and Ito's palette, told apart by readers with any colour vision.
const COLOURS: [&str; 7] = [
    "#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

impl Chart {
    /// The SVG text.
    pub fn svg(&self) -> String {
        let all = || self.series.iter().flat_map(|series| &series.points);
        let flops = || all().map(|point| point.flops.log10());
        let low = flops().fold(f64::INFINITY, f64::min).floor();
        let high = flops()
            .fold(f64::NEG_INFINITY, f64::max)
            .ceil()
            .max(low + 1.0);
        let x = |flops: f64| LEFT + (flops.log10() - low) / (high - low) * (WIDTH - LEFT - RIGHT);
        let y = |share: f64| HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
        let mut svg = String::new();
        self.write(&mut svg, low, high, &x, &y).unwrap_or_default();
        svg
    }

    fn write(
        &self,
        svg: &mut String,
        low: f64,
        high: f64,
        x: &dyn Fn(f64) -> f64,
        y: &dyn Fn(f64) -> f64,
    ) -> std::fmt::Result {
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="13">"#
        )?;
        writeln!(
            svg,
            r##"<rect width="100%" height="100%" fill="#ffffff"/>"##
        )?;
        writeln!(
            svg,
            r#"<text x="{LEFT}" y="26" font-size="17" font-weight="600">{}</text>"#,
            escape(&self.title)
        )?;
        for tenth in (0..=10).step_by(2) {
            let (share, line) = (f64::from(tenth) / 10.0, y(f64::from(tenth) / 10.0));
            writeln!(
                svg,
                r##"<line x1="{LEFT}" x2="{:.1}" y1="{line:.1}" y2="{line:.1}" stroke="#e4e4e4"/>"##,
                WIDTH - RIGHT
            )?;
            writeln!(
                svg,
                r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{:.0} %</text>"#,
                LEFT - 8.0,
                line + 4.0,
                share * 100.0
            )?;
        }
        let mut exponent = low;
        while exponent <= high {
            let column = x(10f64.powf(exponent));
            writeln!(
                svg,
                r##"<line x1="{column:.1}" x2="{column:.1}" y1="{TOP}" y2="{:.1}" stroke="#e4e4e4"/>"##,
                HEIGHT - BOTTOM
            )?;
            writeln!(
                svg,
                r#"<text x="{column:.1}" y="{:.1}" text-anchor="middle">10<tspan dy="-5" font-size="10">{exponent:.0}</tspan></text>"#,
                HEIGHT - BOTTOM + 20.0
            )?;
            exponent += 1.0;
        }
        writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 14.0,
            escape(&self.axis)
        )?;
        let mut labels = Labels::default();
        for (index, series) in self.series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            if series.line {
                let joined: Vec<String> = series
                    .points
                    .iter()
                    .map(|point| format!("{:.1},{:.1}", x(point.flops), y(point.accuracy.mean())))
                    .collect();
                writeln!(
                    svg,
                    r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.5"/>"#,
                    joined.join(" ")
                )?;
            }
            for point in &series.points {
                let (column, row) = (x(point.flops), y(point.accuracy.mean()));
                let interval = point.accuracy.interval();
                writeln!(
                    svg,
                    r#"<line x1="{column:.1}" x2="{column:.1}" y1="{:.1}" y2="{:.1}" stroke="{colour}" stroke-opacity="0.45"/>"#,
                    y(interval.low),
                    y(interval.high)
                )?;
                writeln!(
                    svg,
                    r#"<circle cx="{column:.1}" cy="{row:.1}" r="4.5" fill="{colour}"><title>{}: {:.1} %</title></circle>"#,
                    escape(&point.label),
                    point.accuracy.mean() * 100.0
                )?;
                if !point.label.is_empty() {
                    writeln!(
                        svg,
                        r#"<text x="{:.1}" y="{:.1}" font-size="11" fill="{colour}">{}</text>"#,
                        column + 7.0,
                        labels.row(column + 7.0, row, &point.label),
                        escape(&point.label)
                    )?;
                }
            }
            let row = TOP + 10.0 + 22.0 * index as f64;
            writeln!(
                svg,
                r#"<circle cx="{:.1}" cy="{row:.1}" r="4.5" fill="{colour}"/>"#,
                WIDTH - RIGHT + 22.0
            )?;
            writeln!(
                svg,
                r#"<text x="{:.1}" y="{:.1}">{}</text>"#,
                WIDTH - RIGHT + 34.0,
                row + 4.0,
                escape(&series.name)
            )?;
        }
        writeln!(svg, "</svg>")
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Where labels stand: left, right and base line of each.
#[derive(Default)]
struct Labels(Vec<(f64, f64, f64)>);

impl Labels {
    /// The base line of a label beside a point: above it, or below where another stands there.
    fn row(&mut self, left: f64, point: f64, text: &str) -> f64 {
        const LINE: f64 = 12.0;
        let right = left + 6.5 * text.chars().count() as f64;
        let free = |row: &f64| {
            let apart = |&(from, to, other): &(f64, f64, f64)| {
                to < left || from > right || (other - row).abs() >= LINE
            };
            self.0.iter().all(apart)
        };
        let rows = [-6.0, 15.0, -18.0, 27.0].map(|offset| point + offset);
        let row = rows.iter().copied().find(free).unwrap_or(rows[0]);
        self.0.push((left, right, row));
        row
    }
}

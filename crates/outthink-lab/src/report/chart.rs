//! Accuracy against compute, as an SVG that stands on its own.

use std::fmt::Write;

use crate::estimate::interval::Proportion;

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

/// How wide the page is.
const WIDTH: f64 = 860.0;
const PLOT: f64 = 394.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const TITLE: f64 = 40.0;
const ENTRY: f64 = 22.0;
const BOTTOM: f64 = 58.0;

/// Colours that readers with any colour vision tell apart (after Okabe and Ito), on light and on dark paper.
const STYLE: &str = "<style>.chart{--ink:#1c2024;--soft:#5f6873;--grid:#e4e6e9;--paper:#ffffff;--c0:#1c2024;--c1:#0072b2;--c2:#d55e00;\
--c3:#009e73;--c4:#b65c93;--c5:#c98a00;--c6:#3f9fd8}@media (prefers-color-scheme:dark){.chart{--ink:#e6e8eb;--soft:#9aa4af;--grid:#2c333b;\
--paper:#14181d;--c0:#e6e8eb;--c1:#5ab4f0;--c2:#ff8c4b;--c3:#3fcf9f;--c4:#e39cc8;--c5:#f2b63c;--c6:#8fd0f5}}\
.chart text{fill:var(--ink)}.chart .soft{fill:var(--soft)}.chart .label{font-size:12px;paint-order:stroke;stroke:var(--paper);stroke-width:3px}</style>";
const COLOURS: usize = 7;

/// Where everything is: shares and operations to places on the page.
struct Scale {
    /// Powers of ten at the ends of the horizontal axis.
    decades: (f64, f64),
    /// Shares at the ends of the vertical one, in tenths.
    tenths: (i32, i32),
    top: f64,
}

impl Scale {
    fn of(points: &[&Point], top: f64) -> Self {
        let flops = || points.iter().map(|point| point.flops.log10());
        let low = flops().fold(f64::INFINITY, f64::min).floor();
        let high = flops()
            .fold(f64::NEG_INFINITY, f64::max)
            .ceil()
            .max(low + 1.0);
        let ends = || points.iter().map(|point| point.accuracy.interval());
        let least = ends().map(|own| own.low).fold(1.0, f64::min);
        let most = ends().map(|own| own.high).fold(0.0, f64::max);
        let bottom = (10.0 * least).floor() as i32;
        Self {
            decades: (low, high),
            tenths: (bottom, ((10.0 * most).ceil() as i32).clamp(bottom + 1, 10)),
            top,
        }
    }

    fn x(&self, flops: f64) -> f64 {
        let (low, high) = self.decades;
        LEFT + (flops.log10() - low) / (high - low) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, share: f64) -> f64 {
        let (low, high) = (
            f64::from(self.tenths.0) / 10.0,
            f64::from(self.tenths.1) / 10.0,
        );
        self.top + PLOT * (1.0 - (share - low) / (high - low))
    }
}

impl Chart {
    /// How wide every chart is, in the SVG's own units.
    pub const WIDTH: f64 = WIDTH;

    /// The SVG text.
    pub fn svg(&self) -> String {
        let mut svg = String::new();
        self.write(&mut svg).unwrap_or_default();
        svg
    }

    /// How high the page is, in the SVG's own units; all are equally wide.
    pub fn height(&self) -> f64 {
        self.top() + PLOT + BOTTOM
    }

    /// Where the plot begins, below title and legend.
    fn top(&self) -> f64 {
        let rows = self.legend().last().map_or(0.0, |entry| entry.1 + 1.0);
        TITLE + ENTRY * rows + 12.0
    }

    fn write(&self, svg: &mut String) -> std::fmt::Result {
        let (legend, top, height) = (self.legend(), self.top(), self.height());
        let points: Vec<&Point> = self.series.iter().flat_map(|own| &own.points).collect();
        let scale = Scale::of(&points, top);
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif" font-size="13">{STYLE}"#
        )?;
        writeln!(
            svg,
            r#"<rect width="100%" height="100%" fill="var(--paper)"/>"#
        )?;
        writeln!(
            svg,
            r#"<text x="{LEFT}" y="26" font-size="17" font-weight="600">{}</text>"#,
            escape(&self.title)
        )?;
        for (index, ((x, row), series)) in legend.iter().zip(&self.series).enumerate() {
            let (colour, y) = (index % COLOURS, TITLE + ENTRY * row + 8.0);
            writeln!(
                svg,
                r#"<circle cx="{:.1}" cy="{y:.1}" r="4.5" fill="var(--c{colour})"/><text x="{:.1}" y="{:.1}">{}</text>"#,
                x + 5.0,
                x + 15.0,
                y + 4.5,
                escape(&series.name)
            )?;
        }
        self.write_axes(svg, &scale)?;
        self.write_series(svg, &scale)?;
        writeln!(svg, "</svg>")
    }

    /// The legend's entries in rows above the plot: where each begins, and in which row.
    fn legend(&self) -> Vec<(f64, f64)> {
        let (mut x, mut row) = (LEFT, 0.0);
        let place = |series: &Series| {
            let wide = 15.0 + 7.2 * series.name.chars().count() as f64 + 24.0;
            if x > LEFT && x + wide > WIDTH {
                (x, row) = (LEFT, row + 1.0);
            }
            let own = (x, row);
            x += wide;
            own
        };
        self.series.iter().map(place).collect()
    }

    fn write_axes(&self, svg: &mut String, scale: &Scale) -> std::fmt::Result {
        let (foot, end) = (scale.top + PLOT, WIDTH - RIGHT);
        let step = if scale.tenths.1 - scale.tenths.0 > 6 {
            2
        } else {
            1
        };
        for tenth in (scale.tenths.0..=scale.tenths.1).filter(|tenth| tenth % step == 0) {
            let line = scale.y(f64::from(tenth) / 10.0);
            writeln!(
                svg,
                r#"<line x1="{LEFT}" x2="{end:.1}" y1="{line:.1}" y2="{line:.1}" stroke="var(--grid)"/><text class="soft" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT - 8.0,
                line + 4.0,
                10 * tenth
            )?;
        }
        for exponent in scale.decades.0 as i32..=scale.decades.1 as i32 {
            let column = scale.x(10f64.powi(exponent));
            writeln!(
                svg,
                r#"<line x1="{column:.1}" x2="{column:.1}" y1="{:.1}" y2="{foot:.1}" stroke="var(--grid)"/><text class="soft" x="{column:.1}" y="{:.1}" text-anchor="middle">10<tspan dy="-5" font-size="10">{exponent}</tspan></text>"#,
                scale.top,
                foot + 20.0
            )?;
        }
        writeln!(
            svg,
            r#"<text class="soft" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text><text class="soft" transform="translate(22 {:.1}) rotate(-90)" text-anchor="middle">accuracy, %</text>"#,
            (LEFT + end) / 2.0,
            foot + 44.0,
            escape(&self.axis),
            scale.top + PLOT / 2.0
        )
    }

    fn write_series(&self, svg: &mut String, scale: &Scale) -> std::fmt::Result {
        let place = |point: &Point| (scale.x(point.flops), scale.y(point.accuracy.mean()));
        let mut labels = Labels {
            taken: Vec::new(),
            bounds: Room {
                left: LEFT,
                right: WIDTH - 4.0,
                top: scale.top - 8.0,
                bottom: scale.top + PLOT,
            },
        };
        // All that labels must not cover is known before the first is placed.
        for series in &self.series {
            for point in &series.points {
                let (x, y) = place(point);
                labels.taken.push(Room::around(x, y, 5.5));
                let interval = point.accuracy.interval();
                labels.taken.push(Room {
                    left: x - 1.0,
                    right: x + 1.0,
                    top: scale.y(interval.high),
                    bottom: scale.y(interval.low),
                });
            }
            for pair in series.points.windows(2).filter(|_| series.line) {
                let (from, to) = (place(&pair[0]), place(&pair[1]));
                labels.taken.extend((0..=20).map(|part| {
                    let along = f64::from(part) / 20.0;
                    let at = |from: f64, to: f64| from + along * (to - from);
                    Room::around(at(from.0, to.0), at(from.1, to.1), 1.5)
                }));
            }
        }
        for (index, series) in self.series.iter().enumerate() {
            let colour = index % COLOURS;
            if series.line && series.points.len() > 1 {
                let joined: Vec<String> = series
                    .points
                    .iter()
                    .map(|point| format!("{:.1},{:.1}", place(point).0, place(point).1))
                    .collect();
                writeln!(
                    svg,
                    r#"<polyline points="{}" fill="none" stroke="var(--c{colour})" stroke-width="1.5"/>"#,
                    joined.join(" ")
                )?;
            }
            for point in &series.points {
                let (x, y) = place(point);
                let interval = point.accuracy.interval();
                let label = escape(&point.label);
                writeln!(
                    svg,
                    r#"<line x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}" stroke="var(--c{colour})" stroke-opacity="0.5"/><circle cx="{x:.1}" cy="{y:.1}" r="4.5" fill="var(--c{colour})"><title>{label}: {:.1} %</title></circle>"#,
                    scale.y(interval.low),
                    scale.y(interval.high),
                    point.accuracy.mean() * 100.0
                )?;
                if !label.is_empty() {
                    let (left, line) = labels.place(x, y, &point.label);
                    writeln!(
                        svg,
                        r#"<text class="label" x="{left:.1}" y="{line:.1}" style="fill:var(--c{colour})">{label}</text>"#
                    )?;
                }
            }
        }
        Ok(())
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A part of the page.
#[derive(Clone, Copy)]
struct Room {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Room {
    fn around(x: f64, y: f64, reach: f64) -> Self {
        Self {
            left: x - reach,
            right: x + reach,
            top: y - reach,
            bottom: y + reach,
        }
    }

    /// The area that two have in common.
    fn shared(&self, other: &Self) -> f64 {
        let wide = self.right.min(other.right) - self.left.max(other.left);
        let high = self.bottom.min(other.bottom) - self.top.max(other.top);
        wide.max(0.0) * high.max(0.0)
    }
}

/// What is taken already, and what labels have to stay in.
struct Labels {
    taken: Vec<Room>,
    bounds: Room,
}

impl Labels {
    /// Where a point's label covers least: its left end and its base line.
    fn place(&mut self, x: f64, y: f64, text: &str) -> (f64, f64) {
        const HIGH: f64 = 12.0;
        let wide = 6.7 * text.chars().count() as f64;
        let (right, left, middle) = (x + 9.0, x - 9.0 - wide, x - wide / 2.0);
        let near = [
            (right, y + 4.0),
            (right, y - 7.0),
            (right, y + 16.0),
            (left, y + 4.0),
            (left, y - 7.0),
            (left, y + 16.0),
            (middle, y - 11.0),
            (middle, y + 21.0),
            (right, y - 20.0),
            (right, y + 29.0),
            (left, y - 20.0),
            (left, y + 29.0),
        ];
        let room = |&(left, line): &(f64, f64)| Room {
            left: left - 2.0,
            right: left + wide + 2.0,
            top: line - HIGH + 2.0,
            bottom: line + 2.0,
        };
        let cost = |place: &(f64, f64)| {
            let own = room(place);
            let all = (own.right - own.left) * (own.bottom - own.top);
            let outside = all - own.shared(&self.bounds);
            let covered: f64 = self.taken.iter().map(|other| own.shared(other)).sum();
            10.0 * outside + covered
        };
        let best = near.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
        let best = best.copied().unwrap_or(near[0]);
        self.taken.push(room(&best));
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cover_neither_points_nor_each_other() {
        let mut labels = Labels {
            taken: Vec::new(),
            bounds: Room {
                left: 0.0,
                right: 200.0,
                top: 0.0,
                bottom: 100.0,
            },
        };
        // Three points close together at the right edge.
        let points = [(185.0, 50.0), (180.0, 55.0), (186.0, 60.0)];
        labels
            .taken
            .extend(points.map(|(x, y)| Room::around(x, y, 5.5)));
        for (x, y) in points {
            labels.place(x, y, "N = 64");
        }
        let placed = &labels.taken[points.len()..];
        for (number, own) in placed.iter().enumerate() {
            assert!(own.right <= 200.0 && own.left >= 0.0);
            for other in labels.taken[..points.len()].iter().chain(&placed[..number]) {
                assert!(own.shared(other) < 1.0);
            }
        }
    }
}

//! Figures: small panels of lines or bars in one SVG, light or dark as the reader's screen is.

use std::fmt::Write;

use super::table::escape;

/// A measured point with its interval.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dot {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) hint: String,
    /// Written beside it.
    pub(crate) label: String,
}

/// What is drawn of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Drawn {
    /// Points, joined, in the band of their intervals.
    #[default]
    Joined,
    /// Points with their intervals.
    Points,
    /// The path without points.
    Path,
}

/// Points of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    /// Which of the colours.
    pub(crate) colour: usize,
    pub(crate) dashed: bool,
    pub(crate) drawn: Drawn,
    pub(crate) dots: Vec<Dot>,
}

/// A bar with its interval.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) colour: usize,
    pub(crate) label: String,
    pub(crate) y: f64,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) hint: String,
    /// Room before it, as between groups.
    pub(crate) gap: bool,
}

/// What a panel shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Lines over an axis with the given marks, logarithmic unless it is said to be linear.
    Lines {
        linear: bool,
        marks: Vec<(f64, String)>,
        lines: Vec<Line>,
    },
    /// Bars side by side.
    Bars(Vec<Bar>),
}

/// A part of a figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) content: Content,
}

/// Colour, dashed, name.
pub(crate) type Named = (usize, bool, String);

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    /// Its file's name, and its anchor.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) caption: String,
    /// Below the panels.
    pub(crate) axis: String,
    /// Beside them.
    pub(crate) vertical: &'static str,
    /// Panels as wide as they are high.
    pub(crate) square: bool,
    pub(crate) columns: usize,
    pub(crate) panels: Vec<Panel>,
    pub(crate) legend: Vec<Named>,
}

/// Colours that readers with any colour vision tell apart (after Okabe and Ito), for light and for dark.
pub(crate) const COLOURS: usize = 8;

const STYLE: &str = "<style>\
.fig{--ink:#1c2024;--soft:#5f6873;--grid:#e6e8eb;--paper:#ffffff;\
--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b65c93;--s4:#c98a00;--s5:#3f9fd8;--s6:#6b7280;--s7:#1c2024;\
font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:12px}\
@media (prefers-color-scheme:dark){.fig{--ink:#e6e8eb;--soft:#9aa4af;--grid:#2c333b;--paper:#14181d;\
--s0:#5ab4f0;--s1:#ff8c4b;--s2:#3fcf9f;--s3:#e39cc8;--s4:#f2b63c;--s5:#8fd0f5;--s6:#9aa4af;--s7:#e6e8eb}}\
.fig text{fill:var(--ink)}.fig .soft{fill:var(--soft);font-size:11px}.fig .head{font-weight:600}\
.fig .grid{stroke:var(--grid);stroke-width:1}.fig .paper{fill:var(--paper)}\
.fig .line{fill:none;stroke-width:2;stroke-linejoin:round}.fig .band{opacity:.13;stroke:none}\
.fig .halo{stroke:var(--paper);stroke-width:4}.fig .dot{stroke:var(--paper);stroke-width:1.2}.fig .whisker{stroke:var(--ink);stroke-width:1.2}\
.fig .hit{fill:transparent}.fig .point:hover .dot{stroke:var(--ink);stroke-width:2}.fig .bar:hover{opacity:.8}</style>";

const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 40.0;
const PLOT: f64 = 168.0;
const WIDTH: f64 = 940.0;
/// The plot of a square panel, whose margins to the left and right of the first and last mark make it as wide as it is high.
const SQUARE: f64 = PLOT + 20.0;

impl Figure {
    pub(crate) fn svg(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).unwrap_or_default();
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns);
        let legend = self.legend_rows();
        let above = 8.0 + 20.0 * legend.len() as f64;
        let cell = match self.square {
            true => (LEFT + SQUARE + RIGHT, TOP + PLOT + BOTTOM),
            false => (WIDTH / columns as f64, TOP + PLOT + BOTTOM),
        };
        let all = match self.square {
            true => (cell.0 * columns as f64).max(WIDTH / 2.0),
            false => WIDTH,
        };
        let height = above + rows as f64 * cell.1 + 20.0;
        // Letters stay readable on a telephone, where the reader moves the figure sideways.
        let least = all.min(680.0);
        write!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="fig" viewBox="0 0 {all} {height}" style="max-width:{all}px;min-width:{least}px" role="img" aria-label="{}">{STYLE}"#,
            escape(&self.title)
        )?;
        write!(out, r#"<rect class="paper" width="100%" height="100%"/>"#)?;
        for (row, entries) in legend.iter().enumerate() {
            let y = 18.0 + 20.0 * row as f64;
            for (x, (colour, dashed, name)) in entries {
                let dash = if *dashed {
                    r#" stroke-dasharray="5 4""#
                } else {
                    ""
                };
                write!(
                    out,
                    r#"<line x1="{x:.0}" x2="{:.0}" y1="{y}" y2="{y}" stroke="var(--s{colour})" stroke-width="3"{dash}/><text x="{:.0}" y="{:.0}">{}</text>"#,
                    x + 22.0,
                    x + 28.0,
                    y + 4.0,
                    escape(name)
                )?;
            }
        }
        let range = self.range();
        for row in 0..rows {
            let middle = above + row as f64 * cell.1 + TOP + PLOT / 2.0;
            write!(
                out,
                r#"<text class="soft" transform="translate(13 {middle:.1}) rotate(-90)" text-anchor="middle">{}</text>"#,
                escape(self.vertical)
            )?;
        }
        for (index, panel) in self.panels.iter().enumerate() {
            let (column, row) = (index % columns, index / columns);
            let (x, y) = (column as f64 * cell.0, above + row as f64 * cell.1);
            write!(out, r#"<g transform="translate({x:.1} {y:.1})">"#)?;
            panel.write(out, cell.0, range)?;
            write!(out, "</g>")?;
        }
        write!(
            out,
            r#"<text class="soft" x="{:.0}" y="{:.0}" text-anchor="middle">{}</text></svg>"#,
            if self.square {
                LEFT + SQUARE / 2.0
            } else {
                WIDTH / 2.0
            },
            height - 8.0,
            escape(&self.axis)
        )
    }

    /// The legend in rows that fit, each entry at its place.
    fn legend_rows(&self) -> Vec<Vec<(f64, &Named)>> {
        let mut rows: Vec<Vec<(f64, &Named)>> = Vec::new();
        let mut x = f64::INFINITY;
        for entry in &self.legend {
            let wide = 28.0 + 6.6 * entry.2.chars().count() as f64 + 22.0;
            if x + wide > WIDTH {
                rows.push(Vec::new());
                x = LEFT;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, entry));
            }
            x += wide;
        }
        rows
    }

    /// The same vertical range for all panels: whole tenths around everything that is shown; bars stand on zero.
    fn range(&self) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, 0.0f64);
        for panel in &self.panels {
            match &panel.content {
                Content::Lines { lines, .. } => {
                    for dot in lines.iter().flat_map(|line| &line.dots) {
                        low = low.min(dot.low);
                        high = high.max(dot.high);
                    }
                }
                Content::Bars(bars) => {
                    low = 0.0;
                    for bar in bars {
                        high = high.max(bar.interval.map_or(bar.y, |interval| interval.1));
                    }
                }
            }
        }
        if !low.is_finite() {
            return (0.0, 1.0);
        }
        let low = (low * 10.0).floor() / 10.0;
        let high = ((high * 10.0).ceil() / 10.0).min(1.0).max(low + 0.1);
        (low, high)
    }
}

impl Panel {
    fn write(&self, out: &mut String, wide: f64, (low, high): (f64, f64)) -> std::fmt::Result {
        let (left, right) = (LEFT, wide - RIGHT);
        let y = |share: f64| TOP + PLOT * (1.0 - (share - low) / (high - low));
        let size = if wide < 260.0 { 10.5 } else { 12.0 };
        write!(
            out,
            r#"<text class="head" x="{left}" y="20" style="font-size:{size}px">{}</text>"#,
            escape(&self.title)
        )?;
        let step = if high - low > 0.55 { 2 } else { 1 };
        let tenths = ((low * 10.0).round() as i64..=(high * 10.0).round() as i64).step_by(step);
        for tenth in tenths {
            let share = tenth as f64 / 10.0;
            write!(
                out,
                r#"<line class="grid" x1="{left}" x2="{right:.1}" y1="{0:.1}" y2="{0:.1}"/><text class="soft" x="{1}" y="{2:.1}" text-anchor="end">{3:.0} %</text>"#,
                y(share),
                left - 6.0,
                y(share) + 4.0,
                100.0 * share
            )?;
        }
        match &self.content {
            Content::Lines {
                linear,
                marks,
                lines,
            } => {
                let scale = if *linear { |value| value } else { f64::ln };
                lines_panel(out, marks, lines, scale, (left, right), &y)
            }
            Content::Bars(bars) => bars_panel(out, bars, left, right, &y),
        }
    }
}

fn lines_panel(
    out: &mut String,
    marks: &[(f64, String)],
    lines: &[Line],
    scale: fn(f64) -> f64,
    (left, right): (f64, f64),
    y: &dyn Fn(f64) -> f64,
) -> std::fmt::Result {
    let all = || {
        let dots = lines
            .iter()
            .flat_map(|line| line.dots.iter().map(|dot| dot.x));
        dots.chain(marks.iter().map(|(at, _)| *at)).map(scale)
    };
    let (first, last) = (
        all().fold(f64::INFINITY, f64::min),
        all().fold(f64::NEG_INFINITY, f64::max),
    );
    let span = (last - first).max(1e-9);
    let x = |value: f64| left + 10.0 + (scale(value) - first) / span * (right - left - 20.0);
    for (at, label) in marks {
        write!(
            out,
            r#"<line class="grid" x1="{0:.1}" x2="{0:.1}" y1="{TOP}" y2="{1:.1}"/><text class="soft" x="{0:.1}" y="{2:.1}" text-anchor="middle">{3}</text>"#,
            x(*at),
            TOP + PLOT,
            TOP + PLOT + 16.0,
            escape(label)
        )?;
    }
    let joined = |line: &&Line| line.drawn == Drawn::Joined && line.dots.len() > 1;
    for Line { colour, dots, .. } in lines.iter().filter(joined) {
        let upper = dots.iter().map(|dot| (dot.x, dot.high));
        let lower = dots.iter().rev().map(|dot| (dot.x, dot.low));
        let outline: Vec<String> = upper
            .chain(lower)
            .map(|(at, share)| format!("{:.1},{:.1}", x(at), y(share)))
            .collect();
        write!(
            out,
            r#"<polygon class="band" fill="var(--s{colour})" points="{}"/>"#,
            outline.join(" ")
        )?;
    }
    for Line {
        colour,
        dashed,
        dots,
        ..
    } in lines.iter().filter(|line| line.drawn != Drawn::Points)
    {
        let path: Vec<String> = dots
            .iter()
            .map(|dot| format!("{:.1},{:.1}", x(dot.x), y(dot.y)))
            .collect();
        let dash = if *dashed {
            r#" stroke-dasharray="5 4""#
        } else {
            ""
        };
        write!(
            out,
            r#"<polyline class="line" stroke="var(--s{colour})"{dash} points="{}"/>"#,
            path.join(" ")
        )?;
    }
    let shown = lines.iter().filter(|line| line.drawn != Drawn::Path);
    for Line {
        colour,
        drawn,
        dots,
        ..
    } in shown
    {
        for dot in dots {
            if *drawn == Drawn::Points {
                write!(
                    out,
                    r#"<line class="whisker" stroke-opacity=".45" x1="{0:.1}" x2="{0:.1}" y1="{1:.1}" y2="{2:.1}"/>"#,
                    x(dot.x),
                    y(dot.high),
                    y(dot.low)
                )?;
            }
            write!(
                out,
                r#"<g class="point"><circle class="hit" cx="{0:.1}" cy="{1:.1}" r="9"/><circle class="dot" cx="{0:.1}" cy="{1:.1}" r="3.6" fill="var(--s{colour})"/><title>{2}</title></g>"#,
                x(dot.x),
                y(dot.y),
                escape(&dot.hint)
            )?;
            if !dot.label.is_empty() {
                write!(
                    out,
                    r#"<text class="soft" x="{:.1}" y="{:.1}">{}</text>"#,
                    x(dot.x) + 6.0,
                    y(dot.y) + 12.0,
                    escape(&dot.label)
                )?;
            }
        }
    }
    Ok(())
}

fn bars_panel(
    out: &mut String,
    bars: &[Bar],
    left: f64,
    right: f64,
    y: &dyn Fn(f64) -> f64,
) -> std::fmt::Result {
    let gaps = bars.iter().filter(|bar| bar.gap).count() as f64;
    let room = (right - left - 16.0) / (bars.len() as f64 + 0.5 * gaps).max(1.0);
    let mut at = left + 8.0;
    for bar in bars {
        if bar.gap {
            at += 0.5 * room;
        }
        let thick = (room * 0.78).min(64.0);
        let start = at + (room - thick) / 2.0;
        let middle = at + room / 2.0;
        write!(
            out,
            r#"<rect class="bar" x="{start:.1}" width="{thick:.1}" y="{:.1}" height="{:.1}" rx="2" fill="var(--s{})"><title>{}</title></rect>"#,
            y(bar.y),
            (y(0.0) - y(bar.y)).max(0.5),
            bar.colour,
            escape(&bar.hint)
        )?;
        if let Some((low, high)) = bar.interval {
            // Seen on any colour of bar: in the paper's colour, and over that in the ink's.
            for class in ["halo", "whisker"] {
                write!(
                    out,
                    r#"<line class="{class}" x1="{middle:.1}" x2="{middle:.1}" y1="{:.1}" y2="{:.1}"/>"#,
                    y(high),
                    y(low)
                )?;
            }
        }
        let above = bar.interval.map_or(bar.y, |(_, high)| high.max(bar.y));
        write!(
            out,
            r#"<text x="{middle:.1}" y="{:.1}" text-anchor="middle">{:.1}</text>"#,
            y(above) - 5.0,
            100.0 * bar.y
        )?;
        // Words of a label one below the other.
        for (line, word) in bar.label.split('\n').enumerate() {
            write!(
                out,
                r#"<text class="soft" x="{middle:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                TOP + PLOT + 15.0 + 13.0 * line as f64,
                escape(word)
            )?;
        }
        at += room;
    }
    Ok(())
}

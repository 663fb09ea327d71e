//! Tables, as HTML and as Markdown.

use std::fmt::Write;

use crate::estimate::interval::Interval;

/// A cell: what is read, and what is told on pointing at it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TableCell {
    pub(crate) text: String,
    pub(crate) hint: String,
    /// Stands out: the best of its kind.
    pub(crate) strong: bool,
    /// Was not measured.
    pub(crate) missing: bool,
    /// Where it leads, relative to the report.
    pub(crate) link: Option<String>,
}

impl TableCell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub(crate) fn missing(why: impl Into<String>) -> Self {
        Self {
            text: why.into(),
            missing: true,
            ..Self::default()
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub(crate) fn link(mut self, link: Option<String>) -> Self {
        self.link = link;
        self
    }

    pub(crate) fn strong(mut self, strong: bool) -> Self {
        self.strong = strong;
        self
    }
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) header: Vec<String>,
    /// Columns of words; the others hold numbers.
    pub(crate) words: usize,
    pub(crate) rows: Vec<Vec<TableCell>>,
    /// Below the table.
    pub(crate) note: String,
}

/// Words of more characters than this are a sentence.
const PROSE: usize = 60;

impl Table {
    pub(crate) fn html(&self) -> String {
        let mut out = String::new();
        let side = |column: usize| {
            if column < self.words {
                " class=\"word\""
            } else {
                ""
            }
        };
        out.push_str("<figure class=\"table\">");
        if !self.title.is_empty() {
            let _ = write!(out, "<figcaption>{}</figcaption>", escape(&self.title));
        }
        out.push_str("<div class=\"scroll\"><table><thead><tr>");
        for (column, name) in self.header.iter().enumerate() {
            let _ = write!(
                out,
                "<th scope=\"col\"{}>{}</th>",
                side(column),
                escape(name)
            );
        }
        out.push_str("</tr></thead><tbody>");
        let mut before: Option<&str> = None;
        for row in &self.rows {
            // A rule where the first column changes, and its word only there.
            let first = row.first().map(|cell| cell.text.as_str());
            let repeated = self.words > 1 && first == before;
            let class = if repeated || before.is_none() {
                ""
            } else {
                " class=\"next\""
            };
            let class = if self.words > 1 { class } else { "" };
            let _ = write!(out, "<tr{class}>");
            for (column, cell) in row.iter().enumerate() {
                let mut classes = Vec::new();
                if column < self.words {
                    classes.push("word");
                    // A sentence is broken; a name is not.
                    if cell.text.chars().count() > PROSE {
                        classes.push("prose");
                    }
                }
                if cell.strong {
                    classes.push("strong");
                }
                if cell.missing {
                    classes.push("missing");
                }
                if column == 0 && repeated {
                    classes.push("again");
                }
                let class = match classes.is_empty() {
                    true => String::new(),
                    false => format!(" class=\"{}\"", classes.join(" ")),
                };
                let hint = match cell.hint.is_empty() {
                    true => String::new(),
                    false => format!(" title=\"{}\"", escape(&cell.hint)),
                };
                let text = spaced(&escape(&cell.text));
                let text = match &cell.link {
                    Some(link) => format!("<a href=\"{}\">{text}</a>", escape(link)),
                    None => text,
                };
                let _ = write!(out, "<td{class}{hint}>{text}</td>");
            }
            out.push_str("</tr>");
            before = first;
        }
        out.push_str("</tbody></table></div>");
        if !self.note.is_empty() {
            let _ = write!(out, "<p class=\"note\">{}</p>", escape(&self.note));
        }
        out.push_str("</figure>\n");
        out
    }

    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        if !self.title.is_empty() {
            let _ = writeln!(out, "**{}**\n", cell(&self.title));
        }
        let header: Vec<String> = self.header.iter().map(|name| cell(name)).collect();
        let _ = writeln!(out, "| {} |", header.join(" | "));
        let _ = writeln!(out, "|{}", "---|".repeat(self.header.len()));
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .map(|own| match (own.strong, &own.link) {
                    (_, Some(link)) => format!("[{}]({link})", cell(&own.text)),
                    (true, None) => format!("**{}**", cell(&own.text)),
                    (false, None) => cell(&own.text),
                })
                .collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        if !self.note.is_empty() {
            let _ = writeln!(out, "\n{}", self.note);
        }
        out.push('\n');
        out
    }
}

/// An interval in brackets is smaller than the number before it.
fn spaced(text: &str) -> String {
    let interval = text.find(" (").filter(|&at| {
        let number = text[..at].replace('−', "-");
        text.contains(" to ") && number.parse::<f64>().is_ok()
    });
    match interval {
        Some(at) => format!("{}<span class=\"ci\">{}</span>", &text[..at], &text[at..]),
        None => text.to_owned(),
    }
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// `78.5 (72.3 to 83.6)`, in per cent.
pub(crate) fn percent(mean: f64, interval: Interval) -> String {
    format!(
        "{:.1} ({:.1} to {:.1})",
        100.0 * mean,
        100.0 * interval.low,
        100.0 * interval.high
    )
}

/// `+13.0 (+7.8 to +18.0)`, in points.
pub(crate) fn points(difference: f64, interval: Interval) -> String {
    let signed = |value: f64| format!("{:+.1}", 100.0 * value).replace('-', "−");
    format!(
        "{} ({} to {})",
        signed(difference),
        signed(interval.low),
        signed(interval.high)
    )
}

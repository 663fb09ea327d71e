//! Steps as HTML: `$…$`, `\(…\)`, `$$…$$` and `\[…\]` become MathML, what is no LaTeX stays text.

use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::{Parser, Storage, push_mathml};

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// How maths begins, how it ends, and whether it stands by itself.
const FENCES: [(&str, &str, bool); 4] = [
    ("$$", "$$", true),
    ("\\[", "\\]", true),
    ("\\(", "\\)", false),
    ("$", "$", false),
];

pub(super) fn html(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let found = FENCES
            .iter()
            .filter_map(|fence| rest.find(fence.0).map(|at| (at, fence)))
            .min_by_key(|(at, fence)| (*at, std::cmp::Reverse(fence.0.len())));
        let Some((at, (open, close, display))) = found else {
            break;
        };
        let body = &rest[at + open.len()..];
        let Some(end) = body.find(close) else { break };
        out.push_str(&escape(&rest[..at]));
        let after = &body[end + close.len()..];
        match mathml(&body[..end], *display) {
            Some(math) => out.push_str(&math),
            None => out.push_str(&escape(&rest[at..rest.len() - after.len()])),
        }
        rest = after;
    }
    out.push_str(&escape(rest));
    out.replace('\n', "<br>")
}

fn mathml(latex: &str, display: bool) -> Option<String> {
    // not among the parser's commands; answers stand in it
    let latex = latex.trim();
    if let Some(boxed) = latex
        .strip_prefix("\\boxed{")
        .and_then(|rest| rest.strip_suffix('}'))
    {
        return mathml(boxed, display).map(|math| format!("<span class=\"boxed\">{math}</span>"));
    }
    let storage = Storage::new();
    let events: Vec<_> = Parser::new(latex, &storage).collect();
    if events.is_empty() || events.iter().any(Result::is_err) {
        return None;
    }
    let config = RenderConfig {
        display_mode: match display {
            true => DisplayMode::Block,
            false => DisplayMode::Inline,
        },
        ..RenderConfig::default()
    };
    let mut out = String::new();
    push_mathml(&mut out, events.into_iter(), config).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latex_is_rendered_and_what_is_none_stays_as_it_was() {
        let good = html("so $\\frac{1}{2}<3$ holds");
        assert!(good.contains("<math") && good.contains("<mfrac"), "{good}");
        let bad = html("$\\frac{1}$ and <script>");
        assert_eq!(bad, "$\\frac{1}$ and &lt;script&gt;");
        assert_eq!(html("costs $5 & more"), "costs $5 &amp; more");
    }

    #[test]
    fn a_box_is_drawn() {
        let page = html("is $\\boxed{30}$.");
        assert!(page.contains("class=\"boxed\"><math"), "{page}");
    }

    #[test]
    fn text_inside_of_maths_cannot_make_tags() {
        let page = html("$\\text{<script>alert(1)</script>}$ $a<b>c$");
        assert!(!page.contains("<script"), "{page}");
    }
}

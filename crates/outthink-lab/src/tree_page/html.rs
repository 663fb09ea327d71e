//! The tree as one HTML file: WAI-ARIA's tree pattern, works from the keyboard, an address for every step.

use std::fmt::Write;

use outthink_answer::draw_grid;
use outthink_core::{NodeId, Stop, Tree};

use super::CaseTree;
use super::math::{escape, html};

/// Deeper levels are as far in as this one.
const INDENT: usize = 24;

/// A problem or a step as HTML: LaTeX as MathML, a grid drawn, everything else escaped. Safe to put into a page, whatever the text.
pub fn markup(text: &str) -> String {
    whole(text, html)
}

/// A problem or an answer: a drawn grid where it has one.
fn whole(text: &str, otherwise: impl Fn(&str) -> String) -> String {
    match draw_grid(text) {
        Some(drawn) => format!("<span class=\"grid\">{}</span>", escape(&drawn)),
        None => otherwise(text),
    }
}

impl CaseTree {
    /// The page.
    pub fn html(&self) -> String {
        let mut out = String::new();
        let leaves = self.leaves().count();
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{style}</style>\n<main>\n<h1>{title}</h1>\n<p class=\"problem\">{problem}</p>\n\
             <p class=\"about\">Answer: {gold}. {steps} steps, {leaves} ends.{first}{second}</p>\n\
             <p class=\"legend\"><span class=\"kept\">kept</span> <span class=\"pruned\">pruned</span> <span class=\"right\">✓ right so far</span> \
             <span class=\"wrong\">✗ first wrong step</span> ■ answer ▪ cut off. Arrow keys move, open and close; Home, End; \
             <label><input type=\"checkbox\" id=\"pruned\" checked> show pruned steps</label></p>\n\
             <p role=\"status\" id=\"status\"></p>\n<div role=\"tree\" id=\"tree\" aria-label=\"Steps of the search\">\n",
            title = escape(&self.title),
            style = include_str!("page.css"),
            problem = whole(&self.problem, html),
            gold = whole(&self.gold, |gold| html(&format!("${gold}$"))),
            steps = self.nodes.len().saturating_sub(1),
            first = self
                .verifiers
                .0
                .as_ref()
                .map_or(String::new(), |name| format!(" Rewards: {}.", escape(name))),
            second = self
                .verifiers
                .1
                .as_ref()
                .map_or(String::new(), |name| format!(
                    " Beside them: {}.",
                    escape(name)
                )),
        );
        let mut stack: Vec<(NodeId, usize, usize)> = Vec::new();
        self.stack(&mut stack, Tree::ROOT, 1);
        while let Some((id, level, place)) = stack.pop() {
            self.item(&mut out, id, level, place);
            self.stack(&mut stack, id, level + 1);
        }
        let _ = write!(
            out,
            "</div>\n</main>\n<script>{}</script>\n</html>\n",
            include_str!("page.js")
        );
        out
    }

    fn stack(&self, stack: &mut Vec<(NodeId, usize, usize)>, id: NodeId, level: usize) {
        let children = self.nodes[id].children.iter().enumerate().rev();
        stack.extend(children.map(|(place, &child)| (child, level, place + 1)));
    }

    fn item(&self, out: &mut String, id: NodeId, level: usize, place: usize) {
        let node = &self.nodes[id];
        let siblings = node
            .parent
            .map_or(1, |parent| self.nodes[parent].children.len());
        let expanded = match node.children.is_empty() {
            true => "",
            false => " aria-expanded=\"true\"",
        };
        let class = if node.kept { "kept" } else { "pruned" };
        let verdict = match node.right {
            Some(true) => "<span class=\"right\" title=\"right so far\">✓</span>",
            Some(false) if self.first_wrong(node) => {
                "<span class=\"wrong\" title=\"first wrong step\">✗</span>"
            }
            Some(false) => "<span class=\"after\" title=\"after a wrong step\">·</span>",
            None => "",
        };
        let bar = |reward: Option<f64>, class: &str| {
            reward.map_or(String::new(), |reward| {
                format!(
                    "<span class=\"reward {class}\" style=\"--r:{reward:.3}\">{reward:.3}</span>"
                )
            })
        };
        let end = match node.end {
            Some(Stop::Answer) => " ■",
            Some(_) => " ▪",
            None => "",
        };
        // Unknown is not 0.
        let tokens = match node.tokens {
            0 => String::new(),
            tokens => format!("{tokens} tokens, "),
        };
        let _ = writeln!(
            out,
            "<div role=\"treeitem\" id=\"step-{id}\" class=\"{class}\" aria-level=\"{level}\" aria-posinset=\"{place}\" \
             aria-setsize=\"{siblings}\"{expanded} tabindex=\"-1\" style=\"--level:{}\"><span class=\"meta\">{}{}{verdict}\
             <span class=\"small\">{}×{}{}{end}</span> <a href=\"#step-{id}\" tabindex=\"-1\" aria-hidden=\"true\">#</a></span>\
             <span class=\"text\">{}{}</span></div>",
            (level - 1).min(INDENT),
            bar(node.reward, "first"),
            bar(node.other, "second"),
            tokens,
            node.draws,
            if node.kept { "" } else { ", pruned" },
            if node.question {
                "<em>Asked:</em> "
            } else {
                ""
            },
            html(&node.text),
        );
    }
}

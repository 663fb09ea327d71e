//! The tree as plain lines.

use outthink_answer::draw_grid;
use outthink_core::{NodeId, Stop, Tree};

use super::{CaseNode, CaseTree};

impl CaseTree {
    /// The tree in lines of at most about `width` characters; siblings beyond the best `most` of a step fold into one line.
    pub fn terminal(&self, width: usize, most: usize) -> String {
        let drawn = draw_grid(&self.problem);
        let problem = drawn.as_deref().unwrap_or(&self.problem);
        let mut out = format!("{}\n{problem}\n", self.title);
        let order = self.order(Tree::ROOT, most);
        // A stack, not recursion: paths may be long.
        let mut stack = Vec::new();
        push(
            &mut stack,
            &order,
            self.nodes[Tree::ROOT].children.len(),
            String::new(),
        );
        while let Some((line, indent, last)) = stack.pop() {
            let (elbow, bar) = if last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let Some(id) = line else {
                out.push_str(&format!("{indent}{elbow}"));
                out.push_str("… more, with lower rewards\n");
                continue;
            };
            let mark = self.mark(id);
            let room = width.saturating_sub(indent.chars().count() + mark.chars().count() + 4);
            let node = &self.nodes[id];
            let asked = if node.question { "asked: " } else { "" };
            let text = fold(&format!("{asked}{}", node.text), room.max(20));
            out.push_str(&format!("{indent}{elbow}{mark} {text}\n"));
            let order = self.order(id, most);
            push(
                &mut stack,
                &order,
                self.nodes[id].children.len(),
                format!("{indent}{bar}"),
            );
        }
        out.push_str(
            "\nreward, tokens; + kept, - pruned, ✓ on the gold path, ✗ first wrong step, ■ answer, ▪ cut off\n",
        );
        out
    }

    /// Children, the kept ones first, then by reward; the first of them.
    fn order(&self, id: NodeId, most: usize) -> Vec<NodeId> {
        let mut children = self.nodes[id].children.clone();
        let key = |id: NodeId| (self.nodes[id].kept, self.nodes[id].reward.unwrap_or(-1.0));
        children.sort_by(|&a, &b| {
            let ((kept_a, reward_a), (kept_b, reward_b)) = (key(a), key(b));
            kept_b.cmp(&kept_a).then(reward_b.total_cmp(&reward_a))
        });
        children.truncate(most);
        children
    }

    /// Is this the first wrong step of its path?
    pub(super) fn first_wrong(&self, node: &CaseNode) -> bool {
        let before = node.parent.and_then(|parent| self.nodes[parent].right);
        node.right == Some(false) && before != Some(false)
    }

    fn mark(&self, id: NodeId) -> String {
        let node = &self.nodes[id];
        let mut mark = String::from(if node.kept { "+" } else { "-" });
        if let Some(reward) = node.reward {
            mark.push_str(&format!(" {reward:.3}"));
        }
        if let Some(other) = node.other {
            mark.push_str(&format!(" | {other:.3}"));
        }
        // Whole solutions are kept without the tokens of their steps.
        match node.tokens {
            0 => mark.push_str("     "),
            tokens => mark.push_str(&format!(" {tokens:>3}t")),
        }
        if node.right == Some(true) {
            mark.push_str(" ✓");
        } else if self.first_wrong(node) {
            mark.push_str(" ✗");
        }
        match node.end {
            Some(Stop::Answer) => mark.push_str(" ■"),
            Some(Stop::Length | Stop::Step) => mark.push_str(" ▪"),
            None => {}
        }
        mark
    }
}

type Line = (Option<NodeId>, String, bool);

fn push(stack: &mut Vec<Line>, shown: &[NodeId], all: usize, indent: String) {
    let folded = shown.len() < all;
    if folded {
        stack.push((None, indent.clone(), true));
    }
    for (place, &id) in shown.iter().enumerate().rev() {
        let last = !folded && place + 1 == shown.len();
        stack.push((Some(id), indent.clone(), last));
    }
}

fn fold(text: &str, room: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.chars().count() > room {
        true => flat.chars().take(room - 1).chain(['…']).collect(),
        false => flat,
    }
}

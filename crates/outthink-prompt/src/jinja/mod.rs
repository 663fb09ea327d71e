//! Jinja as chat templates use it, rendered to the letter as transformers renders it: Python's values, its texts of them and
//! its methods, blocks trimmed, immutable values.
//!
//! A template comes from strangers. So nothing here grows without being counted first: the source is bounded, syntax and
//! values are bounded in depth, and every step and every byte is paid from one meter. Nothing recurses deeper than that.

mod arguments;
mod call;
mod date;
mod evaluate;
mod filters;
mod format;
mod lexer;
mod methods;
mod parser;
mod predicates;
mod render;
mod spec;
mod syntax;
mod value;
mod written;

use std::cell::Cell;
use std::sync::Arc;

use render::Renderer;
use syntax::Body;
pub(crate) use value::Value;

/// Longer sources are no chat templates: the longest published ones have 30 kB.
const SOURCE_BYTES: usize = 1 << 20;
/// Far more steps than any real template needs for one conversation; a hostile one stops here.
const STEPS: u64 = 1_000_000;
/// What one step pays for.
const STEP_BYTES: usize = 64;

/// Why a template does not parse or render.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Where in the source, from 1; 0 while that is not known.
    pub(crate) line: u32,
    pub(crate) message: String,
    /// Did the template itself refuse what it was given?
    pub(crate) refused: bool,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self {
            line: 0,
            message: message.into(),
            refused: false,
        }
    }

    /// Of a template that says so.
    fn refusal(message: impl Into<String>) -> Self {
        Self {
            refused: true,
            ..Self::new(message)
        }
    }

    /// At a line, unless a more precise one is known.
    fn at(mut self, line: u32) -> Self {
        if self.line == 0 {
            self.line = line;
        }
        self
    }
}

/// Counts what a rendering costs, and ends it when that is too much.
pub(crate) struct Meter {
    left: Cell<u64>,
}

impl Meter {
    fn pay(&self, steps: u64) -> Result<(), Failure> {
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(Failure::new("it takes more work than a chat template may"))
            }
        }
    }

    fn step(&self) -> Result<(), Failure> {
        self.pay(1)
    }

    /// For a text of this many bytes, read or written.
    fn bytes(&self, bytes: usize) -> Result<(), Failure> {
        self.pay((bytes / STEP_BYTES) as u64)
    }

    /// For this many items of a container.
    fn items(&self, items: usize) -> Result<(), Failure> {
        self.bytes(items.saturating_mul(size_of::<Value>()))
    }
}

/// A parsed template.
pub(crate) struct Template {
    body: Body,
}

impl Template {
    pub(crate) fn parse(source: &str) -> Result<Self, Failure> {
        if source.len() > SOURCE_BYTES {
            return Err(Failure::new(format!(
                "its source of {} bytes is longer than the {SOURCE_BYTES} a chat template may have",
                source.len()
            )));
        }
        let tokens = lexer::tokens(source)?;
        let body = parser::parse(tokens)?;
        Ok(Self { body })
    }

    /// Renders with variables by name. They hold `given` bytes, for which it may take longer.
    pub(crate) fn render(
        &self,
        given: usize,
        variables: impl FnOnce(&Meter) -> Result<Vec<(Arc<str>, Value)>, Failure>,
    ) -> Result<String, Failure> {
        let left = Cell::new(STEPS.saturating_add(given as u64));
        let meter = Meter { left };
        let variables = variables(&meter)?;
        Renderer::new(&meter, variables).render(&self.body)
    }
}

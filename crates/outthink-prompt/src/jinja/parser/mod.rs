//! From tokens to statements and expressions, by Jinja's grammar with transformers' `generation`, `break` and `continue`.

mod expressions;
mod statements;

use std::sync::Arc;

use super::Failure;
use super::lexer::Token;
use super::syntax::{Body, Reads};

/// Statements and brackets within one another; published templates have up to twenty.
const DEPTH: usize = 150;

pub(crate) fn parse(tokens: Vec<(u32, Token)>) -> Result<Body, Failure> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        loops: 0,
        reads: Reads::default(),
    };
    let line = parser.line();
    parser.body(&[], line)
}

struct Parser {
    tokens: Vec<(u32, Token)>,
    at: usize,
    depth: usize,
    /// Loops around this place, within its macro.
    loops: usize,
    /// What was read since the macro began.
    reads: Reads,
}

type Parsed<T> = Result<T, Failure>;

impl Parser {
    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn after(&self) -> Option<&Token> {
        self.tokens.get(self.at + 1).map(|(_, token)| token)
    }

    fn line(&self) -> u32 {
        let here = self.tokens.get(self.at).or(self.tokens.last());
        here.map_or(1, |(line, _)| *line)
    }

    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(Failure::new(message).at(self.line()))
    }

    fn unexpected<T>(&self, wanted: &str) -> Parsed<T> {
        let found = match self.token() {
            None => "the end of the template".to_owned(),
            Some(Token::Data(_)) => "text".into(),
            Some(Token::VariableBegin) => "{{".into(),
            Some(Token::VariableEnd) => "}}".into(),
            Some(Token::BlockBegin) => "{%".into(),
            Some(Token::BlockEnd) => "%}".into(),
            Some(Token::Name(name)) => format!("`{name}`"),
            Some(Token::Text(text)) => format!("{text:?}"),
            Some(Token::Int(number)) => number.to_string(),
            Some(Token::Float(number)) => number.to_string(),
            Some(Token::Operator(operator)) => format!("`{operator}`"),
        };
        self.fail(format!("expected {wanted}, not {found}"))
    }

    fn is(&self, operator: &str) -> bool {
        matches!(self.token(), Some(Token::Operator(found)) if *found == operator)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.token(), Some(Token::Name(found)) if found.as_ref() == name)
    }

    fn skip(&mut self, operator: &str) -> bool {
        let skips = self.is(operator);
        self.at += usize::from(skips);
        skips
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let skips = self.is_name(name);
        self.at += usize::from(skips);
        skips
    }

    fn expect(&mut self, operator: &str) -> Parsed<()> {
        match self.skip(operator) {
            true => Ok(()),
            false => self.unexpected(&format!("`{operator}`")),
        }
    }

    fn expect_token(&mut self, token: &Token, named: &str) -> Parsed<()> {
        if self.token() != Some(token) {
            return self.unexpected(named);
        }
        self.at += 1;
        Ok(())
    }

    fn name(&mut self) -> Parsed<Arc<str>> {
        let Some(Token::Name(name)) = self.token() else {
            return self.unexpected("a name");
        };
        let name = Arc::clone(name);
        self.at += 1;
        Ok(name)
    }

    /// Parses what lies one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.fail("it is nested too deeply");
        }
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }
}

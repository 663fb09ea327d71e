//! What stands between `{%` and `%}`, and the text around it.

use std::sync::Arc;

use super::super::Failure;
use super::super::lexer::Token;
use super::super::syntax::{Body, Expression, For, Macro, Statement, Suffix, Target};
use super::{Parsed, Parser};

type Parameter = (Arc<str>, Option<Expression>);

impl Parser {
    /// Up to a tag of one of these names, which is not read past; to the end of the template if there are none.
    pub(super) fn body(&mut self, ends: &[&str], opened: u32) -> Parsed<Body> {
        let mut body = Vec::new();
        loop {
            let line = self.line();
            match self.token() {
                None if ends.is_empty() => return Ok(body),
                None => {
                    let end = ends.iter().find(|end| end.starts_with("end"));
                    let end = end.copied().unwrap_or("its end");
                    let missing = format!("this tag is not closed: `{end}` is missing");
                    return Err(Failure::new(missing).at(opened));
                }
                Some(Token::Data(text)) => {
                    body.push((line, Statement::Text(text.clone())));
                    self.at += 1;
                }
                Some(Token::VariableBegin) => {
                    self.at += 1;
                    let value = self.tuple(true, &[])?;
                    self.expect_token(&Token::VariableEnd, "}}")?;
                    body.push((line, Statement::Output(value)));
                }
                Some(Token::BlockBegin) => {
                    self.at += 1;
                    if ends.iter().any(|end| self.is_name(end)) {
                        return Ok(body);
                    }
                    self.nested(|parser| parser.statement(line, &mut body))?;
                    self.expect_token(&Token::BlockEnd, "%}")?;
                }
                Some(_) => return self.unexpected("text or a tag"),
            }
        }
    }

    /// The rest of an opening tag and its body, up to and past the closing tag.
    fn block(&mut self, end: &str, opened: u32) -> Parsed<Body> {
        let body = self.until(&[end], opened)?;
        self.at += 1;
        Ok(body)
    }

    fn until(&mut self, ends: &[&str], opened: u32) -> Parsed<Body> {
        self.skip(":");
        self.expect_token(&Token::BlockEnd, "%}")?;
        self.body(ends, opened)
    }

    fn statement(&mut self, line: u32, body: &mut Body) -> Parsed<()> {
        let name = self.name()?;
        let statement = match name.as_ref() {
            "if" => self.condition(line)?,
            "for" => self.repeat(line)?,
            "set" => self.set(line)?,
            "macro" => Statement::Macro(self.function(line, None)?),
            "call" => self.call_block(line)?,
            "with" => {
                let mut pairs = Vec::new();
                while self.token() != Some(&Token::BlockEnd) {
                    if !pairs.is_empty() {
                        self.expect(",")?;
                    }
                    let target = self.target(false)?;
                    self.expect("=")?;
                    pairs.push((target, self.expression()?));
                }
                Statement::With(pairs, self.block("endwith", line)?)
            }
            "filter" => {
                let mut filters = vec![self.filter()?];
                while self.skip("|") {
                    filters.push(self.filter()?);
                }
                Statement::FilterBlock(filters, self.block("endfilter", line)?)
            }
            "print" => {
                while self.token() != Some(&Token::BlockEnd) {
                    body.push((line, Statement::Output(self.expression()?)));
                    if self.token() != Some(&Token::BlockEnd) {
                        self.expect(",")?;
                    }
                }
                return Ok(());
            }
            "generation" => Statement::Scope(self.block("endgeneration", line)?),
            "autoescape" => {
                self.expression()?;
                Statement::Scope(self.block("endautoescape", line)?)
            }
            "block" => {
                let name = self.name()?;
                while self.skip_name("scoped") || self.skip_name("required") {}
                let body = self.block("endblock", line)?;
                self.skip_name(&name);
                Statement::Scope(body)
            }
            "break" | "continue" if self.loops == 0 => {
                return self.fail(format!("`{name}` outside of a loop"));
            }
            "break" => Statement::Break,
            "continue" => Statement::Continue,
            "include" | "import" | "from" | "extends" => {
                return self.fail(format!("`{name}`: a chat template stands alone"));
            }
            _ => return self.fail(format!("unknown tag `{name}`")),
        };
        body.push((line, statement));
        Ok(())
    }

    fn condition(&mut self, line: u32) -> Parsed<Statement> {
        let mut branches = Vec::new();
        loop {
            let test = self.tuple(false, &[])?;
            let body = self.until(&["elif", "else", "endif"], line)?;
            branches.push((test, body));
            if self.skip_name("elif") {
                continue;
            }
            let otherwise = if self.skip_name("else") {
                self.block("endif", line)?
            } else {
                self.at += 1;
                Vec::new()
            };
            return Ok(Statement::If(branches, otherwise));
        }
    }

    fn repeat(&mut self, line: u32) -> Parsed<Statement> {
        let target = self.target(false)?;
        if !self.skip_name("in") {
            return self.unexpected("`in`");
        }
        let items = self.tuple(false, &["recursive"])?;
        let condition = match self.skip_name("if") {
            true => Some(self.expression()?),
            false => None,
        };
        let recursive = self.skip_name("recursive");
        self.loops += 1;
        let body = self.until(&["endfor", "else"], line)?;
        self.loops -= 1;
        let otherwise = if self.skip_name("else") {
            self.block("endfor", line)?
        } else {
            self.at += 1;
            Vec::new()
        };
        Ok(Statement::For(Arc::new(For {
            target,
            items,
            condition,
            recursive,
            body,
            otherwise,
        })))
    }

    fn set(&mut self, line: u32) -> Parsed<Statement> {
        let target = self.target(true)?;
        if self.skip("=") {
            return Ok(Statement::Set(target, self.tuple(true, &[])?));
        }
        let mut filters = Vec::new();
        while self.skip("|") {
            filters.push(self.filter()?);
        }
        let body = self.block("endset", line)?;
        Ok(Statement::SetBlock(target, filters, body))
    }

    /// A macro, or the body of a call with its parameters.
    fn function(&mut self, line: u32, caller: Option<Vec<Parameter>>) -> Parsed<Arc<Macro>> {
        let (name, parameters, end) = match caller {
            Some(parameters) => ("caller".into(), parameters, "endcall"),
            None => (self.name()?, self.signature()?, "endmacro"),
        };
        let reads = std::mem::take(&mut self.reads);
        let loops = std::mem::take(&mut self.loops);
        let body = self.block(end, line)?;
        self.loops = loops;
        // What is read within is read around it too.
        let inner = std::mem::replace(&mut self.reads, reads);
        self.reads.varargs |= inner.varargs;
        self.reads.kwargs |= inner.kwargs;
        self.reads.caller |= inner.caller;
        Ok(Arc::new(Macro {
            name,
            parameters,
            body,
            reads: inner,
        }))
    }

    fn signature(&mut self) -> Parsed<Vec<Parameter>> {
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.is(")") {
            if !parameters.is_empty() {
                self.expect(",")?;
            }
            let name = self.name()?;
            let default = match self.skip("=") {
                true => Some(self.expression()?),
                false => None,
            };
            if default.is_none() && matches!(parameters.last(), Some((_, Some(_)))) {
                return self.fail("non-default argument follows default argument");
            }
            parameters.push((name, default));
        }
        self.expect(")")?;
        Ok(parameters)
    }

    fn call_block(&mut self, line: u32) -> Parsed<Statement> {
        let parameters = match self.is("(") {
            true => self.signature()?,
            false => Vec::new(),
        };
        let call = self.expression()?;
        let calls = matches!(
            &call,
            Expression::Chain(_, suffixes) if matches!(suffixes.last(), Some((_, Suffix::Call(_))))
        );
        if !calls {
            return self.fail("expected a call");
        }
        let body = self.function(line, Some(parameters))?;
        Ok(Statement::CallBlock(call, body))
    }

    fn target(&mut self, attributes: bool) -> Parsed<Target> {
        let mut targets = Vec::new();
        let mut several = false;
        loop {
            let target = if self.skip("(") {
                let target = self.nested(|parser| parser.target(attributes))?;
                self.expect(")")?;
                target
            } else {
                let name = self.name()?;
                if matches!(
                    name.as_ref(),
                    "true" | "false" | "none" | "True" | "False" | "None"
                ) {
                    return self.fail(format!("can't assign to {name}"));
                }
                if attributes && self.skip(".") {
                    Target::Attribute(name, self.name()?)
                } else {
                    Target::Name(name)
                }
            };
            targets.push(target);
            if !self.skip(",") {
                break;
            }
            several = true;
            if !matches!(self.token(), Some(Token::Name(name)) if name.as_ref() != "in")
                && !self.is("(")
            {
                break;
            }
        }
        match targets.pop() {
            Some(target) if !several => Ok(target),
            Some(target) => {
                targets.push(target);
                Ok(Target::Several(targets))
            }
            None => self.unexpected("a name"),
        }
    }
}

//! From tokens to statements and expressions, by Jinja's grammar with transformers' `generation`, `break` and `continue`.

use std::sync::Arc;

use super::Failure;
use super::lexer::Token;
use super::syntax::{
    Argument, Body, Comparison, Expression, For, Macro, Operator, Reads, Statement, Suffix, Target,
};

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

    /// Up to a tag of one of these names, which is not read past; to the end of the template if there are none.
    fn body(&mut self, ends: &[&str], opened: u32) -> Parsed<Body> {
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

    fn expression(&mut self) -> Parsed<Expression> {
        self.nested(Self::choice)
    }

    /// Values with commas between them are a tuple. Where a condition may follow, `if` is not the expression's.
    fn tuple(&mut self, choices: bool, ends: &[&str]) -> Parsed<Expression> {
        let mut items = Vec::new();
        let mut several = false;
        loop {
            let over = matches!(
                self.token(),
                None | Some(Token::VariableEnd | Token::BlockEnd | Token::Operator(")"))
            );
            if over || ends.iter().any(|end| self.is_name(end)) {
                break;
            }
            items.push(match choices {
                true => self.expression()?,
                false => self.nested(Self::either)?,
            });
            if !self.skip(",") {
                break;
            }
            several = true;
        }
        match items.pop() {
            Some(item) if !several => Ok(item),
            Some(item) => {
                items.push(item);
                Ok(Expression::Tuple(items))
            }
            None => self.unexpected("an expression"),
        }
    }

    fn choice(&mut self) -> Parsed<Expression> {
        let mut value = self.either()?;
        let depth = self.depth;
        while self.skip_name("if") {
            // Each of these lies around the last one.
            self.depth += 1;
            let test = self.nested(Self::either)?;
            let otherwise = match self.skip_name("else") {
                true => Some(self.nested(Self::choice)?),
                false => None,
            };
            value = Expression::Choice(Box::new((test, value, otherwise)));
        }
        self.depth = depth;
        Ok(value)
    }

    fn either(&mut self) -> Parsed<Expression> {
        self.joined("or", Self::both, Expression::Or)
    }

    fn both(&mut self) -> Parsed<Expression> {
        self.joined("and", Self::negation, Expression::And)
    }

    fn joined(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Parsed<Expression>,
        all: fn(Vec<Expression>) -> Expression,
    ) -> Parsed<Expression> {
        let first = part(self)?;
        if !self.is_name(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_name(word) {
            parts.push(part(self)?);
        }
        Ok(all(parts))
    }

    fn negation(&mut self) -> Parsed<Expression> {
        if self.skip_name("not") {
            let negated = self.nested(Self::negation)?;
            return Ok(Expression::Not(Box::new(negated)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let comparison = match self.token() {
                Some(Token::Operator("==")) => Comparison::Equal,
                Some(Token::Operator("!=")) => Comparison::Unequal,
                Some(Token::Operator("<")) => Comparison::Less,
                Some(Token::Operator("<=")) => Comparison::LessOrEqual,
                Some(Token::Operator(">")) => Comparison::Greater,
                Some(Token::Operator(">=")) => Comparison::GreaterOrEqual,
                Some(Token::Name(name)) if name.as_ref() == "in" => Comparison::In,
                Some(Token::Name(name))
                    if name.as_ref() == "not"
                        && matches!(self.after(), Some(Token::Name(next)) if next.as_ref() == "in") =>
                {
                    self.at += 1;
                    Comparison::NotIn
                }
                _ => break,
            };
            self.at += 1;
            rest.push((comparison, self.sum()?));
        }
        Ok(match rest.is_empty() {
            true => first,
            false => Expression::Compare(Box::new(first), rest),
        })
    }

    fn sum(&mut self) -> Parsed<Expression> {
        self.arithmetic(
            Self::concatenation,
            &[("+", Operator::Add), ("-", Operator::Subtract)],
        )
    }

    fn concatenation(&mut self) -> Parsed<Expression> {
        let first = self.product()?;
        if !self.is("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip("~") {
            parts.push(self.product()?);
        }
        Ok(Expression::Concat(parts))
    }

    fn product(&mut self) -> Parsed<Expression> {
        let operators = [
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("//", Operator::DivideFloor),
            ("%", Operator::Modulo),
        ];
        self.arithmetic(Self::power, &operators)
    }

    fn power(&mut self) -> Parsed<Expression> {
        self.arithmetic(|parser| parser.unary(true), &[("**", Operator::Power)])
    }

    fn arithmetic(
        &mut self,
        part: fn(&mut Self) -> Parsed<Expression>,
        operators: &[(&str, Operator)],
    ) -> Parsed<Expression> {
        let first = part(self)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.is(sign)) {
            self.at += 1;
            rest.push((*operator, part(self)?));
        }
        Ok(match rest.is_empty() {
            true => first,
            false => Expression::Arithmetic(Box::new(first), rest),
        })
    }

    fn unary(&mut self, filters: bool) -> Parsed<Expression> {
        let value = if self.skip("-") {
            let value = self.nested(|parser| parser.unary(false))?;
            Expression::Negative(Box::new(value))
        } else if self.skip("+") {
            let value = self.nested(|parser| parser.unary(false))?;
            Expression::Positive(Box::new(value))
        } else {
            self.primary()?
        };
        let mut suffixes = Vec::new();
        self.postfix(&mut suffixes)?;
        loop {
            let line = self.line();
            if !filters {
                break;
            } else if self.skip("|") {
                suffixes.push(self.filter()?);
            } else if self.skip_name("is") {
                suffixes.push((line, self.test()?));
            } else if self.is("(") {
                suffixes.push((line, Suffix::Call(self.arguments()?)));
            } else {
                break;
            }
        }
        Ok(chained(value, suffixes))
    }

    fn postfix(&mut self, suffixes: &mut Vec<(u32, Suffix)>) -> Parsed<()> {
        loop {
            let line = self.line();
            if self.skip(".") {
                let suffix = match self.token() {
                    Some(Token::Name(name)) => Suffix::Attribute(Arc::clone(name)),
                    Some(Token::Int(index)) => Suffix::Item(Expression::Int(*index)),
                    _ => return self.unexpected("a name or a number"),
                };
                self.at += 1;
                suffixes.push((line, suffix));
            } else if self.skip("[") {
                let suffix = self.nested(Self::subscript)?;
                self.expect("]")?;
                suffixes.push((line, suffix));
            } else if self.is("(") {
                suffixes.push((line, Suffix::Call(self.arguments()?)));
            } else {
                return Ok(());
            }
        }
    }

    fn subscript(&mut self) -> Parsed<Suffix> {
        let mut bounds = [None, None, None];
        let mut colons = 0;
        while !self.is("]") {
            if self.skip(":") {
                colons += 1;
                if colons > 2 {
                    return self.unexpected("`]`");
                }
            } else if bounds[colons].is_none() {
                bounds[colons] = Some(self.expression()?);
            } else {
                return self.unexpected("`]`");
            }
        }
        match (colons, bounds) {
            (0, [Some(item), ..]) => Ok(Suffix::Item(item)),
            (0, _) => self.unexpected("an expression"),
            (_, bounds) => Ok(Suffix::Slice(Box::new(bounds))),
        }
    }

    fn dotted(&mut self) -> Parsed<Arc<str>> {
        let mut name = self.name()?;
        while self.skip(".") {
            name = format!("{name}.{}", self.name()?).into();
        }
        Ok(name)
    }

    fn filter(&mut self) -> Parsed<(u32, Suffix)> {
        let line = self.line();
        let name = self.dotted()?;
        let arguments = match self.is("(") {
            true => self.arguments()?,
            false => Vec::new(),
        };
        Ok((line, Suffix::Filter(name, arguments)))
    }

    fn test(&mut self) -> Parsed<Suffix> {
        let negated = self.skip_name("not");
        let name = self.dotted()?;
        let arguments = match self.token() {
            Some(Token::Operator("(")) => self.arguments()?,
            Some(Token::Name(word)) if matches!(word.as_ref(), "else" | "or" | "and") => Vec::new(),
            Some(Token::Name(word)) if word.as_ref() == "is" => {
                return self.fail("tests cannot be chained with `is`");
            }
            // An operator in words belongs to what follows.
            Some(Token::Name(word)) if matches!(word.as_ref(), "if" | "in" | "not") => Vec::new(),
            Some(
                Token::Name(_)
                | Token::Text(_)
                | Token::Int(_)
                | Token::Float(_)
                | Token::Operator("[" | "{"),
            ) => {
                let value = self.primary()?;
                let mut suffixes = Vec::new();
                self.postfix(&mut suffixes)?;
                vec![Argument::Plain(chained(value, suffixes))]
            }
            _ => Vec::new(),
        };
        Ok(Suffix::Test(name, arguments, negated))
    }

    fn arguments(&mut self) -> Parsed<Vec<Argument>> {
        self.expect("(")?;
        let mut arguments: Vec<Argument> = Vec::new();
        while !self.is(")") {
            let named = matches!(arguments.last(), Some(Argument::Named(..)));
            let spread = matches!(
                arguments.last(),
                Some(Argument::Spread(_) | Argument::SpreadNamed(_))
            );
            let argument = if self.skip("*") {
                Argument::Spread(self.expression()?)
            } else if self.skip("**") {
                Argument::SpreadNamed(self.expression()?)
            } else if let (Some(Token::Name(name)), Some(Token::Operator("="))) =
                (self.token(), self.after())
            {
                let name = Arc::clone(name);
                self.at += 2;
                Argument::Named(name, self.expression()?)
            } else if named || spread {
                return self.fail("a positional argument follows a named one");
            } else {
                Argument::Plain(self.expression()?)
            };
            arguments.push(argument);
            if !self.skip(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(arguments)
    }

    fn primary(&mut self) -> Parsed<Expression> {
        let value = match self.token() {
            Some(Token::Name(name)) => match name.as_ref() {
                "true" | "True" => Expression::Bool(true),
                "false" | "False" => Expression::Bool(false),
                "none" | "None" => Expression::None,
                _ => {
                    let name = Arc::clone(name);
                    match name.as_ref() {
                        "varargs" => self.reads.varargs = true,
                        "kwargs" => self.reads.kwargs = true,
                        "caller" => self.reads.caller = true,
                        _ => {}
                    }
                    Expression::Name(name)
                }
            },
            Some(Token::Int(number)) => Expression::Int(*number),
            Some(Token::Float(number)) => Expression::Float(*number),
            Some(Token::Text(text)) => {
                let mut text = text.clone();
                while let Some(Token::Text(more)) = self.after() {
                    text.push_str(more);
                    self.at += 1;
                }
                Expression::Text(text.into())
            }
            Some(Token::Operator("(")) => {
                self.at += 1;
                if self.skip(")") {
                    return Ok(Expression::Tuple(Vec::new()));
                }
                let value = self.nested(|parser| parser.tuple(true, &[]))?;
                self.expect(")")?;
                return Ok(value);
            }
            Some(Token::Operator("[")) => {
                self.at += 1;
                return self.nested(Self::list);
            }
            Some(Token::Operator("{")) => {
                self.at += 1;
                return self.nested(Self::dict);
            }
            _ => return self.unexpected("an expression"),
        };
        self.at += 1;
        Ok(value)
    }

    fn list(&mut self) -> Parsed<Expression> {
        let mut items = Vec::new();
        while !self.is("]") {
            items.push(self.expression()?);
            if !self.skip(",") {
                break;
            }
        }
        self.expect("]")?;
        Ok(Expression::List(items))
    }

    fn dict(&mut self) -> Parsed<Expression> {
        let mut entries = Vec::new();
        while !self.is("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.skip(",") {
                break;
            }
        }
        self.expect("}")?;
        Ok(Expression::Dict(entries))
    }
}

type Parameter = (Arc<str>, Option<Expression>);

fn chained(value: Expression, suffixes: Vec<(u32, Suffix)>) -> Expression {
    match suffixes.is_empty() {
        true => value,
        false => Expression::Chain(Box::new(value), suffixes),
    }
}

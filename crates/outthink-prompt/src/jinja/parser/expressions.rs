//! Expressions, by how tightly their operators bind: the loosest first.

use std::sync::Arc;

use super::super::lexer::Token;
use super::super::syntax::{Argument, Comparison, Expression, Operator, Suffix};
use super::{Parsed, Parser};

impl Parser {
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.nested(Self::choice)
    }

    /// Values with commas between them are a tuple. Where a condition may follow, `if` is not the expression's.
    pub(super) fn tuple(&mut self, choices: bool, ends: &[&str]) -> Parsed<Expression> {
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

    pub(super) fn filter(&mut self) -> Parsed<(u32, Suffix)> {
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

fn chained(value: Expression, suffixes: Vec<(u32, Suffix)>) -> Expression {
    match suffixes.is_empty() {
        true => value,
        false => Expression::Chain(Box::new(value), suffixes),
    }
}

//! Statements: scopes, loops, macros.

use std::sync::Arc;

use super::arguments::Arguments;
use super::syntax::{Body, For, Macro, Statement, Suffix, Target};
use super::value::{Closure, Value};
use super::{Failure, Meter};

/// Statements and expressions within one another while rendering, calls of macros included.
const DEPTH: usize = 500;

/// What a name stands for in one scope.
struct Scope {
    /// The scope around this one.
    around: usize,
    stamp: u64,
    names: Vec<(Arc<str>, Value)>,
}

/// What can change.
pub(crate) enum Object {
    Namespace(Vec<(Arc<str>, Value)>),
    Loop(Loop),
    Cycler(Vec<Value>, usize),
    /// A separator, and whether it was asked for yet.
    Joiner(Value, bool),
}

pub(crate) struct Loop {
    pub(crate) items: Vec<Value>,
    pub(crate) length: usize,
    pub(crate) index: usize,
    pub(crate) depth: usize,
    /// What `loop.changed` was last asked of.
    pub(crate) last: Option<Vec<Value>>,
    code: Arc<For>,
    /// The scope around the loop, and its stamp.
    scope: (usize, u64),
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

pub(crate) struct Renderer<'m> {
    pub(crate) meter: &'m Meter,
    pub(crate) objects: Vec<Object>,
    scopes: Vec<Scope>,
    stamp: u64,
    out: String,
    depth: usize,
}

type Rendered<T> = Result<T, Failure>;

impl<'m> Renderer<'m> {
    pub(crate) fn new(meter: &'m Meter, variables: Vec<(Arc<str>, Value)>) -> Self {
        Self {
            meter,
            objects: Vec::new(),
            scopes: vec![Scope {
                around: 0,
                stamp: 0,
                names: variables,
            }],
            stamp: 0,
            out: String::new(),
            depth: 0,
        }
    }

    pub(crate) fn render(mut self, body: &Body) -> Rendered<String> {
        self.body(body)?;
        Ok(self.out)
    }

    /// Does something one level deeper.
    pub(crate) fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Rendered<T>) -> Rendered<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Failure::new("maximum recursion depth exceeded"));
        }
        let done = work(self)?;
        self.depth -= 1;
        Ok(done)
    }

    fn scope(&self) -> usize {
        self.scopes.len() - 1
    }

    /// Does something in a scope of its own, within another one.
    fn scoped<T>(
        &mut self,
        around: usize,
        work: impl FnOnce(&mut Self) -> Rendered<T>,
    ) -> Rendered<T> {
        self.stamp += 1;
        self.scopes.push(Scope {
            around,
            stamp: self.stamp,
            names: Vec::new(),
        });
        let done = work(self)?;
        self.scopes.pop();
        Ok(done)
    }

    pub(crate) fn variable(&self, name: &str) -> Option<Value> {
        let mut at = self.scope();
        loop {
            let scope = &self.scopes[at];
            let mut names = scope.names.iter();
            if let Some((_, value)) = names.find(|(known, _)| known.as_ref() == name) {
                return Some(value.clone());
            }
            if at == 0 {
                return None;
            }
            at = scope.around;
        }
    }

    fn name(&mut self, name: &Arc<str>, value: Value) {
        let scope = self.scope();
        let names = &mut self.scopes[scope].names;
        match names.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => *place = value,
            None => names.push((Arc::clone(name), value)),
        }
    }

    /// What some work writes.
    fn captured(&mut self, work: impl FnOnce(&mut Self) -> Rendered<()>) -> Rendered<Value> {
        let before = std::mem::take(&mut self.out);
        work(self)?;
        let written = std::mem::replace(&mut self.out, before);
        self.meter.bytes(written.len())?;
        Ok(Value::text(written))
    }

    fn body(&mut self, body: &Body) -> Rendered<Flow> {
        self.deeper(|renderer| {
            for (line, statement) in body {
                let flow = renderer.statement(statement).map_err(|e| e.at(*line))?;
                if flow != Flow::On {
                    return Ok(flow);
                }
            }
            Ok(Flow::On)
        })
    }

    fn statement(&mut self, statement: &Statement) -> Rendered<Flow> {
        self.meter.step()?;
        match statement {
            Statement::Text(text) => {
                self.meter.bytes(text.len())?;
                self.out.push_str(text);
            }
            Statement::Output(expression) => {
                let value = self.evaluate(expression)?;
                value.write(&mut self.out, self.meter)?;
            }
            Statement::If(branches, otherwise) => {
                for (test, body) in branches {
                    if self.evaluate(test)?.is_true() {
                        return self.body(body);
                    }
                }
                return self.body(otherwise);
            }
            Statement::For(code) => {
                let items = self.evaluate(&code.items)?;
                self.repeat(code, &items, 0)?;
            }
            Statement::Set(target, expression) => {
                let value = self.evaluate(expression)?;
                self.assign(target, value)?;
            }
            Statement::SetBlock(target, filters, body) => {
                let value = self.filtered(filters, body)?;
                self.assign(target, value)?;
            }
            Statement::FilterBlock(filters, body) => {
                let value = self.filtered(filters, body)?;
                value.write(&mut self.out, self.meter)?;
            }
            Statement::With(pairs, body) => {
                let values: Rendered<Vec<Value>> = pairs
                    .iter()
                    .map(|(_, value)| self.evaluate(value))
                    .collect();
                let values = values?;
                let around = self.scope();
                return self.scoped(around, |renderer| {
                    for ((target, _), value) in pairs.iter().zip(values) {
                        renderer.assign(target, value)?;
                    }
                    renderer.body(body)
                });
            }
            Statement::Macro(code) => {
                let closure = self.closure(code);
                self.name(&code.name, closure);
            }
            Statement::CallBlock(call, code) => {
                let caller = self.closure(code);
                let value = self.call_with_caller(call, caller)?;
                value.write(&mut self.out, self.meter)?;
            }
            Statement::Scope(body) => {
                let around = self.scope();
                return self.scoped(around, |renderer| renderer.body(body));
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn filtered(&mut self, filters: &[(u32, Suffix)], body: &Body) -> Rendered<Value> {
        let around = self.scope();
        let mut value = self.scoped(around, |renderer| {
            renderer.captured(|renderer| renderer.body(body).map(drop))
        })?;
        for (line, filter) in filters {
            value = self.suffix(value, filter).map_err(|e| e.at(*line))?;
        }
        Ok(value)
    }

    fn assign(&mut self, target: &Target, value: Value) -> Rendered<()> {
        match target {
            Target::Name(name) => {
                self.name(name, value);
                Ok(())
            }
            Target::Attribute(name, attribute) => {
                let Some(Value::Object(number)) = self.variable(name) else {
                    return Err(Failure::new(
                        "cannot assign attribute on non-namespace object",
                    ));
                };
                let Some(Object::Namespace(names)) = self.objects.get_mut(number) else {
                    return Err(Failure::new(
                        "cannot assign attribute on non-namespace object",
                    ));
                };
                match names.iter_mut().find(|(known, _)| known == attribute) {
                    Some((_, place)) => *place = value,
                    None => names.push((Arc::clone(attribute), value)),
                }
                Ok(())
            }
            Target::Several(targets) => {
                let values = value.iterate(self.meter)?;
                if values.len() != targets.len() {
                    let problem = match values.len() > targets.len() {
                        true => "too many",
                        false => "not enough",
                    };
                    return Err(Failure::new(format!(
                        "{problem} values to unpack (expected {}, got {})",
                        targets.len(),
                        values.len()
                    )));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value)?;
                }
                Ok(())
            }
        }
    }

    fn repeat(&mut self, code: &Arc<For>, items: &Value, depth: usize) -> Rendered<()> {
        let around = self.scope();
        let mut items = items.iterate(self.meter)?;
        if let Some(condition) = &code.condition {
            let mut kept = Vec::new();
            for item in items {
                let keeps = self.scoped(around, |renderer| {
                    renderer.assign(&code.target, item.clone())?;
                    renderer.evaluate(condition)
                })?;
                if keeps.is_true() {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            return self.scoped(around, |renderer| renderer.body(&code.otherwise).map(drop));
        }
        let number = self.objects.len();
        let length = items.len();
        self.objects.push(Object::Loop(Loop {
            items: items.clone(),
            length,
            index: 0,
            depth,
            last: None,
            code: Arc::clone(code),
            scope: (around, self.scopes[around].stamp),
        }));
        for (index, item) in items.into_iter().enumerate() {
            if let Some(Object::Loop(it)) = self.objects.get_mut(number) {
                it.index = index;
            }
            let flow = self.scoped(around, |renderer| {
                renderer.name(&"loop".into(), Value::Object(number));
                renderer.assign(&code.target, item)?;
                renderer.body(&code.body)
            })?;
            if flow == Flow::Break {
                break;
            }
        }
        if let Some(Object::Loop(it)) = self.objects.get_mut(number) {
            it.items = Vec::new();
        }
        Ok(())
    }

    /// `loop(items)` within a recursive loop.
    pub(crate) fn recurse(&mut self, number: usize, mut arguments: Arguments) -> Rendered<Value> {
        let Some(Object::Loop(it)) = self.objects.get(number) else {
            return Err(Failure::new("object is not callable"));
        };
        if !it.code.recursive {
            return Err(Failure::new(
                "the loop must have the `recursive` mark to be called",
            ));
        }
        let (code, depth) = (Arc::clone(&it.code), it.depth + 1);
        let around = self.alive(it.scope.0, it.scope.1);
        let Some(items) = arguments.shift() else {
            return Err(Failure::new("`loop` is called without items"));
        };
        self.deeper(|renderer| {
            renderer.scoped(around, |renderer| {
                renderer.captured(|renderer| renderer.repeat(&code, &items, depth))
            })
        })
    }

    fn closure(&self, code: &Arc<Macro>) -> Value {
        let scope = self.scope();
        Value::Macro(Closure {
            code: Arc::clone(code),
            scope,
            stamp: self.scopes[scope].stamp,
        })
    }

    /// A scope that is still there, or else the outermost one.
    fn alive(&self, scope: usize, stamp: u64) -> usize {
        let here = self.scopes.get(scope);
        here.filter(|scope| scope.stamp == stamp)
            .map_or(0, |_| scope)
    }

    /// Runs a macro, or the body of a call.
    pub(crate) fn invoke(&mut self, closure: &Closure, mut given: Arguments) -> Rendered<Value> {
        let Macro {
            name,
            parameters,
            body,
            reads,
        } = closure.code.as_ref();
        let extra = match given.positional.len() > parameters.len() {
            true => given.positional.split_off(parameters.len()),
            false => Vec::new(),
        };
        if !extra.is_empty() && !reads.varargs {
            return Err(Failure::new(format!(
                "macro '{name}' takes not more than {} argument(s)",
                parameters.len()
            )));
        }
        let mut values: Vec<Option<Value>> = given.positional.drain(..).map(Some).collect();
        for (parameter, _) in &parameters[values.len()..] {
            values.push(given.pop(parameter));
        }
        let caller = given.pop("caller");
        if caller.is_some() && !reads.caller {
            return Err(Failure::new(format!("macro '{name}' calls no caller")));
        }
        if let Some((key, _)) = given.named.first()
            && !reads.kwargs
        {
            return Err(Failure::new(format!(
                "macro '{name}' takes no keyword argument '{key}'"
            )));
        }
        let around = self.alive(closure.scope, closure.stamp);
        self.scoped(around, |renderer| {
            let meter = renderer.meter;
            if reads.caller {
                let none = || Value::Undefined("No caller defined".into());
                renderer.name(&"caller".into(), caller.unwrap_or_else(none));
            }
            if reads.kwargs {
                let named = given.named.into_iter();
                let named = named.map(|(name, value)| (Value::Text(name), value));
                renderer.name(&"kwargs".into(), Value::dict(named, meter)?);
            }
            if reads.varargs {
                renderer.name(&"varargs".into(), Value::tuple(extra, meter)?);
            }
            for ((parameter, default), value) in parameters.iter().zip(values) {
                let value = match (value, default) {
                    (Some(value), _) => value,
                    (None, Some(default)) => renderer.evaluate(default)?,
                    (None, None) => {
                        Value::Undefined(format!("parameter '{parameter}' was not provided").into())
                    }
                };
                renderer.name(parameter, value);
            }
            renderer.captured(|renderer| renderer.body(body).map(drop))
        })
    }
}

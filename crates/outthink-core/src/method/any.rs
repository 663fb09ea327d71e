//! Any method, by its name: the table that everything else goes through.

use std::any::TypeId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Allocator, BUILT_IN, Method, Parameters, Plan, Traits};
use crate::parameters::Settings;
use crate::{Sampling, Until, did_you_mean};

/// A method, known by its name and, where they are not the usual ones, its parameters: `beam`, `rebase:temperature=0.2`. It is
/// written, stored and compared as that text.
#[derive(Clone, Copy)]
pub struct AnyMethod(&'static Named);

/// A method with its written form.
pub(super) struct Named {
    pub(super) method: &'static dyn Method,
    pub(super) written: &'static str,
}

/// A method that was registered, and of which type it is.
#[derive(Clone, Copy)]
struct Registered {
    method: AnyMethod,
    of: TypeId,
}

/// Methods that were registered.
static ADDED: RwLock<Vec<Registered>> = RwLock::new(Vec::new());
/// Methods with parameters that somebody named.
static SETTINGS: Settings<AnyMethod> = Settings::new();

impl AnyMethod {
    pub(super) const fn new(named: &'static Named) -> Self {
        Self(named)
    }

    /// All methods in the order of their table: those that come with outthink, then those registered.
    pub fn all() -> Vec<Self> {
        let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = BUILT_IN.to_vec();
        all.extend(added.iter().map(|own| own.method));
        all
    }

    /// The names of all, as messages and help list them: `cot, majority, best-of-n, …`.
    pub fn names() -> String {
        let names: Vec<&str> = Self::all().into_iter().map(Self::name).collect();
        names.join(", ")
    }

    /// Adds a method of one's own; the same again changes nothing.
    ///
    /// # Errors
    ///
    /// Another method has the name, or it cannot be a name.
    pub fn register<M: Method + 'static>(method: M) -> Result<Self, String> {
        let name = method.name();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!(
                "`{name}` cannot be a method's name: it has lower-case letters, digits and hyphens"
            ));
        }
        let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
        let of = TypeId::of::<M>();
        let same = |own: &&Registered| {
            own.of == of && own.method.0.method.parameters() == method.parameters()
        };
        let taken = |own: &Self| own.0.written == name || own.0.method.aliases().contains(&name);
        if let Some(known) = added.iter().find(|own| taken(&own.method)) {
            return match same(&known) {
                true => Ok(known.method),
                false => Err(format!("there is another method `{name}` already")),
            };
        }
        if BUILT_IN.iter().any(taken) {
            return Err(format!("there is another method `{name}` already"));
        }
        let method: &'static dyn Method = Box::leak(Box::new(method));
        let written = name;
        let own = Self(Box::leak(Box::new(Named { method, written })));
        added.push(Registered { method: own, of });
        Ok(own)
    }

    fn with(self, parameters: &Parameters) -> Result<Self, String> {
        let name = self.0.written;
        let fail = |reason| format!("{name} cannot have these parameters: {reason}");
        let method = self.0.method.with(parameters).map_err(fail)?;
        let own = method.parameters().unlike(&self.0.method.parameters());
        if own.is_empty() {
            return Ok(self);
        }
        let written = format!("{name}:{own}");
        let leaked = |written, _| {
            Self(Box::leak(Box::new(Named {
                method: Box::leak(method),
                written,
            })))
        };
        SETTINGS.named(written, leaked).map_err(fail)
    }

    /// The name that [`FromStr`] reads, parameters included.
    pub fn name(self) -> &'static str {
        self.0.written
    }

    /// As tables and figures call it; with parameters, by its name.
    pub fn title(self) -> &'static str {
        match self.0.written == self.0.method.name() {
            true => self.0.method.title(),
            false => self.0.written,
        }
    }

    /// What it needs.
    pub fn traits(self) -> Traits {
        self.0.method.traits()
    }

    /// Does it need step rewards?
    pub fn needs_verifier(self) -> bool {
        self.traits().rewards
    }

    /// Does it grow solutions a step at a time?
    pub fn is_stepwise(self) -> bool {
        self.traits().stepwise
    }

    /// Does it have a beam width `M`?
    pub fn has_width(self) -> bool {
        self.traits().width
    }

    /// Is it one greedy sample?
    pub fn is_greedy(self) -> bool {
        self.traits().greedy
    }

    /// Does it choose among whole samples? Then one pool of samples serves it at every smaller budget, and all such methods.
    pub fn takes_pool(self) -> bool {
        !self.is_search() && !self.is_greedy() && !self.traits().live
    }

    /// Does what it draws depend on what it drew before? Then no pool serves it, and each budget is a search of its own.
    pub fn is_search(self) -> bool {
        self.is_stepwise() || self.traits().prompts
    }

    pub(crate) fn until(self) -> Until {
        match self.is_stepwise() {
            true => Until::Step,
            false => Until::Answer,
        }
    }

    pub(crate) fn sampling(self, sampling: Sampling) -> Sampling {
        match self.is_greedy() {
            true => Sampling::GREEDY,
            false => sampling,
        }
    }

    pub(crate) fn describe(self, plan: &Plan) -> String {
        self.0.method.describe(plan)
    }

    pub(crate) fn start(self, plan: &Plan, seed: u64) -> Box<dyn Allocator> {
        self.0.method.start(plan, seed)
    }

    /// Its place in the table, then its parameters.
    fn place(self) -> (usize, &'static str) {
        let name = self.0.method.name();
        let named = |own: &Self| own.0.written == name;
        // Sorting looks here often, and what is registered lies behind a lock.
        let place = BUILT_IN.iter().position(named).unwrap_or_else(|| {
            let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
            let registered = added.iter().position(|own| named(&own.method));
            registered.map_or(usize::MAX, |place| BUILT_IN.len() + place)
        });
        (place, self.0.written)
    }
}

impl fmt::Debug for AnyMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.written)
    }
}

impl fmt::Display for AnyMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.written)
    }
}

impl PartialEq for AnyMethod {
    fn eq(&self, other: &Self) -> bool {
        self.0.written == other.0.written
    }
}

impl Eq for AnyMethod {}

impl Hash for AnyMethod {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.written.hash(state);
    }
}

impl PartialOrd for AnyMethod {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// In the order of the table.
impl Ord for AnyMethod {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match self == other {
            true => std::cmp::Ordering::Equal,
            false => self.place().cmp(&other.place()),
        }
    }
}

impl FromStr for AnyMethod {
    type Err = String;

    /// Reads a name, or another one in use, in upper or lower case; parameters follow a colon.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, parameters) = match text.split_once(':') {
            Some((name, parameters)) => (name, Some(parameters)),
            None => (text, None),
        };
        let plain = name.trim().to_lowercase().replace(['_', ' '], "-");
        let all = Self::all();
        let named = |own: &&Self| {
            own.0.written == plain || own.0.method.aliases().contains(&plain.as_str())
        };
        let Some(&method) = all.iter().find(named) else {
            let meant = did_you_mean(&plain, all.iter().map(|own| own.name()));
            let names = Self::names();
            return Err(format!("unknown method `{name}` (one of {names}){meant}"));
        };
        match parameters {
            Some(parameters) => method.with(&Parameters::parse(parameters)?),
            None => Ok(method),
        }
    }
}

impl Serialize for AnyMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.written)
    }
}

impl<'de> Deserialize<'de> for AnyMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(D::Error::custom)
    }
}

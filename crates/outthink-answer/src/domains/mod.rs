//! What questions are about: one file a domain, and their table.

mod maths;

use std::any::TypeId;
use std::fmt;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use outthink_core::{Domain, did_you_mean};

pub use maths::Maths;

/// Any domain, by its name.
#[derive(Clone, Copy)]
pub struct AnyDomain {
    name: &'static str,
    domain: &'static dyn Domain,
    /// Of which type it is; none of those that come with outthink, which nobody else can register.
    of: Option<TypeId>,
}

/// The table of domains; the first is the usual one. A new domain is a file and a line here.
const BUILT_IN: [AnyDomain; 1] = [AnyDomain::MATHS];
static ADDED: RwLock<Vec<AnyDomain>> = RwLock::new(Vec::new());

impl AnyDomain {
    /// Mathematics: numbers, expressions, sets, intervals, choices and what else has one value.
    pub const MATHS: Self = Self {
        name: "maths",
        domain: &Maths,
        of: None,
    };

    /// All in the order of their table: those that come with outthink, then those registered.
    pub fn all() -> Vec<Self> {
        let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
        BUILT_IN.iter().chain(added.iter()).copied().collect()
    }

    /// Adds one's own; the same type under the same name again changes nothing.
    ///
    /// # Errors
    ///
    /// Another domain has the name, or it is empty or has other characters than lower-case letters, digits and hyphens.
    pub fn register<D: Domain + 'static>(name: &'static str, domain: D) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!(
                "`{name}` cannot be a domain's name: it has lower-case letters, digits and hyphens"
            ));
        }
        let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = BUILT_IN.iter().chain(added.iter());
        let of = Some(TypeId::of::<D>());
        if let Some(known) = known.find(|own| own.name == name) {
            return match known.of == of {
                true => Ok(*known),
                false => Err(format!("there is another domain `{name}` already")),
            };
        }
        let domain = Box::leak(Box::new(domain));
        let own = Self { name, domain, of };
        added.push(own);
        Ok(own)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The domain.
    pub fn get(self) -> &'static dyn Domain {
        self.domain
    }
}

impl Default for AnyDomain {
    fn default() -> Self {
        Self::MATHS
    }
}

impl fmt::Debug for AnyDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for AnyDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl PartialEq for AnyDomain {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl FromStr for AnyDomain {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = Self::all();
        let plain = name.trim().to_lowercase();
        let found = all.iter().find(|own| own.name == plain);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|own| own.name).collect();
            let meant = did_you_mean(&plain, names.iter().copied());
            format!(
                "unknown domain `{name}` (one of {}){meant}",
                names.join(", ")
            )
        })
    }
}

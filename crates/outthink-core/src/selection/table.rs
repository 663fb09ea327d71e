//! What scores and votes have in common: a table of those that come with outthink, those that are added to it, and their
//! parameters.

/// An entry of a table, in one setting of its parameters.
pub(super) struct Entry<T: ?Sized + 'static> {
    pub(super) item: &'static T,
    /// Its name with its parameters; none in its usual setting, where its own name is enough.
    pub(super) written: Option<&'static str>,
    /// Its place in the table, and that of the setting: the usual one, those that are tried, whatever else was named.
    pub(super) place: (usize, usize),
    /// Of which type it is; none of those that come with outthink, which nobody else can register.
    pub(super) of: Option<std::any::TypeId>,
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Entry<T> {}

/// The entries of those that come with outthink.
pub(super) const fn entries<T: ?Sized, const N: usize>(items: &[&'static T]) -> [Entry<T>; N] {
    let mut entries = [Entry {
        item: items[0],
        written: None,
        place: (0, 0),
        of: None,
    }; N];
    let mut place = 1;
    while place < N {
        entries[place].item = items[place];
        entries[place].place = (place, 0);
        place += 1;
    }
    entries
}

/// What every handle of a table can do.
macro_rules! handle {
    ($handle:ident of $item:ident, $built_in:ident, $added:ident and $settings:ident) => {
        impl $handle {
            /// All in the order of their table, in their usual settings: those that come with outthink, then those registered.
            pub fn all() -> Vec<Self> {
                let added = $added.read().unwrap_or_else(PoisonError::into_inner);
                let built_in = $built_in.iter().map(Self);
                built_in.chain(added.iter().copied()).collect()
            }

            /// Its place in the table, then that of its setting: what it is sorted by.
            pub const fn place(self) -> (usize, usize) {
                self.0.place
            }

            /// The name that is read, parameters included.
            pub fn name(self) -> &'static str {
                self.0.written.unwrap_or_else(|| self.0.item.name())
            }

            /// Itself, and where its setting is the usual one the other settings that a tuner tries.
            pub fn tried(self) -> Vec<Self> {
                let mut tried = vec![self];
                if self.0.written.is_none() {
                    let settings = self.0.item.settings().iter();
                    let parsed = settings.filter_map(|own| Parameters::parse(own).ok());
                    tried.extend(parsed.filter_map(|own| self.with(&own).ok()));
                }
                tried
            }

            /// Adds one's own; the same type again changes nothing.
            ///
            /// # Errors
            ///
            /// Another one has the name, or it is not one word of lower-case letters and digits.
            pub fn register<T: $item + 'static>(item: T) -> Result<Self, String> {
                let name = item.name();
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
                if name.is_empty() || !name.chars().all(fits) {
                    return Err(format!(
                        "`{name}` cannot be a name here: it has lower-case letters and digits"
                    ));
                }
                let mut added = $added.write().unwrap_or_else(PoisonError::into_inner);
                let mut known = $built_in.iter().map(Self).chain(added.iter().copied());
                let of = Some(std::any::TypeId::of::<T>());
                if let Some(known) = known.find(|own| own.name() == name) {
                    return match known.0.of == of {
                        true => Ok(known),
                        false => Err(format!("there is another `{name}` already")),
                    };
                }
                let own = Self(Box::leak(Box::new(Entry {
                    item: Box::leak(Box::new(item)) as &'static dyn $item,
                    written: None,
                    place: ($built_in.len() + added.len(), 0),
                    of,
                })));
                added.push(own);
                Ok(own)
            }

            /// What a name with its parameters means; none where there is no such name.
            pub(super) fn named(text: &str) -> Option<Result<Self, String>> {
                let (name, parameters) = match text.split_once(':') {
                    Some((name, parameters)) => (name, Some(parameters)),
                    None => (text, None),
                };
                let own = Self::all().into_iter().find(|own| own.name() == name)?;
                Some(match parameters {
                    Some(parameters) => Parameters::parse(parameters)
                        .and_then(|own_parameters| own.with(&own_parameters)),
                    None => Ok(own),
                })
            }

            /// The same in another setting.
            fn with(self, parameters: &Parameters) -> Result<Self, String> {
                let name = self.0.item.name();
                let fail = |reason| format!("{name} cannot have these parameters: {reason}");
                let item = self.0.item.with(parameters).map_err(fail)?;
                let own = item.parameters().unlike(&self.0.item.parameters());
                if own.is_empty() {
                    return Ok(self);
                }
                let own = own.to_string();
                let tried = self.0.item.settings();
                let leaked = |written, before| {
                    let tried_at = tried.iter().position(|setting| *setting == own);
                    let setting = tried_at.unwrap_or(tried.len() + before);
                    Self(Box::leak(Box::new(Entry {
                        item: Box::leak(item) as &'static dyn $item,
                        written: Some(written),
                        place: (self.0.place.0, 1 + setting),
                        of: self.0.of,
                    })))
                };
                $settings
                    .named(format!("{name}:{own}"), leaked)
                    .map_err(fail)
            }
        }

        impl std::fmt::Debug for $handle {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl PartialEq for $handle {
            fn eq(&self, other: &Self) -> bool {
                self.place() == other.place()
            }
        }

        impl Eq for $handle {}

        impl std::hash::Hash for $handle {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.place().hash(state);
            }
        }
    };
}

pub(super) use handle;

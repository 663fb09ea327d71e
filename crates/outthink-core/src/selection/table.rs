//! What scores and votes have in common: a table of those that come with outthink, and of those that are added to it.

/// An entry of a table.
pub(super) struct Entry<T: ?Sized + 'static> {
    pub(super) item: &'static T,
    pub(super) name: &'static str,
    pub(super) place: usize,
    /// Of which type it is; none of those that come with outthink, which nobody else can register.
    pub(super) of: Option<std::any::TypeId>,
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Entry<T> {}

impl<T: ?Sized> Entry<T> {
    pub(super) const fn built_in(item: &'static T, name: &'static str, place: usize) -> Self {
        let of = None;
        Self {
            item,
            name,
            place,
            of,
        }
    }
}

/// What every handle of a table can do.
macro_rules! handle {
    ($handle:ident of $item:ident, $built_in:ident and $added:ident) => {
        impl $handle {
            /// All in the order of their table: those that come with outthink, then those registered.
            pub fn all() -> Vec<Self> {
                let added = $added.read().unwrap_or_else(PoisonError::into_inner);
                $built_in.iter().chain(added.iter()).copied().collect()
            }

            /// Its place among [`Self::all`].
            pub const fn place(self) -> usize {
                self.0.place
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                self.0.name
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
                let mut known = $built_in.iter().chain(added.iter());
                let of = Some(std::any::TypeId::of::<T>());
                if let Some(known) = known.find(|own| own.name() == name) {
                    return match known.0.of == of {
                        true => Ok(*known),
                        false => Err(format!("there is another `{name}` already")),
                    };
                }
                let item: &'static dyn $item = Box::leak(Box::new(item));
                let place = $built_in.len() + added.len();
                let own = Self(Box::leak(Box::new(Entry {
                    item,
                    name,
                    place,
                    of,
                })));
                added.push(own);
                Ok(own)
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

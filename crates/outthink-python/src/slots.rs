//! What was registered under a name: registered again, it takes the place of what was there. Rust's tables keep what is in them for
//! good, so what they keep looks here, and a cell of a notebook may run twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What stands behind a name, now.
pub(crate) struct Slot<T>(RwLock<Arc<T>>);

impl<T> Slot<T> {
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All names of one kind.
pub(crate) struct Slots<T>(Mutex<Option<HashMap<String, Arc<Slot<T>>>>>);

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Puts something behind a name. What is new is made known by `register`, which gets a name that lasts; where that fails the
    /// name stays free.
    pub(crate) fn put(
        &self,
        name: &str,
        own: T,
        register: impl FnOnce(&'static str, Arc<Slot<T>>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        if let Some(slot) = all.get(name) {
            let mut place = slot.0.write().unwrap_or_else(PoisonError::into_inner);
            *place = Arc::new(own);
            return Ok(());
        }
        let slot = Arc::new(Slot(RwLock::new(Arc::new(own))));
        register(String::leak(name.to_owned()), Arc::clone(&slot))?;
        all.insert(name.to_owned(), slot);
        Ok(())
    }
}

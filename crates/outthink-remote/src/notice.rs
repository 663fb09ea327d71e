//! What a person who waits should know.

use std::fmt;

use crate::Role;

/// The fleet's state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// No server of a role answers: the run waits.
    Down {
        /// Which role.
        role: Role,
        /// What the last one said.
        reason: String,
    },
    /// One answers again: the run goes on.
    Up {
        /// Which role.
        role: Role,
        /// Which server.
        endpoint: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { role, reason } => {
                write!(f, "no {role} server answers; waiting ({reason})")
            }
            Self::Up { role, endpoint } => {
                write!(f, "the {role} server {endpoint} answers; going on")
            }
        }
    }
}

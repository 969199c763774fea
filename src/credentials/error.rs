//! Why a login cannot be used.

use std::fmt;

use super::LoginFile;

/// Why the login of a provider cannot be used. Displayed with the fix, never with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginError {
    /// Where the login is stored.
    pub place: LoginFile,
    /// What is wrong.
    pub problem: LoginProblem,
}

/// What is wrong with a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginProblem {
    /// There is none.
    LoggedOut,
    /// Its file cannot be opened; the error.
    Unreadable(String),
    /// Other users can read its file.
    OpenToOthers {
        /// The permission bits.
        mode: u32,
    },
    /// Its file holds something else; what, as a predicate: `has no token`.
    Invalid(String),
    /// It has ended; why.
    Ended(String),
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, login) = (self.place.token_path(), self.place.login_command());
        let path = path.display();
        match &self.problem {
            LoginProblem::LoggedOut => write!(f, "nobody is logged in; log in: {login}"),
            LoginProblem::Unreadable(error) => write!(
                f,
                "{path} cannot be read ({error}): make it yours and chmod 600 {path}, or log in again: {login}"
            ),
            LoginProblem::OpenToOthers { mode } => write!(
                f,
                "others can read {path} (mode {mode:03o}), so it is not used: chmod 600 {path}, and log in again where \
                 somebody may have"
            ),
            LoginProblem::Invalid(what) => write!(f, "{path} {what}; log in again: {login}"),
            LoginProblem::Ended(why) => write!(f, "the login has ended ({why}); log in again: {login}"),
        }
    }
}

impl std::error::Error for LoginError {}

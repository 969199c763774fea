//! What the authorization server does next.

use std::collections::VecDeque;

use serde_json::Value;

/// See the module above.
pub(super) struct OAuthScript {
    /// Answers to polls before the login is granted.
    pub(super) polls: VecDeque<String>,
    /// Answers to refreshes before one is granted.
    pub(super) refreshes: VecDeque<String>,
    /// Seconds between polls.
    pub(super) interval: u64,
    /// Validity of a code, in seconds.
    pub(super) expires_in: u64,
    /// Validity of a key, in seconds.
    pub(super) token_seconds: u64,
    /// Whether a refresh token is valid only once.
    pub(super) rotates_refresh_tokens: bool,
    /// Whether refreshes wait.
    pub(super) holds_refreshes: bool,
}

impl Default for OAuthScript {
    fn default() -> Self {
        let (polls, refreshes) = Default::default();
        Self {
            polls,
            refreshes,
            interval: 5,
            expires_in: 900,
            token_seconds: 900,
            rotates_refresh_tokens: true,
            holds_refreshes: false,
        }
    }
}

impl OAuthScript {
    /// Takes the members of an order over; true when all keys are to end.
    ///
    /// # Errors
    /// The first member that is unknown, or no value of its kind.
    pub(super) fn apply(&mut self, order: &Value) -> Result<bool, String> {
        let members = order.as_object().ok_or("an object is wanted")?;
        let mut ends = false;
        for (name, value) in members {
            let wrong = || format!("{name}: {value} is not what it takes");
            let words = || -> Result<VecDeque<String>, String> {
                let words = value.as_array().ok_or_else(wrong)?;
                words.iter().map(|word| word.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            };
            let number = || value.as_u64().ok_or_else(wrong);
            let flag = || value.as_bool().ok_or_else(wrong);
            match name.as_str() {
                "polls" => self.polls = words()?,
                "refreshes" => self.refreshes = words()?,
                "interval" => self.interval = number()?,
                "expiresIn" => self.expires_in = number()?,
                "tokenSeconds" => self.token_seconds = number()?,
                "rotate" => self.rotates_refresh_tokens = flag()?,
                "hold" => self.holds_refreshes = flag()?,
                "endTokens" => ends = flag()?,
                _ => return Err(format!("{name} cannot be ordered")),
            }
        }
        Ok(ends)
    }
}

//! What cannot be carried is said, or refused.

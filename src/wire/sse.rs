//! Server-sent events, byte by byte.

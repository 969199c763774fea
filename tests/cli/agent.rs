//! `moonrelay agent`: a turn from the shell, in its own process and through a gateway.

mod broken;
mod chosen;
mod desk;
mod fallbacks;
mod gateway;
mod kept;
mod tools;

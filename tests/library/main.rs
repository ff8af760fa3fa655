//! The library through its public API.
mod append;
mod support;
